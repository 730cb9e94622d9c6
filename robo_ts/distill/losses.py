"""What is minimised between the student's and the teacher's action."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared error per step, mean over action dimensions: ``(..., actions)`` to ``(...)``."""
    return (student - teacher).square().mean(dim=-1)


def huber(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber error (delta 0.1, in action units), mean over action dimensions."""
    return torch.nn.functional.huber_loss(student, teacher, reduction="none", delta=0.1).mean(
        dim=-1
    )


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse, "huber": huber}


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``values`` where ``weight`` is one; zero when it is nowhere."""
    return (values * weight).sum() / weight.sum().clamp_min(1.0)
