"""What goes on in the worlds, as named tensors, and the frames of those who look at it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robo_ts.envs.soccer.walkers import Planar, Walker


class Field(NamedTuple):
    """Every world at one moment, in the world frame.

    Attributes:
        ball: ``(worlds, 3)`` m.
        ball_velocity: ``(worlds, 3)`` m/s.
        qpos: of the players, ``(worlds, players, walker.nq)``.
        qvel: of the players, ``(worlds, players, walker.nv)``.
        players: how they move over the pitch, ``(worlds, players, ...)``.
    """

    ball: Tensor
    ball_velocity: Tensor
    qpos: Tensor
    qvel: Tensor
    players: Planar


def field_of(qpos: Tensor, qvel: Tensor, walker: Walker, players: int) -> Field:
    """The field of ``qpos (worlds, nq)`` and ``qvel (worlds, nv)``."""
    own_qpos = qpos[:, 7:].unflatten(1, (players, walker.nq))
    own_qvel = qvel[:, 6:].unflatten(1, (players, walker.nv))
    planar = walker.planar(own_qpos, own_qvel)
    return Field(qpos[:, :3], qvel[:, :3], own_qpos, own_qvel, planar)


def rotated(vector: Tensor, yaw: Tensor) -> Tensor:
    """``vector (..., 2)`` of the world, seen from frames turned by ``yaw (...,)``."""
    cos, sin = torch.cos(yaw), torch.sin(yaw)
    x, y = vector[..., 0], vector[..., 1]
    return torch.stack([cos * x + sin * y, cos * y - sin * x], dim=-1)


def distance(vector: Tensor) -> Tensor:
    """Length of ``vector (..., n)``."""
    return torch.linalg.vector_norm(vector, dim=-1)
