"""A body on two slides, driven by one motor each: what the flat benchmark tasks move."""

from __future__ import annotations

import mujoco


def flat_world(timestep: float) -> mujoco.MjSpec:
    """A world without gravity and contacts, ``timestep`` in s."""
    spec = mujoco.MjSpec()
    spec.option.timestep = timestep
    spec.option.gravity = [0.0, 0.0, 0.0]
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT
    return spec


def add_point_mass(
    spec: mujoco.MjSpec,
    name: str,
    shape: mujoco.mjtGeom,
    size: list[float],
    mass: float,
    force: float,
    damping: float,
) -> None:
    """Add a body that slides along x and y under forces of at most ``force``.

    Args:
        spec: the world.
        name: of the body.
        shape: of what is seen of it; it touches nothing.
        size: of that shape, m.
        mass: kg.
        force: at control 1, N.
        damping: of either slide, N s/m.
    """
    body = spec.worldbody.add_body(name=name)
    for axis, direction in (("x", [1.0, 0.0, 0.0]), ("y", [0.0, 1.0, 0.0])):
        body.add_joint(
            name=axis,
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=direction,
            damping=[damping, 0.0, 0.0],
        )
        motor = spec.add_actuator(name=axis, target=axis, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.gear[0] = force
        motor.ctrllimited = True
        motor.ctrlrange = [-1.0, 1.0]
    body.add_geom(
        type=shape, size=size, mass=mass, contype=0, conaffinity=0, rgba=[0.2, 0.5, 0.8, 1.0]
    )
