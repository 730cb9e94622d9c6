"""Free rigid bodies, integrated in torch: differentiable, and fast once compiled.

Everything is feature-first, ``(components, num)``: the parameters of ``num`` bodies, ``(num,)``,
then broadcast without an index, and compiled code runs along the bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

GRAVITY = 9.81


class Body(NamedTuple):
    """States of ``num`` free bodies.

    Attributes:
        position: ``(3, num)`` m, world frame.
        quaternion: ``(4, num)`` body to world, w first.
        velocity: ``(3, num)`` m/s, world frame.
        rate: ``(3, num)`` angular velocity, rad/s, body frame.
    """

    position: Tensor
    quaternion: Tensor
    velocity: Tensor
    rate: Tensor


def rk4_step(
    body: Body, lift: Tensor, force: Tensor, torque: Tensor, coupling: Tensor, dt: float
) -> list[Tensor]:
    """One Runge-Kutta step of fourth order under a constant wrench.

    v' = R(q) lift + force - g; q' = q (0, w) / 2; w' = torque - coupling * (wy wz, wz wx, wx wy).

    Args:
        body: the states.
        lift: force along the body's z axis over mass, ``(num,)`` m/s^2.
        force: force over mass, ``(3, num)`` m/s^2, world frame, gravity not included.
        torque: torque over inertia, ``(3, num)`` rad/s^2, body frame.
        coupling: ``((Jz - Jy) / Jx, (Jx - Jz) / Jy, (Jy - Jx) / Jz)``, ``(3, num)``.
        dt: length of the step, s.

    Returns:
        The 13 components after it, ``(num,)`` each, in :class:`Body`'s order, quaternions of length
        one. Not stacked, so that a compiler keeps them in one loop with what is made of them.
    """
    state = [*body.position, *body.quaternion, *body.velocity, *body.rate]
    wrench = (lift, *force, *torque, *coupling)
    k1 = _slope(state, wrench)
    k2 = _slope(_ahead(state, k1, 0.5 * dt), wrench)
    k3 = _slope(_ahead(state, k2, 0.5 * dt), wrench)
    k4 = _slope(_ahead(state, k3, dt), wrench)
    sixth = dt / 6.0
    new = [
        x + sixth * (a + 2.0 * b + 2.0 * c + d)
        for x, a, b, c, d in zip(state, k1, k2, k3, k4, strict=True)
    ]
    w, x, y, z = new[3:7]
    scale = torch.rsqrt(w * w + x * x + y * y + z * z)
    new[3:7] = [w * scale, x * scale, y * scale, z * scale]
    return new


def _ahead(state: list[Tensor], slope: list[Tensor], dt: float) -> list[Tensor]:
    return [x + dt * k for x, k in zip(state, slope, strict=True)]


def _slope(state: list[Tensor], wrench: tuple[Tensor, ...]) -> list[Tensor]:
    """Time derivative, component by component."""
    w, x, y, z, vx, vy, vz, p, q, r = state[3:]
    lift, fx, fy, fz, tx, ty, tz, cx, cy, cz = wrench
    return [
        vx,
        vy,
        vz,
        0.5 * (-x * p - y * q - z * r),
        0.5 * (w * p + y * r - z * q),
        0.5 * (w * q + z * p - x * r),
        0.5 * (w * r + x * q - y * p),
        2.0 * (x * z + w * y) * lift + fx,
        2.0 * (y * z - w * x) * lift + fy,
        (1.0 - 2.0 * (x * x + y * y)) * lift + fz - GRAVITY,
        tx - cx * q * r,
        ty - cy * r * p,
        tz - cz * p * q,
    ]


def rotation(quaternion: Sequence[Tensor] | Tensor) -> list[Tensor]:
    """The nine entries, row by row, of the body-to-world rotations of unit quaternions
    ``(4, num)``."""
    w, x, y, z = quaternion
    xx, yy, zz = 2 * x * x, 2 * y * y, 2 * z * z
    xy, xz, yz = 2 * x * y, 2 * x * z, 2 * y * z
    wx, wy, wz = 2 * w * x, 2 * w * y, 2 * w * z
    return [
        1 - yy - zz,
        xy - wz,
        xz + wy,
        xy + wz,
        1 - xx - zz,
        yz - wx,
        xz - wy,
        yz + wx,
        1 - xx - yy,
    ]
