"""A box with the speeds of a small humanoid, for matches that need no legs."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from robo_ts.env.observations import Term
from robo_ts.envs.soccer.pitch import BALL_RADIUS
from robo_ts.envs.soccer.walkers.base import Eye, Planar, Walker, robot_file

# The real OP3 under the learnt policy (Haarnoja et al. 2023, table 1).
WALK, TURN = 0.57, 2.85  # m/s, rad/s
STROKE = 0.08  # m, of the kicker; it drives a resting ball at about 2 m/s
PAN = 0.79  # rad, to either side
# Half sizes of what a ball can touch: the torso, and the plate in front of it, m.
_HALF_DEPTH, _HALF_WIDTH, _PLATE = 0.07, 0.09, 0.097


class Box(Walker):
    """Slides over the floor in any direction, turns, kicks with a plate, turns its head."""

    file = robot_file("box")
    timestep: ClassVar[float] = 0.01
    substeps: ClassVar[int] = 5
    nq: ClassVar[int] = 5
    nv: ClassVar[int] = 5
    nu: ClassVar[int] = 5
    actions: ClassVar[tuple[str, ...]] = ("forward", "left", "turn", "kick", "head_pan")
    meaning: ClassVar[str] = (
        f"velocity in the body frame as a share of {WALK} m/s (both together at most that), yaw "
        f"rate as a share of {TURN} rad/s, how far the kicker shoots out where positive, head "
        f"angle as a share of {PAN} rad"
    )
    terms: ClassVar[tuple[Term, ...]] = (
        Term("velocity", 2, "m/s", "body"),
        Term("yaw_rate", 1, "rad/s", "body"),
        Term("kicker", 1, "1", "none"),
        Term("head_pan", 1, "rad", "body"),
    )
    on_the_ground: ClassVar[bool] = False
    height: ClassVar[float] = 0.49
    reach: ClassVar[float] = _PLATE + STROKE + BALL_RADIUS
    fovy: ClassVar[float] = math.radians(70.0)
    # Of the camera in the MJCF: behind the head's axis, above the floor, down.
    _eye_behind, _eye_height, _eye_pitch = 0.1, 0.49, math.asin(0.46947)

    def stand(self, position: Tensor, yaw: Tensor) -> Tensor:
        return torch.cat([position, yaw[..., None], position.new_zeros(*yaw.shape, 2)], dim=-1)

    def control(self, action: Tensor, qpos: Tensor) -> Tensor:
        forward, left, turn, kick, pan = action.clamp(-1.0, 1.0).unbind(-1)
        slow = WALK / (forward.square() + left.square()).clamp_min(1.0).sqrt()
        yaw = qpos[..., 2]
        cos, sin = torch.cos(yaw), torch.sin(yaw)
        return torch.stack(
            [
                slow * (cos * forward - sin * left),
                slow * (sin * forward + cos * left),
                TURN * turn,
                # In proportion: a threshold would be crossed by exploration noise alone, and the
                # mean of a policy never learn to kick.
                STROKE * kick.clamp_min(0.0),
                PAN * pan,
            ],
            dim=-1,
        )

    def planar(self, qpos: Tensor, qvel: Tensor) -> Planar:
        return Planar(qpos[..., :2], qpos[..., 2], qvel[..., :2], qvel[..., 2])

    def proprioception(self, qpos: Tensor, qvel: Tensor) -> Tensor:
        yaw = qpos[..., 2]
        cos, sin = torch.cos(yaw), torch.sin(yaw)
        x, y = qvel[..., 0], qvel[..., 1]
        return torch.stack(
            [
                cos * x + sin * y,
                cos * y - sin * x,
                qvel[..., 2],
                qpos[..., 3] / STROKE,
                qpos[..., 4],
            ],
            dim=-1,
        )

    def eye(self, qpos: Tensor) -> Eye:
        yaw = qpos[..., 2] + qpos[..., 4]
        x = qpos[..., 0] - self._eye_behind * torch.cos(yaw)
        y = qpos[..., 1] - self._eye_behind * torch.sin(yaw)
        position = torch.stack([x, y, torch.full_like(x, self._eye_height)], dim=-1)
        return Eye(position, yaw, torch.full_like(yaw, self._eye_pitch))

    def touches(self, qpos: Tensor, ball: Tensor, margin: float) -> Tensor:
        yaw = qpos[..., 2]
        cos, sin = torch.cos(yaw), torch.sin(yaw)
        dx, dy = ball[..., 0] - qpos[..., 0], ball[..., 1] - qpos[..., 1]
        ahead, aside = cos * dx + sin * dy, cos * dy - sin * dx
        # From the rectangle of torso and plate to the ball's middle.
        front = _PLATE + qpos[..., 3]
        out = torch.maximum(ahead - front, -_HALF_DEPTH - ahead).clamp_min(0.0)
        off = (aside.abs() - _HALF_WIDTH).clamp_min(0.0)
        near = out.square() + off.square() < (BALL_RADIUS + margin) ** 2
        return near & (ball[..., 2] < self.height + BALL_RADIUS)
