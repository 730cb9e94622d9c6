"""Images and point clouds for every world, with what sensors do to them and rooms around them."""

from robo_ts.sim.cameras.config import (
    CameraConfig,
    PointCloudConfig,
    Recolour,
    SceneConfig,
    SensorConfig,
)

__all__ = ["CameraConfig", "PointCloudConfig", "Recolour", "SceneConfig", "SensorConfig"]
