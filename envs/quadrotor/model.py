"""The MuJoCo model of the quadrotor, and how a world becomes one particular drone."""

from __future__ import annotations

import mujoco
import torch
from torch import Tensor

from robo_ts.paths import asset
from robo_ts.sim import BatchSim

ROTORS = ("front_right", "back_right", "back_left", "front_left")
EXPANDED_FIELDS = ("body_mass", "body_inertia", "site_pos", "actuator_gear")

# x and y sign of each rotor, and the sign of its drag torque about +z (RAPTOR, section 1).
_SIGNS = torch.tensor([[1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
_SPIN = torch.tensor([-1.0, 1.0, -1.0, 1.0])


def build_model() -> mujoco.MjModel:
    """The model all worlds share: one free body, four site motors whose control is thrust in N."""
    return mujoco.MjSpec.from_file(str(asset("robots/quadrotor/quadrotor.xml"))).compile()


def write_drones(
    sim: BatchSim,
    env_ids: Tensor,
    mass: Tensor,
    inertia: Tensor,
    rotor: Tensor,
    torque_constant: Tensor,
) -> None:
    """Make the worlds ``env_ids`` the given drones.

    Args:
        mass: ``(n,)`` kg.
        inertia: ``(n, 3)`` diagonal, kg m^2, body frame.
        rotor: ``(n, 2)`` |x| and |y| of the rotors, m.
        torque_constant: ``(n,)`` drag torque per thrust, m.
    """
    n, device = len(env_ids), env_ids.device
    body = sim.model.body("drone").id
    sites = [sim.model.site(name).id for name in ROTORS]
    motors = [sim.model.actuator(name).id for name in ROTORS]

    masses = torch.zeros(n, sim.model.nbody, device=device)
    masses[:, body] = mass
    inertias = torch.zeros(n, sim.model.nbody, 3, device=device)
    inertias[:, body] = inertia
    positions = torch.zeros(n, sim.model.nsite, 3, device=device)
    positions[:, sites, :2] = rotor[:, None, :] * _SIGNS.to(device)
    gears = torch.zeros(n, sim.model.nu, 6, device=device)
    gears[:, motors, 2] = 1.0
    gears[:, motors, 5] = torque_constant[:, None] * _SPIN.to(device)

    sim.write("body_mass", masses, env_ids)
    sim.write("body_inertia", inertias, env_ids)
    sim.write("site_pos", positions, env_ids)
    sim.write("actuator_gear", gears, env_ids)
    sim.set_const(env_ids)
