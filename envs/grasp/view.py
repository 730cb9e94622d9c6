"""How the grasp task is shown."""

from __future__ import annotations

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.viewing import Choice, Slider, ViewSpec
from robo_ts.envs.grasp.objects.families import FAMILIES
from robo_ts.envs.grasp.scripted import scripted_action
from robo_ts.envs.grasp.task import Grasp


def view() -> ViewSpec:
    """Tables side by side, each with its goal."""
    return ViewSpec(
        spacing=(0.62, 0.62),
        pushable=("object", "wrist"),
        push_speed=0.5,
        sliders=_SLIDERS,
        choices=(_OBJECT,),
        markers=_goal,
        scripted=_scripted,
        scripted_teaches=False,
    )


_SLIDERS = (
    Slider("objects.density", "density", "kg/m³", 100.0, 1500.0),
    Slider("objects.friction", "friction", "1", 0.2, 1.5),
    Slider("start.difficulty", "difficulty of the start", "1", 0.0, 1.0),
    Slider("goal_height", "height of the goal", "m", 0.05, 0.3),
)


# Few of each family: they are generated when they are asked for first.
_OBJECT = Choice(
    "object", {name: {"objects": {"families": [name], "count": 8}} for name in sorted(FAMILIES)}
)


def _grasp(env: TaskEnv) -> Grasp:
    assert isinstance(env, Grasp)
    return env


def _goal(env: TaskEnv) -> Tensor:
    """Where each object is to be held, ``(num_envs, 1, 3)`` m."""
    return _grasp(env).goal[:, None]


def _scripted(env: TaskEnv, obs: TensorDict) -> Tensor:
    """A grasp from above; a hand that moves by synergies stays open."""
    task = _grasp(env)
    if task.config.action != "joint":
        return torch.zeros(env.num_envs, env.num_actions, device=env.device)
    return scripted_action(task)
