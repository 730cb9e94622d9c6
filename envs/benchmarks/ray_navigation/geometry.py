"""Rays and posts in closed form. No simulator in here."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from robo_ts.envs.benchmarks.ray_navigation.config import NUM_POSTS, NUM_RAYS, POST_RADIUS


def ray_directions(device: torch.device) -> Tensor:
    """Unit vectors ``(NUM_RAYS, 2)`` in the world frame, counter-clockwise from +x."""
    angle = torch.arange(NUM_RAYS, device=device) * (2.0 * math.pi / NUM_RAYS)
    return torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)


def cast_rays(
    offsets: Tensor, lateral: Tensor, directions: Tensor, half_width: float, ray_range: float
) -> Tensor:
    """Distances from the robot's middle to the nearest post or wall, m.

    Args:
        offsets: posts' middles minus the robot's, ``(n, posts, 2)`` m.
        lateral: the robot's distance to the left of the corridor's middle line, ``(n,)`` m.
        directions: unit vectors ``(rays, 2)``.
        half_width: from the middle line to each wall, m.
        ray_range: greatest distance seen, m.

    Returns:
        ``(n, rays)``, at most ``ray_range``.
    """
    # Circle geometry for all worlds at once, because mj_multiRay takes one world per call, which
    # would mean a Python loop over the worlds on the CPU and does not exist on the GPU.
    along = offsets @ directions.T  # (n, posts, rays): to the point of the ray nearest the post
    excess = offsets.square().sum(dim=-1, keepdim=True) - POST_RADIUS**2
    under_root = along * along - excess  # negative where the ray passes the post by
    distance = along - under_root.clamp_min(0.0).sqrt()
    hit = (under_root >= 0.0) & (along > 0.0)
    posts = torch.where(hit, distance, ray_range).amin(dim=1)
    # The wall ahead of a ray: the left one where it points left, otherwise the right one.
    sideways = directions[:, 1]
    room = half_width - torch.sign(sideways) * lateral[:, None]
    walls = room / sideways.abs().clamp_min(1e-6)
    return torch.minimum(posts, walls).clamp(0.0, ray_range)


def place_posts(n: int, goal_distance: float, spread: float, generator: torch.Generator) -> Tensor:
    """Middles of the posts, ``(n, NUM_POSTS, 2)`` m, ordered along the corridor.

    Each post has a stretch of the corridor of its own, so that a way through always exists.
    """
    draw = torch.rand(n, NUM_POSTS, 2, generator=generator, device=generator.device)
    first, last = 0.7, goal_distance - 0.5
    stretch = (last - first) / NUM_POSTS
    slot = torch.arange(NUM_POSTS, device=generator.device)
    x = first + stretch * (slot + 0.2 + 0.6 * draw[..., 0])
    return torch.stack([x, spread * (2.0 * draw[..., 1] - 1.0)], dim=-1)


def nearest_first(offsets: Tensor) -> Tensor:
    """Posts ``(n, posts, 2)`` ordered by their distance to the robot."""
    order = offsets.square().sum(dim=-1).argsort(dim=-1, stable=True)
    return offsets.gather(1, order[..., None].expand_as(offsets))


def clearance(offsets: Tensor) -> Tensor:
    """Room between the robot's middle and the nearest post's surface, ``(n,)`` m."""
    return torch.linalg.vector_norm(offsets, dim=-1).amin(dim=-1) - POST_RADIUS


def posts_in_the_way(start: Tensor, posts: Tensor, goal: Tensor, margin: float) -> Tensor:
    """How many posts the straight way from start to goal would touch, ``(n,)`` float.

    Args:
        start: ``(n, 2)`` m.
        posts: middles ``(n, posts, 2)`` m.
        goal: ``(2,)`` m.
        margin: the robot's radius, m.
    """
    way = goal - start
    length = torch.linalg.vector_norm(way, dim=-1, keepdim=True)
    unit = (way / length)[:, None]
    offsets = posts - start[:, None]
    aside = offsets[..., 0] * unit[..., 1] - offsets[..., 1] * unit[..., 0]
    return (aside.abs() < POST_RADIUS + margin).sum(dim=-1).float()
