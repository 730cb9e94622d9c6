"""What a round of imitation plus reward gathers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from robo_ts.policies.policy import Output


@dataclass
class Batch:
    """A round, ``(time, num_envs, ...)`` per tensor, and the memories before it."""

    obs: dict[str, Tensor]
    aux: dict[str, Tensor]
    action: Tensor
    log_prob: Tensor
    value: Tensor
    reward: Tensor
    done: Tensor
    starts: Tensor
    label: Tensor
    label_std: Tensor
    valid: Tensor
    failed: Tensor
    hidden: tuple[Tensor, ...]
    critic_hidden: tuple[Tensor, ...]
    advantage: Tensor = field(default_factory=lambda: torch.empty(0))
    returns: Tensor = field(default_factory=lambda: torch.empty(0))

    def worlds(self, ids: Tensor) -> Batch:
        """Some worlds' sequences."""
        values = {}
        for name, value in vars(self).items():
            if name in ("obs", "aux"):
                values[name] = {k: v[:, ids] for k, v in value.items()}
            elif name in ("hidden", "critic_hidden"):
                values[name] = tuple(part[:, ids] for part in value)
            else:
                values[name] = value[:, ids]
        return Batch(**values)


def log_prob(own: Output, action: Tensor) -> Tensor:
    """Log-density of the action, ``(...)``."""
    assert own.std is not None
    z = (action - own.action) / own.std
    return (-0.5 * z.square() - own.std.log() - 0.5 * math.log(2.0 * math.pi)).sum(dim=-1)


def not_succeeded(rows: list[dict[str, Any]], ends: list[Tensor]) -> Tensor:
    """0 on the steps of episodes known to have succeeded, else 1, ``(time, num_envs)``."""
    carried = torch.zeros_like(ends[-1])
    found = []
    for row, outcome in zip(reversed(rows), reversed(ends), strict=True):
        carried = torch.where(row["done"], outcome, carried)
        found.append(1.0 - carried)
    return torch.stack(found[::-1])


def stacked(
    rows: list[dict[str, Any]],
    failed: Tensor,
    hidden: tuple[Tensor, ...],
    critic_hidden: tuple[Tensor, ...],
) -> Batch:
    """The rows of a round, one after the other."""
    groups = ("obs", "aux")
    names = [name for name in rows[0] if name not in groups]
    values = {name: torch.stack([row[name] for row in rows]) for name in names}
    obs, aux = (
        {name: torch.stack([row[group][name] for row in rows]) for name in rows[0][group]}
        for group in groups
    )
    return Batch(obs, aux, failed=failed, hidden=hidden, critic_hidden=critic_hidden, **values)
