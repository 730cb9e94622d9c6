"""The observation groups and what fills the privileged one."""

from __future__ import annotations

import torch
from torch import Tensor

from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.env.pool import pool_group
from robo_ts.envs.quadrotor.flight import Flight
from robo_ts.envs.quadrotor.layout import Rows

# The published RAPTOR policy's contract (reference order, units and frames).
PROPRIOCEPTION = ObservationGroup(
    "proprioception",
    (
        Term("position_error", 3, "m", "world"),
        Term("rotation", 9, "1", "body to world, row-major"),
        Term("velocity_error", 3, "m/s", "world"),
        Term("angular_velocity", 3, "rad/s", "body"),
        Term("previous_action", 4, "1", "none"),
    ),
    deployable=True,
)
PRIVILEGED = ObservationGroup(
    "privileged",
    (
        Term("true_position_error", 3, "m", "world"),
        Term("true_rotation", 9, "1", "body to world, row-major"),
        Term("true_velocity_error", 3, "m/s", "world"),
        Term("true_angular_velocity", 3, "rad/s", "body"),
        Term("rotor_speed", 4, "1, from -1 to 1", "none"),
        Term("last_action", 4, "1", "none"),
        Term("action_before", 4, "1", "none"),
        Term("gust", 3, "m/s", "world"),
        Term("hover_action", 1, "1", "none"),
        Term("thrust_to_weight", 1, "1", "none"),
        Term("torque_to_inertia", 1, "log rad/s^2", "body"),
        Term("mass", 1, "log kg", "none"),
        Term("arm", 1, "m", "body"),
        Term("torque_constant", 1, "m", "body"),
        Term("rise_time", 1, "s", "none"),
        Term("fall_time", 1, "s", "none"),
        Term("disturbance", 3, "m/s^2", "world"),
        Term("disturbance_torque", 3, "1, of the rotors' torque", "body"),
        Term("linear_thrust", 1, "1", "none"),
        Term("sag", 1, "1", "none"),
        Term("drag", 1, "1/s", "none"),
        Term("action_delay", 1, "steps of 10 ms", "none"),
        Term("observation_delay", 1, "steps of 10 ms", "none"),
    ),
    deployable=False,
)


def observation_spec(pool: int) -> ObservationSpec:
    """All groups; with a pool of drones also the one that tells who flies."""
    return ObservationSpec([PROPRIOCEPTION, PRIVILEGED, *([pool_group(pool)] if pool else [])])


def privileged(flight: Flight, s: Rows, p: Rows, constants: Tensor) -> Tensor:
    """What only a simulator knows, ``(PRIVILEGED.size, num)``; terms not in use are zero."""
    nothing = torch.zeros_like(constants[:1])
    before = s.get("before", nothing.expand(4, -1))
    gust = s.get("gust", nothing.expand(3, -1))
    rotor = [2.0 * x - 1.0 for x in s["rotor"]]
    computed = [x[None] for x in (*flight.reading(s, p), *rotor)]
    # What is only copied stays whole: every row of its own costs a compiled step's entry.
    return torch.cat([*computed, s["action"], before, gust, constants])
