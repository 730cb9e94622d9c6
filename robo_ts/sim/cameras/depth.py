"""Depth as it is stored and in metres."""

from __future__ import annotations

import torch
from torch import Tensor

from robo_ts.sim.cameras.config import CameraConfig

DTYPES = {
    "uint8": torch.uint8,
    "uint16": torch.uint16,
    "float16": torch.float16,
    "float32": torch.float32,
}


def levels(dtype: str) -> int:
    """The greatest number an integer depth image holds; 0 for images in metres."""
    return {"uint8": 255, "uint16": 65535}.get(dtype, 0)


def depth_in_metres(images: Tensor, camera: CameraConfig) -> Tensor:
    """Stored depth of a camera, of any shape, as float32 metres; 0 for holes."""
    number = images.to(torch.float32)
    top = levels(camera.dtype)
    if not top:
        return number
    metres = camera.near + (number - 1.0) * ((camera.far - camera.near) / (top - 1))
    return torch.where(number > 0.0, metres, 0.0)


def rays(camera: CameraConfig, fovy: float, sensor: list[float], focal: list[float]) -> Tensor:
    """Points at depth one that a camera's pixels look at, ``(height * width, 3)``, in its frame.

    A camera looks along -z, x is to the right and y up, so multiplying by depth gives points.

    Args:
        camera: its image size.
        fovy: vertical field of view, degrees; used unless there is a sensor size.
        sensor: width and height of the sensor, m; zero for a camera given by fovy.
        focal: fx, fy, cx, cy of such a sensor, m (the principal point's offset from the middle).
    """
    width, height = camera.width, camera.height
    u = (torch.arange(width) + 0.5) / width
    v = (torch.arange(height) + 0.5) / height
    if sensor[1] > 0.0:
        wide, high = sensor
        aspect = width / height
        # A picture of another shape shows the part of the sensor that fits.
        wide, high = (wide, wide / aspect) if aspect > wide / high else (high * aspect, high)
        fx, fy, cx, cy = focal
        x, y = ((u - 0.5) * wide + cx) / fx, ((0.5 - v) * high - cy) / fy
    else:
        half = torch.tan(torch.deg2rad(torch.tensor(0.5 * fovy)))
        x, y = (2.0 * u - 1.0) * half * width / height, (1.0 - 2.0 * v) * half
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x, grid_y, -torch.ones_like(grid_x)], dim=-1).flatten(0, 1)
