"""How the hidden-cue task is shown."""

from __future__ import annotations

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.viewing import ViewSpec
from robo_ts.envs.benchmarks.hidden_cue import teacher
from robo_ts.envs.benchmarks.hidden_cue.task import HiddenCue


def view() -> ViewSpec:
    """Doors and alcoves side by side; a mark stands at the right door."""
    return ViewSpec(
        spacing=(1.6, 1.3),
        centre=(-0.1, 0.15),
        floor=-0.08,
        pushable=("walker",),
        push_speed=0.5,
        markers=_right_door,
        reward_terms=_reward_terms,
        scripted=_scripted,
        sees=("proprioception", "privileged"),
    )


def _scripted(env: TaskEnv, obs: TensorDict) -> Tensor:
    assert isinstance(env, HiddenCue)
    return teacher.act({name: obs[name] for name in env.spec}, env.config)


def _right_door(env: TaskEnv) -> Tensor:
    """Above the door the cue names, ``(num_envs, 1, 3)`` m."""
    assert isinstance(env, HiddenCue)
    height = torch.full_like(env.cue, 0.2)
    ahead = torch.full_like(env.cue, env.config.door_distance)
    return torch.stack([0.25 * env.cue, ahead, height], dim=-1)[:, None]


def _reward_terms(env: TaskEnv) -> dict[str, Tensor]:
    """Before the end, where a door's reward is added."""
    assert isinstance(env, HiddenCue)
    return {"time": torch.full_like(env.cue, -env.config.step_cost)}
