"""The MuJoCo model of the reacher: two hinges in a plane, torque motors, little damping."""

from __future__ import annotations

import mujoco

from robo_ts.envs.benchmarks.reacher.config import LINK

TORQUE = (0.1, 0.05)  # greatest torque of shoulder and elbow, N m: about 50 rad/s^2 each
# So little that a swinging arm takes a second to rest: the policy has to brake, and therefore has
# to know the velocities. Much less, and an arm that is driven at full torque all the time spins too
# fast for steps of 10 ms.
DAMPING = 2e-3  # N m s/rad
# Rotors heavier than the links, which keeps the joints nearly independent of each other.
ARMATURE = 1e-3  # kg m^2
LINK_MASS = 0.035  # kg


def build_model() -> mujoco.MjModel:
    """The model all worlds share; the target is a mocap body, so that viewers show it."""
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.01
    spec.option.gravity = [0.0, 0.0, 0.0]
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT
    parent = spec.worldbody
    for name, torque, at in zip(("shoulder", "elbow"), TORQUE, (0.0, LINK), strict=True):
        parent = parent.add_body(name=f"{name}_link", pos=[at, 0.0, 0.0])
        parent.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=[0.0, 0.0, 1.0],
            damping=[DAMPING, 0.0, 0.0],
            armature=ARMATURE,
        )
        parent.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[0.0, 0.0, 0.0, LINK, 0.0, 0.0],
            size=[0.01, 0.0, 0.0],
            mass=LINK_MASS,
            contype=0,
            conaffinity=0,
            rgba=[0.2, 0.5, 0.8, 1.0],
        )
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.gear[0] = torque
        motor.ctrllimited = True
        motor.ctrlrange = [-1.0, 1.0]
    parent.add_site(name="fingertip", pos=[LINK, 0.0, 0.0], size=[0.01, 0.0, 0.0])
    target = spec.worldbody.add_body(name="target", mocap=True)
    target.add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[0.009, 0.0, 0.0],
        contype=0,
        conaffinity=0,
        rgba=[0.9, 0.2, 0.2, 1.0],
    )
    return spec.compile()
