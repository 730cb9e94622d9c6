"""How the reacher task is shown."""

from __future__ import annotations

from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.viewing import ViewSpec
from robo_ts.envs.benchmarks.reacher import teacher
from robo_ts.envs.benchmarks.reacher.task import Reacher


def view() -> ViewSpec:
    """Arms side by side, each with its target."""
    return ViewSpec(
        spacing=(0.5, 0.5),
        floor=-0.02,
        pushable=("elbow_link",),
        push_speed=0.5,
        reward_terms=_reward_terms,
        scripted=_scripted,
        sees=("proprioception", "privileged"),
    )


def _scripted(env: TaskEnv, obs: TensorDict) -> Tensor:
    return teacher.act({name: obs[name] for name in env.spec})


def _reward_terms(env: TaskEnv) -> dict[str, Tensor]:
    assert isinstance(env, Reacher)
    effort = env.action.square().sum(dim=-1)
    return {
        "distance": -env.config.distance_weight * env.distance,
        "effort": -env.config.effort_weight * effort,
    }
