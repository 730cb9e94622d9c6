"""From the renderer's raw pixels through a camera's sensor into its frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import mujoco
import torch
import warp as wp
from torch import Tensor

from robo_ts.sim.cameras.config import CameraConfig
from robo_ts.sim.cameras.depth import levels
from robo_ts.sim.cameras.frames import Frames
from robo_ts.sim.cameras.kernels import expose_depth, expose_labels, expose_rgb
from robo_ts.sim.cameras.renderer import Renderer, Shot

_GEOM = int(mujoco.mjtObj.mjOBJ_GEOM)


class Rows(NamedTuple):
    """What the renderer's first n rows are, ``(n,)`` int32 each.

    Attributes:
        world: which world is drawn there.
        seed: of the noise of the frame.
        place: where among all frames it goes, see :meth:`Frames.places`.
    """

    world: Tensor
    seed: Tensor
    place: Tensor


def expose(
    renderer: Renderer,
    shot: Shot,
    camera: CameraConfig,
    sensor: Tensor,
    noisy: bool,
    labels: Mapping[str, wp.array],
    rows: Rows,
    frames: Frames,
) -> None:
    """Fill the frames of one camera.

    Args:
        renderer: has drawn.
        shot: where the camera's pixels lie.
        camera: its settings.
        sensor: the worlds' sensor parameters, ``(num_envs, kernels.COLUMNS)``.
        noisy: whether any of them changes a pixel.
        labels: tables from geoms to labels, by the name of the frames they fill.
        rows: what was drawn.
        frames: where it goes.
    """
    width, height = shot.width, shot.height
    span = 1 if renderer.device.type == "cuda" else width
    dim = (len(rows.world), width * height // span)
    world, seed, place = (wp.from_torch(part) for part in rows)
    table = wp.from_torch(sensor)
    with renderer.on_device():
        if shot.depth >= 0:
            limits = [camera.near, camera.far, float(levels(camera.dtype))]
            settings = [shot.depth, width, height, span, *limits, camera.outside == "hole", noisy]
            wp.launch(
                expose_depth,
                dim,
                [renderer.depth, *settings, world, seed, table, place],
                [_as_warp(frames.flat("depth"))],
            )
        if shot.rgb >= 0:
            settings = [shot.rgb, width, height, span, noisy]
            wp.launch(
                expose_rgb,
                dim,
                [renderer.rgb, *settings, world, seed, table, place],
                [_as_warp(frames.flat("rgb"))],
            )
        for output, label in labels.items():
            settings = [shot.segmentation, span, label, _GEOM]
            wp.launch(
                expose_labels,
                dim,
                [renderer.segmentation, *settings, world, table, place],
                [_as_warp(frames.flat(output))],
            )


def _as_warp(frames: Tensor) -> wp.array:
    """Frames ``(rows, ...)`` as ``(rows, pixels)`` for kernels to write into."""
    flat = frames.flatten(1)
    if flat.dtype == torch.uint16:
        return wp.from_torch(flat.view(torch.int16), dtype=wp.uint16)
    return wp.from_torch(flat)
