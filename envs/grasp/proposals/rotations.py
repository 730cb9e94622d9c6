"""Rotations as a group: steps along it, even grids over it, uniform draws; ``(..., 3, 3)``.

Densities on SO(3) are given with respect to the volume ``pi^2``, as Murphy et al. (2021) do, so
that the uniform density is ``1 / pi^2``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from robo_ts.envs.grasp.geometry import quat_to_matrix

VOLUME = math.pi**2
# Of the spirals of Alexa 2022, table 1: psi solves psi^4 = psi + 4.
_PHI, _PSI = math.sqrt(2.0), 1.533751168755204288118041


def skew(vectors: Tensor) -> Tensor:
    """Matrices ``(..., 3, 3)`` that take the cross product with ``vectors (..., 3)``."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, dim=-1).reshape(*vectors.shape[:-1], 3, 3)


def times(one: Tensor, other: Tensor) -> Tensor:
    """Products of many small matrices; on a CPU several times as fast as ``@``."""
    return (one[..., None] * other[..., None, :, :]).sum(dim=-2)


def turned(matrix: Tensor, vectors: Tensor) -> Tensor:
    """Vectors ``(..., 3)``, each by its own matrix ``(..., 3, 3)``."""
    return (matrix * vectors[..., None, :]).sum(dim=-1)


def exponential(vectors: Tensor) -> Tensor:
    """Rotations about ``vectors (..., 3)`` by their lengths in rad (Rodrigues), smooth at zero."""
    square = vectors.square().sum(dim=-1)[..., None, None]
    small = square < 1e-8
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    first = torch.where(small, 1.0 - square / 6.0, torch.sin(angle) / angle)
    second = torch.where(small, 0.5 - square / 24.0, (1.0 - torch.cos(angle)) / angle.square())
    cross = skew(vectors)
    return torch.eye(3, device=vectors.device) + first * cross + second * times(cross, cross)


def orthonormal(matrices: Tensor) -> Tensor:
    """The nearest rotations: rounding adds up over thousands of steps."""
    u, _, vh = torch.linalg.svd(matrices)
    flip = torch.linalg.det(u @ vh)
    vh = torch.cat([vh[..., :2, :], vh[..., 2:, :] * flip[..., None, None]], dim=-2)
    return u @ vh


def angle_between(one: Tensor, other: Tensor) -> Tensor:
    """Of the turn from one rotation to the other, rad."""
    trace = (one * other).sum(dim=(-2, -1))
    return torch.acos((0.5 * (trace - 1.0)).clamp(-1.0, 1.0))


def uniform(count: int, rng: torch.Generator) -> Tensor:
    """``(count, 3, 3)``, uniform: a normal quaternion has no preferred direction."""
    quat = torch.randn(count, 4, generator=rng, device=rng.device)
    return quat_to_matrix(torch.nn.functional.normalize(quat, dim=-1))


def spirals(count: int) -> Tensor:
    """``count`` rotations spread evenly over SO(3), each with the same share of its volume.

    Super-Fibonacci spirals (Alexa 2022, CVPR): for any count, with a discrepancy below that of
    random draws. Returns ``(count, 3, 3)``.
    """
    index = torch.arange(count, dtype=torch.float64) + 0.5
    share = index / count
    inner, outer = share.sqrt(), (1.0 - share).sqrt()
    alpha, beta = 2.0 * math.pi * index / _PHI, 2.0 * math.pi * index / _PSI
    quat = [
        inner * torch.sin(alpha),
        inner * torch.cos(alpha),
        outer * torch.sin(beta),
        outer * torch.cos(beta),
    ]
    return quat_to_matrix(torch.stack(quat, dim=-1)).float()


def about_z(angle: Tensor) -> Tensor:
    """Rotations ``(n, 3, 3)`` about z by ``angle (n,)`` rad."""
    c, s = torch.cos(angle), torch.sin(angle)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    return torch.stack([c, -s, zero, s, c, zero, zero, zero, one], dim=-1).reshape(-1, 3, 3)
