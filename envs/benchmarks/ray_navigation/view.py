"""How the ray-navigation task is shown."""

from __future__ import annotations

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.viewing import ViewSpec
from robo_ts.envs.benchmarks.ray_navigation import teacher
from robo_ts.envs.benchmarks.ray_navigation.task import RayNavigation


def view() -> ViewSpec:
    """Corridors side by side."""
    return ViewSpec(
        spacing=(7.2, 2.6),
        centre=(2.5, 0.0),
        floor=-0.06,
        pushable=("robot",),
        push_speed=1.0,
        reward_terms=_reward_terms,
        scripted=_scripted,
        sees=("state", "privileged"),
    )


def _scripted(env: TaskEnv, obs: TensorDict) -> Tensor:
    assert isinstance(env, RayNavigation)
    return teacher.act({name: obs[name] for name in env.spec}, env.config)


def _reward_terms(env: TaskEnv) -> dict[str, Tensor]:
    """Before the end, where reaching the goal or a collision is added."""
    assert isinstance(env, RayNavigation)
    progress = env.config.progress * env._progress
    return {"progress": progress, "time": torch.full_like(progress, -env.config.step_cost)}
