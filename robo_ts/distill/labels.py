"""What a teacher says about a state."""

from __future__ import annotations

from dataclasses import dataclass

import torch
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

    @property
    def known(self) -> Tensor:
        """Where there is a word to learn from, ``(num_envs,)`` bool."""
        if self.valid is not None:
            return self.valid
        return torch.ones(len(self.action), dtype=torch.bool, device=self.action.device)
