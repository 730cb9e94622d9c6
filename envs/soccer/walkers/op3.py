"""ROBOTIS OP3: twenty servos under position control. It can fall."""

from __future__ import annotations

import math
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from robo_ts.env.observations import Term
from robo_ts.envs.soccer.pitch import BALL_RADIUS
from robo_ts.envs.soccer.walkers import op3_motions as motions
from robo_ts.envs.soccer.walkers.base import Clock, Eye, Planar, Walker, robot_file
from robo_ts.envs.soccer.walkers.op3_joints import JOINTS

_HEIGHT = 0.243  # m, of the base with bent knees
_FALLEN_TILT, _FALLEN_HEIGHT = 0.7, 0.17  # cosine of the tilt, m
# Shoulders over the torso's origin, and over the floor when it stands with bent knees, m.
_SHOULDER, _SHOULDER_HEIGHT = (-0.001, 0.111), 0.352
_KNEES = (list(JOINTS).index("l_knee"), list(JOINTS).index("r_knee"))
_STIFFNESS, _TORQUE = 21.1, 4.1  # of the servos, N m/rad and N m
# Poses kept for measuring: the last ones of the file.
_UNSEEN = 48


class OP3(Walker):
    """A small humanoid with the servos of the real one."""

    file = robot_file("op3")
    timestep: ClassVar[float] = 0.005
    substeps: ClassVar[int] = 5
    nq: ClassVar[int] = 27
    nv: ClassVar[int] = 26
    nu: ClassVar[int] = 20
    actions: ClassVar[tuple[str, ...]] = tuple(JOINTS)
    meaning: ClassVar[str] = (
        "joint angle: 0 is standing with bent knees, -1 and 1 are the ends of the joint's range; "
        "filtered by u = 0.8 u + 0.2 a"
    )
    smoothing: ClassVar[float] = 0.8
    terms: ClassVar[tuple[Term, ...]] = (
        Term("velocity", 2, "m/s", "heading"),
        Term("angular_velocity", 3, "rad/s", "torso"),
        Term("gravity", 3, "1", "torso"),
        Term("joint_position", 20, "rad", "joint"),
        Term("joint_velocity", 20, "rad/s", "joint"),
    )
    on_the_ground: ClassVar[bool] = True
    height: ClassVar[float] = 0.51
    # From below the middle of the torso to a toe, and a ball before it.
    reach: ClassVar[float] = 0.09 + BALL_RADIUS
    fovy: ClassVar[float] = math.radians(43.3)
    neck: ClassVar[tuple[str, ...]] = ("head_pan", "head_tilt")
    get_up_s: ClassVar[float] = motions.GET_UP_S
    stride_s: ClassVar[float] = motions.STRIDE_S

    def __init__(self) -> None:
        low, high, rest = (torch.tensor(column) for column in zip(*JOINTS.values(), strict=True))
        self.low, self.high, self.rest = low, high, rest

    def stand(self, position: Tensor, yaw: Tensor) -> Tensor:
        zero = torch.zeros_like(yaw)
        base = [position[..., 0], position[..., 1], zero + _HEIGHT]
        base += [torch.cos(0.5 * yaw), zero, zero, torch.sin(0.5 * yaw)]
        joints = self.rest.to(yaw.device).expand(*yaw.shape, -1)
        return torch.cat([torch.stack(base, dim=-1), joints], dim=-1)

    def control(self, action: Tensor, qpos: Tensor) -> Tensor:
        low, high, rest = (x.to(action.device) for x in (self.low, self.high, self.rest))
        action = action.clamp(-1.0, 1.0)
        room = torch.where(action > 0.0, high - rest, rest - low)
        return rest + action * room

    def planar(self, qpos: Tensor, qvel: Tensor) -> Planar:
        right = _rotation(qpos[..., 3:7])
        yaw = torch.atan2(right[..., 1, 0], right[..., 0, 0])
        # A free joint's angular velocity is in the body frame.
        yaw_rate = (right[..., 2, :] * qvel[..., 3:6]).sum(dim=-1)
        return Planar(qpos[..., :2], yaw, qvel[..., :2], yaw_rate)

    def proprioception(self, qpos: Tensor, qvel: Tensor) -> Tensor:
        right = _rotation(qpos[..., 3:7])
        yaw = torch.atan2(right[..., 1, 0], right[..., 0, 0])
        cos, sin = torch.cos(yaw), torch.sin(yaw)
        x, y = qvel[..., 0], qvel[..., 1]
        speed = torch.stack([cos * x + sin * y, cos * y - sin * x], dim=-1)
        down = -right[..., 2, :]
        return torch.cat([speed, qvel[..., 3:6], down, qpos[..., 7:], qvel[..., 6:]], dim=-1)

    def eye(self, qpos: Tensor) -> Eye:
        base = _rotation(qpos[..., 3:7])
        pan, tilt = qpos[..., 7], qpos[..., 8]
        zero, one = torch.zeros_like(pan), torch.ones_like(pan)
        neck = base @ _matrix(
            [[torch.cos(pan), -torch.sin(pan), zero], [torch.sin(pan), torch.cos(pan), zero]],
            [zero, zero, one],
        )
        # The axis of the tilt points to the right: positive angles look up.
        head = neck @ _matrix(
            [[torch.cos(tilt), zero, -torch.sin(tilt)], [zero, one, zero]],
            [torch.sin(tilt), zero, torch.cos(tilt)],
        )
        at = [qpos.new_tensor(x) for x in _NECK_HEAD_EYE]
        place = (base @ at[0]) + (neck @ at[1]) + (head @ at[2])
        sight = head[..., :, 0]
        yaw = torch.atan2(sight[..., 1], sight[..., 0])
        return Eye(qpos[..., :3] + place, yaw, -torch.asin(sight[..., 2].clamp(-1.0, 1.0)))

    def touches(self, qpos: Tensor, ball: Tensor, margin: float) -> Tensor:
        # By distance from the torso, without the legs' kinematics: good to a foot's length.
        near = torch.linalg.vector_norm(ball[..., :2] - qpos[..., :2], dim=-1)
        return near < self.reach + margin

    def fallen(self, qpos: Tensor) -> Tensor:
        upright = _rotation(qpos[..., 3:7])[..., 2, 2]
        return (upright < _FALLEN_TILT) | (qpos[..., 2] < _FALLEN_HEIGHT)

    def uprightness(self, qpos: Tensor) -> Tensor:
        return _rotation(qpos[..., 3:7])[..., 2, 2]

    def rises(self, qpos: Tensor) -> Tensor:
        up = _rotation(qpos[..., 3:7])[..., 2, :]
        height = qpos[..., 2] + up[..., 0] * _SHOULDER[0] + up[..., 2] * _SHOULDER[1]
        return height / _SHOULDER_HEIGHT

    def supine(self, qpos: Tensor) -> Tensor:
        return self.front(qpos) > 0.0

    def front(self, qpos: Tensor) -> Tensor:
        """Cosine between its front and the vertical, ``(...,)``: -1 face down, 1 on its back."""
        return _rotation(qpos[..., 3:7])[..., 2, 0]

    def side(self, qpos: Tensor) -> Tensor:
        """Cosine between its left and the vertical, ``(...,)``."""
        return _rotation(qpos[..., 3:7])[..., 2, 1]

    def script(self, clock: Clock, qpos: Tensor, qvel: Tensor) -> Tensor:
        up = _rotation(qpos[..., 3:7])[..., 2, :]
        return motions.action(clock, up, qvel[..., 3:6])

    def lying(
        self, position: Tensor, yaw: Tensor, generator: torch.Generator, unseen: bool
    ) -> Tensor:
        poses = _lying_poses().to(yaw.device)
        poses = poses[:, -_UNSEEN:] if unseen else poses[:, :-_UNSEEN]
        shape, device = yaw.shape, yaw.device
        side = torch.randint(2, shape, generator=generator, device=device)
        which = torch.randint(poses.shape[1], shape, generator=generator, device=device)
        qpos = poses[side, which]
        zero = torch.zeros_like(yaw)
        turn = torch.stack([torch.cos(0.5 * yaw), zero, zero, torch.sin(0.5 * yaw)], dim=-1)
        return torch.cat(
            [position, qpos[..., 2:3], product(turn, qpos[..., 3:7]), qpos[..., 7:]], dim=-1
        )

    def effort(self, control: Tensor, qpos: Tensor) -> Tensor:
        off = control[..., _KNEES] - qpos[..., 7:][..., _KNEES]
        return (_STIFFNESS * off).abs().clamp_max(_TORQUE).mean(dim=-1)


# From the torso to the neck's joint, on to the head's, and on to the camera, m.
_NECK_HEAD_EYE = ((-0.001, 0.0, 0.1365), (0.01, 0.019, 0.0285), (0.01425, -0.019, 0.04975))


@cache
def _lying_poses() -> Tensor:
    """Settled poses, ``(prone and supine, poses, nq)``; gathered by scripts/op3_lying.py."""
    with np.load(robot_file("op3").parent / "lying.npz", allow_pickle=False) as file:
        return torch.from_numpy(np.stack([file["prone"], file["supine"]])).float()


def product(one: Tensor, other: Tensor) -> Tensor:
    """Products of quaternions ``(..., 4)``, w first."""
    a, b, c, d = one.unbind(-1)
    w, x, y, z = other.unbind(-1)
    parts = [a * w - b * x - c * y - d * z, a * x + b * w + c * z - d * y]
    parts += [a * y - b * z + c * w + d * x, a * z + b * y - c * x + d * w]
    return torch.stack(parts, dim=-1)


def _rotation(quaternion: Tensor) -> Tensor:
    """Rotation matrices ``(..., 3, 3)`` of unit quaternions ``(..., 4)``, w first."""
    w, x, y, z = quaternion.unbind(-1)
    return _matrix(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        ],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    )


def _matrix(upper: list[list[Tensor]], last: list[Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in (*upper, last)], dim=-2)
