"""A scripted walker that knows the cue and therefore never looks it up."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from robo_ts.envs.benchmarks.hidden_cue.config import HiddenCueConfig

STD = 0.5  # of the action
MARGIN = 0.12  # how far within the door the walker keeps from the middle of the wall, m


def act(obs: Mapping[str, Tensor], config: HiddenCueConfig | None = None) -> Tensor:
    """Walk straight ahead when already before the right door, otherwise towards its near edge.

    Args:
        obs: groups ``proprioception (n, 5)`` and ``privileged (n, 1)``.
        config: the task's settings; its defaults when left out.

    Returns:
        Actions ``(n, 2)`` of length 1.
    """
    config = config or HiddenCueConfig()
    position, cue = obs["proprioception"][:, :2], obs["privileged"]
    # Aims behind the wall, so that the direction is defined up to the last step.
    ahead = config.door_distance + 0.1 - position[:, 1:]
    aside = cue * (MARGIN - cue * position[:, :1]).clamp_min(0.0)
    way = torch.cat([aside, ahead], dim=-1)
    return torch.nn.functional.normalize(way, dim=-1)


def distribution(
    obs: Mapping[str, Tensor], config: HiddenCueConfig | None = None, std: float = STD
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the teacher's Gaussian action, ``(n, 2)`` each.

    The deviation is wide, so that a divergence from the teacher leaves a student free to explore.
    """
    mean = act(obs, config)
    return mean, torch.full_like(mean, std)
