"""What :meth:`Cameras.read` gives, entry by entry, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robo_ts.sim.cameras.config import CameraConfig, PointCloudConfig
from robo_ts.sim.cameras.depth import levels


@dataclass(frozen=True)
class Layout:
    """One tensor of a world.

    Attributes:
        name: its key.
        shape: ``(channels, height, width)`` of an image, ``(3 * num_points,)`` of a point cloud.
        dtype: how it is stored.
        term: what its numbers are.
        unit: their unit; for depth in integers, how they mean metres.
        frame: the frame they are expressed in.
        deployable: whether the sensors of a real robot give it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    term: str
    unit: str
    frame: str
    deployable: bool


def image_layout(camera: CameraConfig, output: str) -> Layout:
    """The layout of one output of a camera."""
    dtype = camera.dtype if output == "depth" else "uint8"
    return Layout(
        name=camera.group(output),
        shape=(3 if output == "rgb" else 1, camera.height, camera.width),
        dtype=dtype,
        term={"depth": "depth", "rgb": "colour", "segmentation": "class"}[output],
        unit=_depth_unit(camera) if output == "depth" else "1",
        frame=camera.name,
        deployable=output != "segmentation" or camera.segmenter,
    )


def cloud_layout(cloud: PointCloudConfig) -> Layout:
    """The layout of a point cloud."""
    frame = cloud.cameras[0] if cloud.frame == "camera" else cloud.frame
    deployable = cloud.segmenter or not cloud.bodies
    return Layout(cloud.name, (3 * cloud.num_points,), "float32", "points", "m", frame, deployable)


def layouts(cameras: Sequence[CameraConfig], clouds: Sequence[PointCloudConfig]) -> list[Layout]:
    """All that is given, in order."""
    images = [image_layout(c, output) for c in cameras if c.emit for output in c.outputs]
    return [*images, *(cloud_layout(cloud) for cloud in clouds)]


def _depth_unit(camera: CameraConfig) -> str:
    top = levels(camera.dtype)
    if not top:
        return "m, 0 for no reading"
    return f"{camera.near:g} to {camera.far:g} m as 1 to {top}, 0 for no reading"
