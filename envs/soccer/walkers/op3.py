"""ROBOTIS OP3: twenty servos under position control. It can fall."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from robo_ts.env.observations import Term
from robo_ts.envs.soccer.pitch import BALL_RADIUS
from robo_ts.envs.soccer.walkers.base import Eye, Planar, Walker, robot_file

# Joint, the control's range on the left side, and the angle there when it stands with bent knees
# (rad). The right side's are the negatives.
_HEAD = {"head_pan": (-0.79, 0.79, 0.0), "head_tilt": (-0.63, -0.16, -0.4)}
_ARM = {
    "sho_pitch": (-2.2, 2.2, -0.534),
    "sho_roll": (-0.8, 1.6, 0.88),
    "el": (-1.4, 0.2, -0.628),
}
_LEG = {
    "hip_yaw": (-0.3, 0.3, 0.0),
    "hip_roll": (-0.4, -0.1, -0.1),
    "hip_pitch": (-1.6, 0.5, -0.597),
    "knee": (-0.2, 2.2, 1.131),
    "ank_pitch": (-0.4, 1.8, 0.534),
    "ank_roll": (-0.4, 0.4, -0.1),
}
_HEIGHT = 0.243  # m, of the base with bent knees
_FALLEN_TILT, _FALLEN_HEIGHT = 0.7, 0.17  # cosine of the tilt, m


def _both_sides() -> dict[str, tuple[float, float, float]]:
    """All joints in the model's order."""
    found = dict(_HEAD)
    for part in (_ARM, _LEG):
        found |= {f"l_{name}": value for name, value in part.items()}
        found |= {f"r_{n}": (-high, -low, -mid) for n, (low, high, mid) in part.items()}
    return found


JOINTS = _both_sides()


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


# From the torso to the neck's joint, on to the head's, and on to the camera, m.
_NECK_HEAD_EYE = ((-0.001, 0.0, 0.1365), (0.01, 0.019, 0.0285), (0.01425, -0.019, 0.04975))


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
