"""How the quadrotor task is shown."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.viewing import Slider, ViewSpec
from robo_ts.envs.quadrotor.rewards import terms
from robo_ts.envs.quadrotor.task import Quadrotor

# Arm length of the model's drone, m; drones are shown to scale.
_MODEL_ARM = 0.028 * 2**0.5


def view() -> ViewSpec:
    """Drones to scale around their references."""
    return ViewSpec(
        spacing=(1.3, 1.3),
        floor=-0.75,
        pushable=("drone",),
        push_speed=1.0,
        sliders=_SLIDERS,
        scale=_scale,
        markers=_reference,
        reward_terms=_reward_terms,
    )


_SLIDERS = (
    Slider("drones.thrust_to_weight", "thrust to weight", "1", 1.2, 8.0),
    Slider("drones.mass_root", "mass", "kg", 0.02, 5.0, lambda kg: kg ** (1.0 / 3.0)),
    Slider("drones.torque_to_inertia", "torque to inertia", "rad/s²", 20.0, 2500.0),
    Slider("drones.rise_time", "motor rise time", "s", 0.02, 0.15),
    Slider("drones.fall_time", "motor fall time", "s", 0.02, 0.5),
    Slider("drones.torque_constant", "torque constant", "m", 0.005, 0.05),
    Slider("drones.sag", "battery sag", "1", 0.0, 0.4),
    Slider("drones.disturbance", "constant force", "1", 0.0, 1.0),
    Slider("air.gust_speed", "wind gusts, through air drag", "m/s", 0.0, 5.0),
    Slider("air.drag", "air drag", "1/s", 0.0, 1.0),
    Slider("air.gust_time", "gusts change within", "s", 0.5, 2.0),
    Slider("air.kick", "pokes", "m/s", 0.0, 2.0),
    Slider("sensors.noise", "sensor noise", "1", 0.0, 3.0),
    Slider("sensors.latency", "latency", "s", 0.0, 0.02),
    Slider("references.period", "figure-eight period", "s", 3.0, 16.0),
    Slider("references.length", "figure-eight length", "m", 0.5, 3.0),
)


def _quadrotor(env: TaskEnv) -> Quadrotor:
    assert isinstance(env, Quadrotor)
    return env


def _scale(env: TaskEnv) -> Tensor:
    return _quadrotor(env).arm / _MODEL_ARM


def _reference(env: TaskEnv) -> Tensor:
    """Where each drone should be, ``(num_envs, 1, 3)`` m."""
    drone = _quadrotor(env)
    if not drone.flight.features.moving:
        return torch.zeros(drone.num_envs, 1, 3, device=drone.device)
    position, _ = drone.flight.reference(*_rows(drone))
    return position.t()[:, None]


def _reward_terms(env: TaskEnv) -> dict[str, Tensor]:
    drone = _quadrotor(env)
    s, p = _rows(drone)
    position, _ = drone.flight.errors(s, p)
    distance = torch.linalg.vector_norm(torch.stack(list(position)), dim=0)
    weights, limit = drone.config.reward, drone.config.limit_velocity
    return terms(
        weights,
        distance,
        s["velocity"],
        limit,
        s["quaternion"][3],
        s["action"],
        drone.action_change,
    )


def _rows(drone: Quadrotor) -> tuple[dict[str, Any], dict[str, Any]]:
    flight = drone.flight
    return flight.state.split(drone.state), flight.parameters.split(drone.parameters)
