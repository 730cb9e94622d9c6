"""Partial point clouds from depth images, for all worlds at once."""

from __future__ import annotations

import torch
from torch import Tensor


def unproject(depth: Tensor, rays: Tensor, pose: Tensor) -> Tensor:
    """Points that pixels look at.

    Args:
        depth: planar depth, ``(n, pixels)`` m.
        rays: points at depth one in the camera's frame, ``(pixels, 3)``.
        pose: of the camera in the frame that is wanted, ``(n, 3, 4)``: rotation and position.

    Returns:
        ``(n, pixels, 3)`` m.
    """
    return depth[..., None] * (rays @ pose[..., :3].mT) + pose[:, None, :, 3]


def pick(points: Tensor, valid: Tensor, num: int, draws: Tensor) -> Tensor:
    """``num`` of the valid points of each world, spread evenly over them.

    The valid points are cut into ``num`` equal stretches and one is taken from each, so none comes
    twice where there are enough; where there are fewer they repeat.

    Args:
        points: ``(n, pixels, 3)``.
        valid: ``(n, pixels)`` bool.
        num: how many are wanted.
        draws: where in its stretch each is taken, ``(n, num)`` in [0, 1).

    Returns:
        ``(n, num, 3)``; zeros for a world without valid points.
    """
    rank = valid.cumsum(dim=1)
    count = rank[:, -1:]
    edges = torch.arange(num + 1, device=points.device) * count // num
    width = (edges[:, 1:] - edges[:, :-1]).clamp_min(1)
    wanted = edges[:, :-1] + (draws * width).long() + 1
    pixel = torch.searchsorted(rank, wanted).clamp_max(points.shape[1] - 1)
    picked = points.gather(1, pixel[..., None].expand(-1, -1, 3))
    return picked * (count > 0)[..., None]


def inverse(pose: Tensor) -> Tensor:
    """Inverse of poses ``(..., 3, 4)``."""
    rotation = pose[..., :3].mT
    return torch.cat([rotation, -rotation @ pose[..., 3:]], dim=-1)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The pose that applies ``inner`` first, then ``outer``; ``(..., 3, 4)`` each."""
    rotation = outer[..., :3]
    return torch.cat([rotation @ inner[..., :3], rotation @ inner[..., 3:] + outer[..., 3:]], -1)


def uniform(seed: Tensor, num: int) -> Tensor:
    """``num`` numbers in [0, 1) for each seed ``(n,)`` int, the same on every device.

    A SplitMix-like mix of the seed and the number's index, in 32 bits.
    """
    index = torch.arange(num, device=seed.device)
    x = (seed.long()[:, None] * 0x9E3779B1 + index * 0x85EBCA77) & 0xFFFFFFFF
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ((x ^ (x >> shift)) * factor) & 0xFFFFFFFF
    return ((x ^ (x >> 16)) >> 8).float() / 2**24
