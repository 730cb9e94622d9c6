"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from robo_ts.checks import check_one_of
from robo_ts.errors import RoboTSError

OPTIMIZERS = ("adam", "soap")


def check_optimizer(settings: Any, group: str) -> None:
    """Raise unless ``optimizer`` and ``betas`` of these settings can be made."""
    check_one_of(f"{group}.optimizer", settings.optimizer, OPTIMIZERS)
    if len(settings.betas) != 2 or not all(0.0 <= beta < 1.0 for beta in settings.betas):
        raise RoboTSError(f"{group}.betas: two numbers in [0, 1)", str(settings.betas), "mend them")


def make_optimizer(
    name: str, parameters: Iterable[torch.nn.Parameter], learning_rate: float, betas: list[float]
) -> torch.optim.Optimizer:
    """An optimizer without weight decay.

    Args:
        name: ``adam``, or ``soap``: Adam in the eigenbasis of Shampoo's factors (Vyas et al. 2024,
            arXiv 2409.11321), which goes straighter where directions differ much in curvature. It
            costs milliseconds per update, so it is for small networks in long windows.
        parameters: what it updates.
        learning_rate: of every update, until the caller changes it.
        betas: decay of the two moments.
    """
    if name == "adam":
        return torch.optim.Adam(
            parameters, lr=learning_rate, betas=(betas[0], betas[1]), fused=True
        )
    from pytorch_optimizer import SOAP  # imports every optimizer it knows: some seconds

    return SOAP(
        parameters,
        lr=learning_rate,
        betas=(betas[0], betas[1]),
        shampoo_beta=0.95,
        weight_decay=0.0,
        precondition_1d=True,
    )
