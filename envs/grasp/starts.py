"""Where an episode begins: which object, how it lies, where the hand is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.grasp.config import GraspConfig
from robo_ts.envs.grasp.geometry import quat_to_matrix, turned_about_z, wrist_matrix
from robo_ts.envs.grasp.layout import Layout
from robo_ts.sim import Range

_CLEAR = 0.045  # m from an object's top to the grasp point, so that the fingertips are above it
_BESIDE = 0.14  # m from the object's middle: closer, the hand must be above it


@dataclass
class Rest:
    """How objects rest, for all worlds to look up.

    Attributes:
        quat: ``(V, poses, 4)``.
        height: of the middle, ``(V, poses)`` m.
        probability: ``(V, poses)``.
        points: of the surfaces, ``(V, P, 3)`` m.
    """

    quat: Tensor
    height: Tensor
    probability: Tensor
    points: Tensor


@dataclass
class Start:
    """Beginnings of episodes, one row each.

    Attributes:
        position: of the object, ``(n, 3)`` m.
        quat: of the object, ``(n, 4)``.
        wrist: x, y, z, yaw, pitch, roll, ``(n, 6)``.
        fingers: targets of the finger actuators, ``(n, u)``.
        distance: from the object's middle to the grasp point, ``(n,)`` m.
    """

    position: Tensor
    quat: Tensor
    wrist: Tensor
    fingers: Tensor
    distance: Tensor


def draw_start(
    object_ids: Tensor,
    rest: Rest,
    open_pose: Tensor,
    layout: Layout,
    config: GraspConfig,
    rng: torch.Generator,
) -> Start:
    """Beginnings for worlds with objects ``object_ids (n,)``; nothing touches anything."""
    start, n = config.start, len(object_ids)
    device = object_ids.device
    draw = torch.rand(n, 9, generator=rng, device=device)
    difficulty = start.difficulty.sample((n,), rng)
    pose = torch.multinomial(rest.probability[object_ids], 1, generator=rng)[:, 0]
    quat = turned_about_z(rest.quat[object_ids, pose], 2.0 * math.pi * draw[:, 0])
    aside = start.spread * (2.0 * draw[:, 1:3] - 1.0)
    position = torch.cat([aside, rest.height[object_ids, pose][:, None]], dim=-1)
    lie = rest.points[object_ids] @ quat_to_matrix(quat).transpose(1, 2)
    top = lie[..., 2].amax(dim=-1)

    distance = _between(start.distance, draw[:, 3])
    elevation, azimuth = _between(start.elevation, draw[:, 4]), 2.0 * math.pi * draw[:, 5]
    wide = distance[:, None] * torch.stack(
        [
            torch.cos(elevation) * torch.cos(azimuth),
            torch.cos(elevation) * torch.sin(azimuth),
            torch.sin(elevation),
        ],
        dim=-1,
    )
    above = top + _CLEAR + start.near
    near = torch.stack([torch.zeros_like(top), torch.zeros_like(top), above], dim=-1)
    offset = near + difficulty[:, None] * (wide - near)
    beside = torch.linalg.vector_norm(offset[:, :2], dim=-1) > _BESIDE
    offset[:, 2] = torch.where(beside, offset[:, 2], torch.maximum(offset[:, 2], above))

    tilt = difficulty[:, None] * start.tilt * (2.0 * draw[:, 6:8] - 1.0)
    angles = torch.cat([math.pi * (2.0 * draw[:, 8:9] - 1.0), tilt], dim=-1)
    turned = (wrist_matrix(angles) @ layout.grasp_offset[:, None])[..., 0]
    place = position + offset - turned
    place[:, 2].clamp_(min=start.least_height)
    low, high = layout.target_range.T
    noise = 2.0 * torch.rand(n, len(open_pose), generator=rng, device=device) - 1.0
    return Start(
        position=position,
        quat=quat,
        wrist=torch.cat([place, angles], dim=-1),
        fingers=(open_pose + start.finger_noise * noise).clamp(low[6:], high[6:]),
        distance=torch.linalg.vector_norm(place + turned - position, dim=-1),
    )


def _between(ends: Range, draw: Tensor) -> Tensor:
    return ends.low + (ends.high - ends.low) * draw
