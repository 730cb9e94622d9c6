"""Which drone, which weather, which sensors, which path: what is drawn at an episode's start.

Source of the drones: RAPTOR (Eschmann, Albani, Loianno 2025), public code rl-tools,
``sample_dynamics_parameters.cpp``. Everything is feature-first, ``(components, num)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from robo_ts.envs.quadrotor.config import DroneRanges
from robo_ts.seeds import derive
from robo_ts.sim import Sampler
from robo_ts.sim.rigid import GRAVITY

BASE_MASS = 0.0306
BASE_ROTOR_XY = 0.028
# Pitch and yaw inertia over roll inertia of the Crazyflie.
INERTIA_RATIO = (1.0, 9.6441e-6 / 9.4166e-6, 1.7460e-5 / 9.4166e-6)

_DRAWN = (
    "thrust_to_weight",
    "mass_root",
    "size_deviation",
    "torque_to_inertia",
    "torque_constant",
    "rise_time",
    "fall_time",
    "linear_thrust",
    "sag",
)


@dataclass
class Drones:
    """Parameters of ``num`` drones, each tensor ``(num,)`` unless said.

    Attributes:
        mass: kg.
        inertia: ``(3, num)`` kg m^2, body frame diagonal.
        rotor: ``(2, num)`` |x| and |y| of the rotors, m.
        curve: ``(3, num)`` thrust polynomial of one rotor in N over rotor speed in [0, 1].
        torque_constant: rotor drag torque per thrust, m.
        rise_time: s.
        fall_time: s.
        sag: share of thrust lost at full load.
        thrust_to_weight: of 1.
        torque_to_inertia: rad/s^2.
        force: ``(3, num)`` constant disturbance, N, world frame.
        torque: ``(3, num)`` constant disturbance, N m, body frame.
    """

    mass: Tensor
    inertia: Tensor
    rotor: Tensor
    curve: Tensor
    torque_constant: Tensor
    rise_time: Tensor
    fall_time: Tensor
    sag: Tensor
    thrust_to_weight: Tensor
    torque_to_inertia: Tensor
    force: Tensor
    torque: Tensor

    @property
    def arm(self) -> Tensor:
        """Distance from the centre to a rotor, m."""
        return torch.linalg.vector_norm(self.rotor, dim=0)

    @property
    def hover_action(self) -> Tensor:
        """Action in [-1, 1] whose steady thrust carries the weight."""
        return hover_action(self.curve, self.mass)

    def pick(self, ids: Tensor) -> Drones:
        """Some of them."""
        return replace(self, **{f.name: getattr(self, f.name)[..., ids] for f in fields(self)})


def sample_drones(ranges: DroneRanges, num: int, generator: torch.Generator) -> Drones:
    """Draw ``num`` drones from RAPTOR's distribution or a wider one."""
    device = generator.device
    draw = Sampler({name: getattr(ranges, name) for name in _DRAWN}).sample(num, generator)
    t2w, t2i, mass = draw["thrust_to_weight"], draw["torque_to_inertia"], draw["mass_root"] ** 3
    if ranges.weak_share:
        weak = torch.rand(num, generator=generator, device=device) < ranges.weak_share
        t2i = torch.where(weak, ranges.weak.sample((num,), generator), t2i)
    u = draw["size_deviation"]
    scale = torch.where(u < 0, 1.0 / (1.0 - u), 1.0 + u)
    rotor_xy = BASE_ROTOR_XY * (mass / BASE_MASS) ** (1.0 / 3.0) * scale
    max_thrust = t2w * mass * GRAVITY / 4.0
    roll_inertia = math.sqrt(2.0) * rotor_xy * max_thrust / t2i
    ratio = torch.tensor(INERTIA_RATIO, device=device)[:, None]
    force = disturbance(ranges, t2w, mass, generator)
    twist = disturbance_torque(ranges, t2i, roll_inertia, generator)
    idle, linear = idle_thrust(ranges, num, generator), draw["linear_thrust"]
    return Drones(
        mass=mass,
        inertia=roll_inertia * ratio,
        rotor=rotor_xy.expand(2, -1).clone(),
        curve=max_thrust * torch.stack([idle, linear, 1.0 - idle - linear]),
        torque_constant=draw["torque_constant"],
        rise_time=draw["rise_time"],
        fall_time=draw["fall_time"],
        sag=draw["sag"],
        thrust_to_weight=t2w,
        torque_to_inertia=t2i,
        force=force,
        torque=twist,
    )


def disturbance(
    ranges: DroneRanges, thrust_to_weight: Tensor, mass: Tensor, generator: torch.Generator
) -> Tensor:
    """RAPTOR's constant forces, ``(3, num)`` N."""
    num, device = len(mass), generator.device
    sigma = torch.rand(num, generator=generator, device=device) * ranges.disturbance
    size = sigma * (thrust_to_weight - 1.0) * thrust_to_weight * mass / 3.0
    return size * torch.randn(3, num, generator=generator, device=device)


def disturbance_torque(
    ranges: DroneRanges, torque_to_inertia: Tensor, roll_inertia: Tensor, rng: torch.Generator
) -> Tensor:
    """Constant torques, ``(3, num)`` N m; none is drawn where there are none."""
    num, device = len(roll_inertia), rng.device
    if not ranges.disturbance_torque:
        return torch.zeros(3, num, device=device)
    draw = torch.randn(3, num, generator=rng, device=device)
    return ranges.disturbance_torque * torque_to_inertia * roll_inertia * draw


def idle_thrust(ranges: DroneRanges, num: int, rng: torch.Generator) -> Tensor:
    """Shares of the full thrust at rest, ``(num,)``; none is drawn where all drones have the same,
    so that all else of a drone is what it was before there was a choice."""
    one = ranges.idle_thrust
    if one.law != "normal" and one.low == one.high:
        return torch.full((num,), one.low, device=rng.device)
    return one.sample((num,), rng)


class Pool:
    """The drones that ``ranges.pool`` and ``ranges.pool_seed`` declare, the same on every device.

    Args:
        ranges: their distribution.
        device: where they are wanted.
    """

    def __init__(self, ranges: DroneRanges, device: torch.device | str = "cpu") -> None:
        rng = torch.Generator().manual_seed(derive(ranges.pool_seed, "pool"))
        drawn = sample_drones(ranges, ranges.pool, rng)
        moved = {f.name: getattr(drawn, f.name).to(device) for f in fields(drawn)}
        self.ranges, self.drones = ranges, Drones(**moved)

    def fly(self, index: Tensor, generator: torch.Generator) -> Drones:
        """The drones of these numbers, ``(n,)``, each with a disturbance drawn anew."""
        some = self.drones.pick(index)
        force = disturbance(self.ranges, some.thrust_to_weight, some.mass, generator)
        torque = disturbance_torque(self.ranges, some.torque_to_inertia, some.inertia[0], generator)
        return replace(some, force=force, torque=torque)


def hover_action(curve: Tensor, mass: Tensor) -> Tensor:
    """Action in [-1, 1] whose steady thrust carries the weight: root of the thrust curve.

    Args:
        curve: ``(3, num)`` N.
        mass: ``(num,)`` kg.
    """
    c0, c1, c2 = curve
    missing = mass * GRAVITY / 4.0 - c0
    # This form of the root holds for a straight and for a concave curve too.
    speed = 2.0 * missing / (c1 + torch.sqrt(c1 * c1 + 4.0 * c2 * missing))
    return 2.0 * speed - 1.0


def random_tilt(num: int, greatest: float, generator: torch.Generator) -> Tensor:
    """Quaternions ``(4, num)`` of rotations by U(0, greatest) rad about random axes."""
    device = generator.device
    axis = torch.nn.functional.normalize(
        torch.randn(3, num, generator=generator, device=device), dim=0
    )
    half = 0.5 * greatest * torch.rand(1, num, generator=generator, device=device)
    return torch.cat([torch.cos(half), axis * torch.sin(half)])
