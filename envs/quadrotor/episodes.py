"""How an episode begins: the packed state and parameters of :class:`Flight`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.quadrotor.config import QuadrotorConfig
from robo_ts.envs.quadrotor.drones import (
    Drones,
    disturbance,
    disturbance_torque,
    random_tilt,
    sample_drones,
)
from robo_ts.envs.quadrotor.flight import DELAYS, READING, Features, Flight, lag
from robo_ts.envs.quadrotor.layout import Rows
from robo_ts.envs.quadrotor.vehicles import load_vehicle
from robo_ts.sim import Range
from robo_ts.sim.rigid import GRAVITY

# The privileged rows that stay as they are for an episode.
CONSTANTS = 19


@dataclass
class Episodes:
    """New episodes.

    Attributes:
        drones: who flies.
        state: ``(flight.state.rows, num)``.
        parameters: ``(flight.parameters.rows, num)``.
        constants: what a teacher is told of drone and weather, ``(19, num)``.
    """

    drones: Drones
    state: Tensor
    parameters: Tensor
    constants: Tensor

    def pick(self, ids: Tensor) -> Episodes:
        """Some of them."""
        packed = (x[:, ids] for x in (self.state, self.parameters, self.constants))
        return Episodes(self.drones.pick(ids), *packed)


def features(config: QuadrotorConfig) -> Features:
    """What a configuration makes use of."""
    air, sensors, references = config.air, config.sensors, config.references
    sags = load_vehicle(config.vehicle).sag > 0.0 if config.vehicle else _used(config.drones.sag)
    return Features(
        moving=references.langevin + references.eight + references.step > 0.0,
        wind=_used(air.drag) or _used(air.gust_speed),
        kicks=_used(air.kick),
        sag=sags,
        action_delay=_used(sensors.action_delay) or _used(sensors.latency),
        observation_delay=_used(sensors.observation_delay) or _used(sensors.latency),
        noise=_used(sensors.noise) or _used(sensors.bias),
    )


def begin(
    config: QuadrotorConfig,
    flight: Flight,
    num: int,
    generator: torch.Generator,
    drones: Drones | None = None,
) -> Episodes:
    """Draw ``num`` new episodes.

    Args:
        config: the distributions.
        flight: the formulas they are for.
        num: how many.
        generator: all chance.
        drones: who flies, where a pool decides that.
    """
    if drones is not None:
        pass
    elif config.vehicle:
        drones = load_vehicle(config.vehicle).drones(num, generator.device)
        drones.force = disturbance(config.drones, drones.thrust_to_weight, drones.mass, generator)
        drones.torque = disturbance_torque(
            config.drones, drones.torque_to_inertia, drones.inertia[0], generator
        )
    else:
        drones = sample_drones(config.drones, num, generator)
    real = torch.rand(num, generator=generator, device=generator.device) < config.real_share
    parameters = _airframe(drones, flight.dt)
    parameters |= _circumstances(config, drones, real.float(), flight, generator)
    if flight.features.moving:
        parameters |= _references(config, drones, generator)
    state = draw_start(config, num, generator)
    rows = {name: parameters[name] for name in flight.parameters.sizes}
    packed = flight.parameters.join(rows)
    shape = {n: s for n, s in flight.state.sizes.items() if n not in state}
    for name, size in shape.items():
        state[name] = torch.zeros(*([size] if size > 1 else []), num, device=generator.device)
    if "before" in state:
        state["before"] = state["action"]
    if "readings" in state:
        now = flight.reading(state, rows)
        state["readings"] = now * (flight.state.sizes["readings"] // READING)
    return Episodes(drones, flight.state.join(state), packed, _constants(drones, parameters))


def _used(value: Range) -> bool:
    return value.low != 0.0 or value.high != 0.0


def _airframe(drones: Drones, dt: float) -> Rows:
    inertia, mass = drones.inertia, drones.mass
    jx, jy, jz = inertia
    x, y = drones.rotor
    lever = torch.stack([y, x, drones.torque_constant])
    return {
        "curve": drones.curve / mass,
        "gain": lever * mass / inertia,
        "coupling": torch.stack([(jz - jy) / jx, (jx - jz) / jy, (jy - jx) / jz]),
        "rising": lag(drones.rise_time, dt),
        "falling": lag(drones.fall_time, dt),
        "force": drones.force / mass,
        "torque": drones.torque / inertia,
    }


def _circumstances(
    config: QuadrotorConfig, drones: Drones, real: Tensor, flight: Flight, rng: torch.Generator
) -> Rows:
    """Weather, sensors and battery; nothing where ``real`` is zero."""
    num, air, sensors = len(real), config.air, config.sensors
    steps = 1.0 / flight.dt

    def draw(value: Range) -> Tensor:
        return value.sample((num,), rng)

    def late(seconds: Tensor) -> Tensor:
        return real * (steps * seconds).clamp_max(DELAYS)

    latency = draw(sensors.latency)
    # Three equally frequent kinds: all of it in the readings, all in the actions, or shared.
    kind = 3.0 * torch.rand(num, generator=rng, device=rng.device)
    before = latency * (kind - 1.0).clamp(0.0, 1.0)
    return {
        "drag": real * draw(air.drag),
        "gust_speed": real * draw(air.gust_speed),
        "gust_time": draw(air.gust_time),
        "kick": real * draw(air.kick),
        "sag": real * drones.sag,
        "noise": real * draw(sensors.noise),
        "bias": real * draw(sensors.bias) * torch.randn(9, num, generator=rng, device=rng.device),
        "action_delay": late(draw(sensors.action_delay) + latency - before),
        "observation_delay": late(draw(sensors.observation_delay) + before),
    }


def _references(config: QuadrotorConfig, drones: Drones, rng: torch.Generator) -> Rows:
    num, device, plan = len(drones.mass), rng.device, config.references
    kind = torch.rand(num, generator=rng, device=device)
    langevin = kind < plan.langevin
    eight = ~langevin & (kind < plan.langevin + plan.eight)
    step = ~langevin & ~eight & (kind < plan.langevin + plan.eight + plan.step)
    half = 0.5 * plan.length.sample((num,), rng)
    omega = 2.0 * math.pi / plan.period.sample((num,), rng)
    first, second = _plane(num, plan.tilt, rng)
    if plan.agility:
        spare = plan.agility * (drones.thrust_to_weight - 1.0) * GRAVITY
        # Greatest acceleration of a sin(t) + b sin(2 t) / 2, a and b being of one length.
        omega = torch.minimum(omega, torch.sqrt(spare / (2.1 * half)))
    jump = plan.jump * (2.0 * torch.rand(3, num, generator=rng, device=device) - 1.0)
    when = torch.rand(num, generator=rng, device=device) * 0.5 * config.episode_steps
    return {
        "langevin": langevin.float(),
        "first": first * half * eight,
        "second": 0.5 * second * half * eight,
        "omega": omega,
        "jump": jump * step,
        "jump_step": when,
    }


def _plane(num: int, tilt: bool, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two orthogonal unit vectors per world, ``(3, num)`` each."""
    draw = torch.randn(2, 3, num, generator=rng, device=rng.device)
    if not tilt:
        eye = torch.eye(3, device=rng.device)
        return eye[:, :1].expand(3, num), eye[:, 1:2].expand(3, num)
    first = torch.nn.functional.normalize(draw[0], dim=0)
    second = draw[1] - (draw[1] * first).sum(dim=0) * first
    return first, torch.nn.functional.normalize(second, dim=0)


def draw_start(config: QuadrotorConfig, num: int, rng: torch.Generator) -> Rows:
    """Where ``num`` episodes start: ``position``, ``quaternion``, ``velocity``, ``rate``, ``rotor``
    and the ``action`` that belongs to it, ``(size, num)`` each."""
    start, device = config.start, rng.device

    def uniform(rows: int, greatest: float) -> Tensor:
        return greatest * (2.0 * torch.rand(rows, num, generator=rng, device=device) - 1.0)

    position, velocity = uniform(3, start.position), uniform(3, start.velocity)
    rate = uniform(3, start.angular_velocity)
    quaternion = random_tilt(num, start.tilt, rng)
    rotor = start.rotor_speed * torch.rand(4, num, generator=rng, device=device)
    away = (torch.rand(num, generator=rng, device=device) >= start.centred).float()
    level = torch.tensor([1.0, 0.0, 0.0, 0.0], device=device)[:, None]
    return {
        "position": position * away,
        "quaternion": torch.where(away > 0, quaternion, level),
        "velocity": velocity * away,
        "rate": rate * away,
        "rotor": rotor,
        "action": 2.0 * rotor - 1.0,
    }


def _constants(drones: Drones, parameters: Rows) -> Tensor:
    return torch.stack(
        [
            drones.hover_action,
            drones.thrust_to_weight,
            torch.log(drones.torque_to_inertia),
            torch.log(drones.mass),
            drones.arm,
            drones.torque_constant,
            drones.rise_time,
            drones.fall_time,
            *parameters["force"],
            *(parameters["torque"] / drones.torque_to_inertia),
            drones.curve[1] / drones.curve.sum(dim=0),
            parameters["sag"],
            parameters["drag"],
            parameters["action_delay"],
            parameters["observation_delay"],
        ]
    )
