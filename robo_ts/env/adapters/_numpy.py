"""The border between torch inside and numpy outside: everything that crosses it is a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from robo_ts.errors import RoboTSError


def to_numpy(tensor: Tensor, dtype: torch.dtype | None = None) -> np.ndarray:
    """A copy of ``tensor`` that no later step can change."""
    return tensor.detach().to("cpu", dtype or tensor.dtype, copy=True).numpy()


def to_action(action: Any, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """A float32 copy of the caller's action on ``device``.

    Args:
        action: anything numpy can read.
        shape: the shape it must have.
        device: where the environment lives.

    Raises:
        RoboTSError: when it is no array of numbers or has another shape.
    """
    expected = f"an action of shape {shape}"
    try:
        array = np.array(action, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise RoboTSError(
            expected, f"{type(action).__name__} ({error})", "give an array of numbers"
        ) from error
    if array.shape != shape:
        raise RoboTSError(
            expected, f"shape {array.shape}", "give what env.action_space.sample() gives"
        )
    return torch.from_numpy(array).to(device)
