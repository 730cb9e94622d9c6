"""The MuJoCo model of the hidden-cue task: a point mass on two slides; the rest is scenery."""

from __future__ import annotations

import mujoco

from robo_ts.envs.benchmarks.hidden_cue.config import HiddenCueConfig
from robo_ts.envs.benchmarks.point_mass import add_point_mass, flat_world

# Greatest force and damping: 1 m/s at most, reached with a time constant of 0.1 s.
MASS, FORCE, DAMPING = 1.0, 10.0, 10.0  # kg, N, N s/m


def build_model(config: HiddenCueConfig) -> mujoco.MjModel:
    """The model all worlds share."""
    spec = flat_world(0.1)
    add_point_mass(
        spec, "walker", mujoco.mjtGeom.mjGEOM_SPHERE, [0.04, 0.0, 0.0], MASS, FORCE, DAMPING
    )
    # Sites, since scenery that is no geom costs the simulation nothing.
    for name, x in (("left_door", -0.25), ("right_door", 0.25)):
        spec.worldbody.add_site(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[x, config.door_distance, 0.0],
            size=[0.24, 0.02, 0.1],
            rgba=[0.7, 0.5, 0.2, 1.0],
        )
    spec.worldbody.add_site(
        name="alcove",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=[-config.alcove_distance - 0.5 * config.alcove_depth, 0.0, -0.06],
        size=[0.5 * config.alcove_depth, 0.5 * config.alcove_length, 0.01],
        rgba=[0.3, 0.7, 0.3, 1.0],
    )
    return spec.compile()
