"""How the soccer task is shown."""

from __future__ import annotations

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.viewing import Choice, Ground, Slider, ViewSpec
from robo_ts.envs.soccer.pitch import HALF_LENGTH, HALF_WIDTH
from robo_ts.envs.soccer.scripted import SCRIPTED, scripted
from robo_ts.envs.soccer.task import Soccer

_MARGIN = 0.95  # of the ramps and what lies beyond, m


def view() -> ViewSpec:
    """Pitches side by side."""
    return ViewSpec(
        spacing=(2.0 * (HALF_LENGTH + _MARGIN), 2.0 * (HALF_WIDTH + _MARGIN)),
        ground=Ground((2.0 * HALF_LENGTH, 2.0 * HALF_WIDTH), (52, 112, 60)),
        push_speed=1.0,
        sliders=_SLIDERS,
        choices=(_OPPONENT,),
        scripted=_chase,
        scripted_teaches=False,
        sees=("privileged",),
    )


_SLIDERS = (
    Slider("perception.sight", "sight", "m", 0.5, 6.0),
    Slider("perception.dropout", "missed by the detector", "1", 0.0, 0.9),
    Slider("perception.noise", "noise of positions", "m", 0.0, 0.3),
    Slider("perception.noise_per_m", "noise per metre", "m", 0.0, 0.2),
)


_NOBODY: dict[str, dict[str, list[str]]] = {"nobody": {"opponents": []}}
_OPPONENT = Choice("opponent", _NOBODY | {name: {"opponents": [name]} for name in SCRIPTED})


def _chase(env: TaskEnv, obs: TensorDict) -> Tensor:
    """Goes behind the ball and kicks; walkers with legs cannot be told where to go, and stand."""
    assert isinstance(env, Soccer)
    if env.config.walker != "box":
        return torch.zeros(env.num_envs, env.num_actions, device=env.device)
    chaser = scripted("chaser", env.config.walker, env.spec["privileged"], env.num_actions)
    rows = torch.arange(env.num_envs, device=env.device)
    return chaser.act({"privileged": obs["privileged"]}, rows)
