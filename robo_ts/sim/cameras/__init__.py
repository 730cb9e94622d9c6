"""Images and point clouds for every world, with what sensors do to them and rooms around them."""

from robo_ts.sim.cameras.cameras import Cameras
from robo_ts.sim.cameras.config import (
    CameraConfig,
    PointCloudConfig,
    Recolour,
    SceneConfig,
    SensorConfig,
)
from robo_ts.sim.cameras.depth import depth_in_metres
from robo_ts.sim.cameras.layout import Layout
from robo_ts.sim.cameras.rooms import make_room
from robo_ts.sim.cameras.skybox import bake_skybox, make_skybox
from robo_ts.sim.cameras.splats import SplatScene, load_ply, save_ply

__all__ = [
    "CameraConfig",
    "Cameras",
    "Layout",
    "PointCloudConfig",
    "Recolour",
    "SceneConfig",
    "SensorConfig",
    "SplatScene",
    "bake_skybox",
    "depth_in_metres",
    "load_ply",
    "make_room",
    "make_skybox",
    "save_ply",
]
