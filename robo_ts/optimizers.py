"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch

OPTIMIZERS = ("adam", "soap")


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
