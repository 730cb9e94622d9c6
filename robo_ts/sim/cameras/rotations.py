"""Rotations of many worlds at once, as matrices."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation_from_vector(vector: Tensor) -> Tensor:
    """Rotation matrices ``(..., 3, 3)`` of rotation vectors ``(..., 3)`` rad (Rodrigues)."""
    angle = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    x, y, z = (vector / angle.clamp_min(1e-12)).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    angle = angle[..., None]
    eye = torch.eye(3, device=vector.device, dtype=vector.dtype)
    return eye + torch.sin(angle) * cross + (1.0 - torch.cos(angle)) * cross @ cross


def rotation_from_quaternion(quaternion: Tensor) -> Tensor:
    """Rotation matrices ``(..., 3, 3)`` of unit quaternions ``(..., 4)``, w first."""
    w, x, y, z = quaternion.unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
