"""How episodes ended, as environments tell it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def ended_well(extras: dict[str, Any], done: Tensor) -> Tensor | None:
    """Which of the episodes that ended just now succeeded, float ``(number of them,)``.

    Read from ``extras["episode"]["success"]``, one entry per ended episode or one per world. None
    where the environment says nothing of the kind; other environments log other things there.

    Args:
        extras: what the environment's step gave.
        done: which episodes ended, ``(num_envs,)`` bool.
    """
    episode: Any = extras.get("episode")
    found = episode.get("success") if hasattr(episode, "get") else None
    if not isinstance(found, Tensor):
        return None
    found = found.reshape(-1).to(done.device).float()
    if len(found) == len(done):
        return found[done]
    return found if len(found) == int(done.sum()) else None


def outcomes(extras: dict[str, Any], done: Tensor) -> Tensor:
    """1 where an episode succeeded, -1 where it failed, 0 where nobody knows, ``(num_envs,)``."""
    outcome = torch.zeros(len(done), device=done.device)
    found = ended_well(extras, done)
    if found is not None:
        outcome[done] = torch.where(found > 0.5, 1.0, -1.0)
    return outcome
