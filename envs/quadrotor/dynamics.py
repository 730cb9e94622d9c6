"""Formulas of the drone: sampling, thrust curve, motor lag, reference path. No simulator in here.

Source: RAPTOR (Eschmann, Albani, Loianno 2025), public code rl-tools, ``operations_generic.h`` and
``sample_dynamics_parameters.cpp``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.quadrotor.config import DroneRanges
from robo_ts.sim import Sampler

GRAVITY = 9.81
BASE_MASS = 0.0306
BASE_ROTOR_XY = 0.028
# Thrust of one Crazyflie rotor, N, as polynomial in the rotor speed in [0, 1].
BASE_CURVE = (0.003525, 0.014373, 0.09223)
# Pitch and yaw inertia over roll inertia of the Crazyflie.
INERTIA_RATIO = (1.0, 9.6441e-6 / 9.4166e-6, 1.7460e-5 / 9.4166e-6)


@dataclass
class Drones:
    """Parameters of ``n`` drones, each tensor ``(n,)`` unless said.

    Attributes:
        mass: kg.
        inertia: ``(n, 3)`` kg m^2, body frame diagonal.
        rotor_xy: |x| = |y| of the rotors, m.
        curve: ``(n, 3)`` thrust polynomial in N over rotor speed in [0, 1].
        torque_constant: m.
        rise_time: s.
        fall_time: s.
        thrust_to_weight: of 1.
        torque_to_inertia: rad/s^2.
        hover_action: action in [-1, 1] at which thrust equals weight.
        force: ``(n, 3)`` constant disturbance, N, world frame.
    """

    mass: Tensor
    inertia: Tensor
    rotor_xy: Tensor
    curve: Tensor
    torque_constant: Tensor
    rise_time: Tensor
    fall_time: Tensor
    thrust_to_weight: Tensor
    torque_to_inertia: Tensor
    hover_action: Tensor
    force: Tensor

    @property
    def arm(self) -> Tensor:
        """Distance from the centre to a rotor, m."""
        return self.rotor_xy * math.sqrt(2.0)


def sample_drones(ranges: DroneRanges, num: int, generator: torch.Generator) -> Drones:
    """Draw ``num`` drones from RAPTOR's distribution or a wider one."""
    declared = {
        name: getattr(ranges, name)
        for name in (
            "thrust_to_weight",
            "mass_root",
            "size_deviation",
            "torque_to_inertia",
            "torque_constant",
            "rise_time",
            "fall_time",
        )
    }
    draw = Sampler(declared).sample(num, generator)
    device = generator.device
    sigma_share = torch.rand(num, generator=generator, device=device)
    direction = torch.randn(num, 3, generator=generator, device=device)

    t2w, mass = draw["thrust_to_weight"], draw["mass_root"] ** 3
    u = draw["size_deviation"]
    scale = torch.where(u < 0, 1.0 / (1.0 - u), 1.0 + u)
    rotor_xy = BASE_ROTOR_XY * (mass / BASE_MASS) ** (1.0 / 3.0) * scale
    max_thrust = t2w * mass * GRAVITY / 4.0
    base = torch.tensor(BASE_CURVE, device=device)
    curve = base * (max_thrust / base.sum())[:, None]
    roll_inertia = math.sqrt(2.0) * rotor_xy * max_thrust / draw["torque_to_inertia"]
    inertia = roll_inertia[:, None] * torch.tensor(INERTIA_RATIO, device=device)
    sigma = sigma_share * ranges.disturbance * (t2w - 1.0) * t2w * mass / 3.0
    return Drones(
        mass=mass,
        inertia=inertia,
        rotor_xy=rotor_xy,
        curve=curve,
        torque_constant=draw["torque_constant"],
        rise_time=draw["rise_time"],
        fall_time=draw["fall_time"],
        thrust_to_weight=t2w,
        torque_to_inertia=draw["torque_to_inertia"],
        hover_action=hover_action(curve, mass),
        force=sigma[:, None] * direction,
    )


def hover_action(curve: Tensor, mass: Tensor) -> Tensor:
    """Action in [-1, 1] whose steady thrust carries the weight: root of the thrust curve."""
    c0, c1, c2 = curve.unbind(-1)
    target = mass * GRAVITY / 4.0
    speed = (-c1 + torch.sqrt(c1 * c1 - 4.0 * c2 * (c0 - target))) / (2.0 * c2)
    return 2.0 * speed - 1.0


def lag_coefficients(tau: Tensor, dt: float) -> Tensor:
    """Exact first-order lag over one control step of constant set point.

    With d = speed - set point at the start, speed ends at s + d e^(-dt/tau); its mean is s + d A,
    its mean square s^2 + 2 s d A + d^2 B.

    Args:
        tau: time constants ``(n,)``, s.
        dt: control step, s.

    Returns:
        ``(3, n)``: e^(-dt/tau), A, B.
    """
    decay = torch.exp(-dt / tau)
    return torch.stack([decay, tau / dt * (1 - decay), tau / (2 * dt) * (1 - decay * decay)])


def rotor_step(
    speed: Tensor, set_point: Tensor, curve: Tensor, rising: Tensor, falling: Tensor
) -> tuple[Tensor, Tensor]:
    """Motor lag and mean thrust over one control step.

    Args:
        speed: ``(n, 4)`` rotor speeds in [0, 1].
        set_point: ``(n, 4)`` in [0, 1].
        curve: ``(n, 3)`` thrust polynomial, N.
        rising, falling: ``(3, n, 1)`` of :func:`lag_coefficients`.

    Returns:
        The speeds at the step's end and the mean thrust in N, ``(n, 4)`` each.
    """
    difference = speed - set_point
    decay, mean, square = torch.where(difference <= 0, rising, falling)
    lagged = difference * mean
    mean_speed = set_point + lagged
    mean_square = set_point * (set_point + 2.0 * lagged) + difference * difference * square
    thrust = curve[:, 0:1] + curve[:, 1:2] * mean_speed + curve[:, 2:3] * mean_square
    return set_point + difference * decay, thrust


def langevin_step(path: Tensor, noise: Tensor, dt: float) -> Tensor:
    """Advance the smooth random reference path by one control step.

    Second-order Langevin dynamics (gamma 1, omega 2, sigma 0.5), its velocity smoothed (0.01 per
    step) and integrated again.

    Args:
        path: ``(4, n, 3)``: raw position, raw velocity, smooth position, smooth velocity.
        noise: ``(n, 3)`` standard normal.
    """
    raw_position, raw_velocity, position, velocity = path
    raw_velocity = (
        raw_velocity + (-raw_velocity - 4.0 * raw_position) * dt + (0.5 * math.sqrt(dt)) * noise
    )
    raw_position = raw_position + raw_velocity * dt
    velocity = 0.99 * velocity + 0.01 * raw_velocity
    return torch.stack([raw_position, raw_velocity, position + velocity * dt, velocity])


def rotation_matrix(quaternion: Tensor) -> Tensor:
    """Row-major body-to-world rotation ``(n, 9)`` of unit quaternions ``(n, 4)``, w first."""
    w, x, y, z = quaternion.unbind(-1)
    xx, yy, zz = 2 * x * x, 2 * y * y, 2 * z * z
    xy, xz, yz = 2 * x * y, 2 * x * z, 2 * y * z
    wx, wy, wz = 2 * w * x, 2 * w * y, 2 * w * z
    return torch.stack(
        [
            1 - yy - zz,
            xy - wz,
            xz + wy,
            xy + wz,
            1 - xx - zz,
            yz - wx,
            xz - wy,
            yz + wx,
            1 - xx - yy,
        ],
        dim=-1,
    )


def random_tilt(num: int, greatest: float, generator: torch.Generator) -> Tensor:
    """Quaternions ``(num, 4)`` of rotations by U(0, greatest) rad about random axes."""
    device = generator.device
    axis = torch.nn.functional.normalize(
        torch.randn(num, 3, generator=generator, device=device), dim=-1
    )
    half = 0.5 * greatest * torch.rand(num, 1, generator=generator, device=device)
    return torch.cat([torch.cos(half), axis * torch.sin(half)], dim=-1)
