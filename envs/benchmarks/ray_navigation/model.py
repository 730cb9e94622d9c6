"""The MuJoCo model of the ray-navigation task: a disc on two slides, posts as mocap bodies."""

from __future__ import annotations

import mujoco

from robo_ts.envs.benchmarks.point_mass import add_point_mass, flat_world
from robo_ts.envs.benchmarks.ray_navigation.config import (
    NUM_POSTS,
    POST_RADIUS,
    ROBOT_RADIUS,
    RayNavigationConfig,
)

# Greatest force and damping: 1.5 m/s at most, reached with a time constant of 0.15 s.
MASS, FORCE, DAMPING = 1.0, 10.0, 20.0 / 3.0  # kg, N, N s/m


def build_model(config: RayNavigationConfig) -> mujoco.MjModel:
    """The model all worlds share. Contacts are off: a touch ends the episode, by geometry."""
    spec = flat_world(0.05)
    add_point_mass(
        spec,
        "robot",
        mujoco.mjtGeom.mjGEOM_CYLINDER,
        [ROBOT_RADIUS, 0.05, 0.0],
        MASS,
        FORCE,
        DAMPING,
    )
    for index in range(NUM_POSTS):
        post = spec.worldbody.add_body(name=f"post_{index}", mocap=True)
        post.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[POST_RADIUS, 0.2, 0.0],
            contype=0,
            conaffinity=0,
            rgba=[0.8, 0.5, 0.2, 1.0],
        )
    middle = 0.5 * config.goal_distance
    for name, side in (("right_wall", -1.0), ("left_wall", 1.0)):
        spec.worldbody.add_site(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[middle, side * (config.half_width + 0.02), 0.0],
            size=[middle + 1.0, 0.02, 0.1],
            rgba=[0.6, 0.6, 0.6, 1.0],
        )
    spec.worldbody.add_site(
        name="goal",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        pos=[config.goal_distance, 0.0, -0.05],
        size=[config.goal_radius, 0.005, 0.0],
        rgba=[0.2, 0.8, 0.3, 1.0],
    )
    return spec.compile()
