"""What users hand to an environment, checked and brought to one form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robo_ts.errors import RoboTSError


def as_action(action: Any, shape: tuple[int, int], device: torch.device) -> Tensor:
    """The action as float32 on ``device``, cut off from any graph.

    Raises:
        RoboTSError: when it is no array of real numbers or has another shape.
    """
    if isinstance(action, Tensor) and action.dtype == torch.float32 and action.device == device:
        tensor = action.detach()
    else:
        tensor = _converted(action, shape, device)
    if tensor.shape != shape:
        raise RoboTSError(
            f"an action of shape {shape}",
            f"shape {tuple(tensor.shape)}",
            "give one row per world and one column per action",
        )
    return tensor


def _converted(action: Any, shape: tuple[int, int], device: torch.device) -> Tensor:
    try:
        tensor = torch.as_tensor(action, device=device).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        got = f"{type(action).__name__} ({error})"
    else:
        if not tensor.is_complex():
            return tensor.to(torch.float32)
        got = "complex numbers"
    raise RoboTSError(
        f"an action of shape {shape}", got, "give a tensor or an array of real numbers"
    )


def as_env_ids(env_ids: Any, num_envs: int, device: torch.device) -> Tensor:
    """World ids, ``(n,)`` long, from ids in any order or from a mask ``(num_envs,)``.

    Raises:
        RoboTSError: when they are neither, name a world twice or one that does not exist.
    """
    try:
        ids = torch.as_tensor(env_ids, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _bad_ids(num_envs, f"{type(env_ids).__name__} ({error})") from error
    if ids.dtype == torch.bool and ids.shape == (num_envs,):
        return torch.nonzero(ids).flatten()
    if ids.shape == (0,):
        return ids.long()
    if ids.ndim != 1 or ids.dtype == torch.bool or ids.is_floating_point() or ids.is_complex():
        kind = str(ids.dtype).removeprefix("torch.")
        raise _bad_ids(num_envs, f"{kind} of shape {tuple(ids.shape)}")
    ids = ids.long()
    if bool(((ids < 0) | (ids >= num_envs)).any()) or len(ids.unique()) < len(ids):
        few = ids[:8].tolist()
        raise _bad_ids(num_envs, f"{few if len(ids) <= 8 else f'{len(ids)} ids, first {few}'}")
    return ids


def _bad_ids(num_envs: int, got: str) -> RoboTSError:
    return RoboTSError(
        f"env_ids as different whole numbers in [0, {num_envs}), or a bool mask ({num_envs},)",
        got,
        "give each world to reset once, or leave env_ids out for all",
    )
