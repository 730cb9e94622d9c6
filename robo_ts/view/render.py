"""Pictures of a stage: by OpenGL where there is one, else by mujoco_warp's ray tracer."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from robo_ts.errors import RoboTSError

if TYPE_CHECKING:
    from robo_ts.view.stage import Stage

RENDERERS = ("auto", "gl", "raytracer")


class Renderer(Protocol):
    """Draws the stage it was made for."""

    name: str

    def draw(self) -> np.ndarray:
        """The stage as it is set now, ``(height, width, 3)`` uint8."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def make_renderer(stage: Stage, size: tuple[int, int], kind: str = "auto") -> Renderer:
    """A renderer for a stage.

    Args:
        stage: what is drawn.
        size: width and height, px.
        kind: ``gl``, ``raytracer``, or ``auto`` for the first that works.

    Raises:
        RoboTSError: when OpenGL was asked for and there is none.
    """
    if kind == "raytracer":
        return RayTracer(stage, size)
    try:
        return OpenGL(stage, size)
    except RoboTSError:
        if kind == "gl":
            raise
        return RayTracer(stage, size)


class OpenGL:
    """MuJoCo's own renderer."""

    name = "gl"

    def __init__(self, stage: Stage, size: tuple[int, int]) -> None:
        import mujoco

        if sys.platform == "linux" and not (
            os.environ.get("MUJOCO_GL") or os.environ.get("DISPLAY")
        ):
            raise _no_gl("neither MUJOCO_GL nor a display")
        self._stage = stage
        try:
            self._renderer = mujoco.Renderer(
                stage.model, size[1], size[0], max_geom=2 * stage.model.ngeom + 100
            )
        except Exception as error:  # what a missing or broken OpenGL raises has no common base
            raise _no_gl(f"{type(error).__name__}: {error}") from error
        flags: Any = mujoco.mjtRndFlag
        for flag in (flags.mjRND_REFLECTION, flags.mjRND_SKYBOX, flags.mjRND_HAZE):
            self._renderer.scene.flags[flag] = 0

    def draw(self) -> np.ndarray:
        self._renderer.update_scene(self._stage.data, camera="eye")
        return self._renderer.render().copy()

    def close(self) -> None:
        self._renderer.close()


def _no_gl(got: str) -> RoboTSError:
    return RoboTSError(
        "off-screen OpenGL (EGL or OSMesa)",
        got,
        "apt-get install libegl1 libgl1-mesa-dri and set MUJOCO_GL=egl, or use "
        "--renderer raytracer",
    )


class RayTracer:
    """The ray tracer of mujoco_warp; it needs no OpenGL."""

    name = "raytracer"

    def __init__(self, stage: Stage, size: tuple[int, int]) -> None:
        import mujoco_warp as mjw
        import warp as wp

        wp.config.log_level = wp.LOG_WARNING
        self._stage, self._mjw, self._wp = stage, mjw, wp
        width, height = size
        device = "cuda:0" if wp.is_cuda_available() else "cpu"
        with wp.ScopedDevice(device):
            self._model = mjw.put_model(stage.model)
            self._data = mjw.put_data(stage.model, stage.data)
            self._context = mjw.create_render_context(
                stage.model,
                nworld=1,
                cam_res=(width, height),
                render_rgb=True,
                render_depth=False,
                use_textures=False,
                use_shadows=True,
            )
            self._image = wp.zeros((1, height, width), dtype=wp.vec3)
        self._device = device

    def draw(self) -> np.ndarray:
        mjw, stage = self._mjw, self._stage
        with self._wp.ScopedDevice(self._device):
            self._data.mocap_pos.assign(stage.data.mocap_pos[None].astype(np.float32))
            self._data.mocap_quat.assign(stage.data.mocap_quat[None].astype(np.float32))
            self._model.geom_rgba.assign(stage.model.geom_rgba[None].astype(np.float32))
            mjw.kinematics(self._model, self._data)
            mjw.camlight(self._model, self._data)
            mjw.refit_bvh(self._model, self._data, self._context)
            mjw.render(self._model, self._data, self._context)
            mjw.get_rgb(self._context, 0, self._image)
            rgb = self._image.numpy()[0]
        return (255.0 * rgb.clip(0.0, 1.0)).astype(np.uint8)

    def close(self) -> None: ...
