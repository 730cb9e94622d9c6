"""Rotations and closest surface points for many worlds at once. No simulator in here."""

from __future__ import annotations

import torch
from torch import Tensor


def quat_to_matrix(quat: Tensor) -> Tensor:
    """Rotation matrices ``(n, 3, 3)`` of unit quaternions ``(n, 4)``, wxyz."""
    w, x, y, z = quat.unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, dim=-1).reshape(*quat.shape[:-1], 3, 3)


def turned_about_z(quat: Tensor, angle: Tensor) -> Tensor:
    """Quaternions ``(n, 4)``, then turned about the world's z axis by ``angle (n,)`` rad."""
    w, x, y, z = quat.unbind(-1)
    c, s = torch.cos(0.5 * angle), torch.sin(0.5 * angle)
    return torch.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w], dim=-1)


def wrist_matrix(angles: Tensor) -> Tensor:
    """Orientation of the wrist, ``(n, 3, 3)``, for yaw, pitch, roll ``(n, 3)`` rad (z, y', x'')."""
    (cz, cy, cx), (sz, sy, sx) = torch.cos(angles).unbind(-1), torch.sin(angles).unbind(-1)
    rows = [
        cz * cy,
        cz * sy * sx - sz * cx,
        cz * sy * cx + sz * sx,
        sz * cy,
        sz * sy * sx + cz * cx,
        sz * sy * cx - cz * sx,
        -sy,
        cy * sx,
        cy * cx,
    ]
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def to_heading(vectors: Tensor, yaw: Tensor) -> Tensor:
    """World vectors ``(n, ..., 3)`` in the heading frame: z up, x along the fingers' heading.

    Everything a policy reads and does is expressed in this frame, so that it need not learn the
    same grasp once per direction.
    """
    return _turn(vectors, torch.cos(yaw), -torch.sin(yaw))


def from_heading(vectors: Tensor, yaw: Tensor) -> Tensor:
    """The inverse of :func:`to_heading`."""
    return _turn(vectors, torch.cos(yaw), torch.sin(yaw))


def _turn(vectors: Tensor, c: Tensor, s: Tensor) -> Tensor:
    shape = (-1, *[1] * (vectors.ndim - 2))
    c, s = c.reshape(shape), s.reshape(shape)
    x, y, z = vectors.unbind(-1)
    return torch.stack([c * x - s * y, s * x + c * y, z], dim=-1)


def to_surface(
    queries: Tensor, points: Tensor, normals: Tensor, spacing: Tensor
) -> tuple[Tensor, Tensor]:
    """Vectors from query points to the nearest point of a sampled surface.

    The nearest sample's tangent plane stands for the surface around it, within ``spacing`` of the
    sample: exact on flat faces, at most a spacing off beyond edges.

    Args:
        queries: ``(n, k, 3)`` m.
        points: samples ``(n, p, 3)`` m, in the same frame.
        normals: their outward unit normals, ``(n, p, 3)``.
        spacing: typical distance between samples, ``(n,)`` m.

    Returns:
        The vectors ``(n, k, 3)`` and the distances ``(n, k)``, which are negative inside.
    """
    # |q - p|^2 without the (n, k, p, 3) differences, and without |q|^2, which decides nothing.
    score = points.square().sum(dim=-1)[:, None] - 2.0 * queries @ points.transpose(1, 2)
    nearest = score.argmin(dim=-1, keepdim=True).expand(-1, -1, 3)
    normal = normals.gather(1, nearest)
    offset = points.gather(1, nearest) - queries
    along = (offset * normal).sum(dim=-1, keepdim=True)
    aside = offset - along * normal
    length = torch.linalg.vector_norm(aside, dim=-1, keepdim=True)
    beyond = (length - spacing[:, None, None]).clamp_min(0.0) / length.clamp_min(1e-9)
    vector = along * normal + beyond * aside
    distance = torch.linalg.vector_norm(vector, dim=-1)
    # Behind a face only where the face is: beyond an edge both sides are outside.
    inside = (along[..., 0] > 0.0) & (beyond[..., 0] == 0.0)
    return vector, torch.where(inside, -distance, distance)
