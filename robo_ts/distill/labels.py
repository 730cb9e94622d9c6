"""What a teacher says about a state."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Label:
    """A teacher's word on every world.

    Attributes:
        action: what the teacher would do, ``(num_envs, num_actions)``; the mean when it has a
            distribution.
        valid: whether each label may be learnt from, ``(num_envs,)`` bool; None for all.
        std: standard deviation of the teacher's distribution, like ``action``; None when it has
            none.
        latent: the teacher's inner code, ``(num_envs, width)``, for latent matching; None for none.
    """

    action: Tensor
    valid: Tensor | None = None
    std: Tensor | None = None
    latent: Tensor | None = None
