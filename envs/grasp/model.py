"""The MuJoCo model: a table, a hand on a six-axis wrist, and a body that becomes any object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from robo_ts.envs.grasp.config import PhysicsConfig
from robo_ts.envs.grasp.hands import Hand
from robo_ts.envs.grasp.objects.families import MAX_PIECES
from robo_ts.sim.variants import add_library

# The wrist stands for an arm that can carry 3 kg, such as a UR3e or a Panda: force and torque
# limits, and an armature for the arm's own inertia.
WRIST = ("wrist_x", "wrist_y", "wrist_z", "wrist_yaw", "wrist_pitch", "wrist_roll")
WRIST_RANGE = np.array([[-0.6, 0.6]] * 2 + [[0.02, 0.7], [-20.0, 20.0], [-1.2, 1.2], [-1.2, 1.2]])
_SLIDE = {"kp": 600.0, "kv": 50.0, "force": 30.0, "armature": 0.3}  # N/m, N s/m, N, kg
_HINGE = {"kp": 25.0, "kv": 1.2, "force": 4.0, "armature": 0.01}  # N m/rad, N m s/rad, N m, kg m2
# At rest the palm faces down and the fingers point along the world's x.
PALM_DOWN = np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0])

PREFIX = "hand/"  # before every name of the hand's own model

_LINK, _OBJECT = 1, 2  # collision bits; hands' tips add 4


@dataclass(frozen=True)
class CameraPose:
    """A camera that stands still.

    Attributes:
        pos: m.
        target: what it looks at, m.
        fovy: vertical field of view, degrees.
    """

    pos: tuple[float, float, float] = (0.55, -0.4, 0.4)
    target: tuple[float, float, float] = (0.0, 0.0, 0.1)
    fovy: float = 38.0


def build_model(
    hand: Hand,
    objects: Sequence[Sequence[np.ndarray]],
    physics: PhysicsConfig,
    slots: int = MAX_PIECES,
) -> mujoco.MjModel:
    """The model all worlds share.

    Args:
        hand: the hand.
        objects: every object's convex pieces; see :mod:`robo_ts.sim.variants`.
        physics: contacts and solver.
        slots: most pieces an object may have.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _set_options(spec, physics)
    spec.worldbody.add_light(pos=[0.3, -0.3, 1.5], dir=[-0.2, 0.2, -1.0], castshadow=False)
    spec.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0.6, 0.6, 0.05],
        contype=0,
        conaffinity=_LINK | _OBJECT,
        rgba=[0.72, 0.66, 0.58, 1.0],
        solref=_solref(physics),
        solimp=_solimp(physics),
    )
    _add_camera(spec, CameraPose())
    _add_hand(spec, hand)
    _add_object(spec, objects, slots, physics)
    _add_sensors(spec, hand)
    return spec.compile()


def build_floating_model(
    hand: Hand,
    objects: Sequence[Sequence[np.ndarray]],
    physics: PhysicsConfig,
    slots: int = MAX_PIECES,
) -> mujoco.MjModel:
    """The same hand and object without wrist, table, gravity and cameras: the hand's model stands
    still in the world's frame. One sensor, ``touch``: contacts between them, the deepest's distance
    (negative; zero when nothing touches)."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _set_options(spec, physics)
    spec.option.gravity = [0.0, 0.0, 0.0]
    spec.attach(hand.spec(), frame=spec.worldbody.add_frame(), prefix=PREFIX)
    _add_object(spec, objects, slots, physics)
    data = mujoco.mjtConDataField
    fields = (1 << int(data.mjCONDATA_FOUND)) | (1 << int(data.mjCONDATA_DIST))
    spec.add_sensor(
        name="touch",
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=mujoco.mjtObj.mjOBJ_XBODY,
        objname=f"{PREFIX}palm",
        reftype=mujoco.mjtObj.mjOBJ_BODY,
        refname="object",
        intprm=[fields, 1, 1],  # what is reported, the deepest, one slot
    )
    return spec.compile()


def _set_options(spec: mujoco.MjSpec, physics: PhysicsConfig) -> None:
    option = spec.option
    option.timestep = physics.timestep
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.jacobian = mujoco.mjtJacobian.mjJAC_SPARSE
    option.impratio = physics.impratio
    option.iterations = option.ls_iterations = physics.iterations


def _solref(physics: PhysicsConfig) -> list[float]:
    return [physics.time_constant, 1.0]


def _solimp(physics: PhysicsConfig) -> list[float]:
    return [*physics.impedance, 0.001, 0.5, 2.0]


def _add_camera(spec: mujoco.MjSpec, camera: CameraPose) -> None:
    forward = np.subtract(camera.target, camera.pos)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    up = np.cross(right, forward)
    axes = [*(right / np.linalg.norm(right)), *(up / np.linalg.norm(up))]
    # Given at once: set afterwards, the axes are ignored in silence.
    spec.worldbody.add_camera(name="fixed", pos=camera.pos, xyaxes=axes, fovy=camera.fovy)


def _add_hand(spec: mujoco.MjSpec, hand: Hand) -> None:
    own = hand.spec()
    for body in own.bodies:
        body.gravcomp = 1.0
    wrist = spec.worldbody.add_body(name="wrist", gravcomp=1.0)
    axes = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    for index, (name, axis) in enumerate(zip(WRIST, axes, strict=True)):
        gains = _SLIDE if index < 3 else _HINGE
        wrist.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_SLIDE if index < 3 else mujoco.mjtJoint.mjJNT_HINGE,
            axis=axis,
            range=WRIST_RANGE[index],
            armature=gains["armature"],
        )
    # The palm site becomes the wrist's origin: what turns, turns about the middle of the palm.
    offset = np.empty(3)
    mujoco.mju_rotVecQuat(offset, np.array(own.site("palm").pos, float), PALM_DOWN)
    frame = wrist.add_frame(pos=-offset, quat=PALM_DOWN)
    for index, name in enumerate(WRIST):
        gains = _SLIDE if index < 3 else _HINGE
        servo = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=gains["kp"], kv=gains["kv"])
        servo.forcelimited = servo.ctrllimited = True
        servo.forcerange = [-gains["force"], gains["force"]]
        servo.ctrlrange = WRIST_RANGE[index]
    spec.attach(own, frame=frame, prefix=PREFIX)
    spec.camera(f"{PREFIX}palm").name = "palm"  # observation groups and files are named after it


def _add_object(
    spec: mujoco.MjSpec,
    objects: Sequence[Sequence[np.ndarray]],
    slots: int,
    physics: PhysicsConfig,
) -> None:
    body = spec.worldbody.add_body(name="object", pos=[0.0, 0.0, 0.1])
    body.add_freejoint(name="object")
    add_library(
        spec,
        body,
        objects,
        slots,
        contype=_OBJECT,
        conaffinity=_LINK,
        condim=3,
        priority=1,  # the object alone decides friction and stiffness of its contacts
        solref=_solref(physics),
        solimp=_solimp(physics),
        friction=[0.8, 0.005, 0.0001],
        rgba=[0.85, 0.35, 0.2, 1.0],
    )


def _add_sensors(spec: mujoco.MjSpec, hand: Hand) -> None:
    """Net contact force of every finger, and of the palm, on the object; of the hand on the table;
    each as (contacts, force in the world)."""
    subtree, body, geom = (
        mujoco.mjtObj.mjOBJ_XBODY,
        mujoco.mjtObj.mjOBJ_BODY,
        mujoco.mjtObj.mjOBJ_GEOM,
    )
    pairs = [(f"{finger}_force", subtree, f"{finger}_base") for finger in hand.fingers]
    for name, kind, one in [*pairs, ("palm_force", body, "palm")]:
        _add_contact_sensor(spec, name, (kind, PREFIX + one), (body, "object"))
    _add_contact_sensor(spec, "table_force", (subtree, f"{PREFIX}palm"), (geom, "table"))


def _add_contact_sensor(
    spec: mujoco.MjSpec,
    name: str,
    one: tuple[mujoco.mjtObj, str],
    other: tuple[mujoco.mjtObj, str],
) -> None:
    data = mujoco.mjtConDataField
    fields = (1 << int(data.mjCONDATA_FOUND)) | (1 << int(data.mjCONDATA_FORCE))
    spec.add_sensor(
        name=name,
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=one[0],
        objname=one[1],
        reftype=other[0],
        refname=other[1],
        intprm=[fields, 3, 1],  # what is reported, the net force, one slot
    )
