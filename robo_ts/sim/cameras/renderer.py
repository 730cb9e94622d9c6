"""The batch renderer of mujoco_warp behind a few calls: fill rows with worlds, draw, read."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp
from torch import Tensor

from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim.cameras.config import CameraConfig, SceneConfig, is_constant
from robo_ts.sim.cameras.kernels import group_roots
from robo_ts.sim.cameras.splats import SplatScene

wp.config.log_level = wp.LOG_WARNING  # no line per kernel module

# Model fields that decide what an image shows; the ones a simulation has per world are taken over.
VISIBLE = (
    "qpos0",
    *("body_pos", "body_quat", "jnt_pos", "jnt_axis"),
    *("geom_pos", "geom_quat", "geom_size", "geom_dataid", "geom_matid", "geom_rgba"),
    *("site_pos", "site_quat", "cam_pos", "cam_quat", "cam_fovy", "cam_intrinsic"),
    *("cam_pos0", "cam_poscom0", "cam_mat0", "light_pos0", "light_poscom0", "light_dir0"),
    *("light_pos", "light_dir", "light_active", "light_castshadow", "light_attenuation"),
    *("light_cutoff", "light_exponent", "light_ambient", "light_diffuse", "light_specular"),
    *("mat_rgba", "mat_texid", "mat_texrepeat", "mat_emission", "mat_specular", "mat_shininess"),
)
# What else moves cameras and lights that follow a centre of mass.
_MASSES = ("body_mass", "body_subtreemass", "body_ipos", "body_iquat")
# What rays follow from; where it varies they are computed anew for every pixel.
LENS = ("cam_fovy", "cam_intrinsic")
_FOLLOW_COM = (
    int(mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM),
    int(mujoco.mjtCamLight.mjCAMLIGHT_TARGETBODYCOM),
)


@dataclass(frozen=True)
class Shot:
    """Where one camera's raw pixels lie in the renderer's buffers, in pixels; -1 where absent."""

    width: int
    height: int
    depth: int
    rgb: int
    segmentation: int


class Renderer:
    """Up to ``rows`` worlds drawn at once; a row holds whichever world was last filled into it.

    Args:
        model: what is drawn.
        rows: how many worlds at most.
        cameras: the cameras, in the order of :attr:`shots`.
        scene: how it is drawn.
        device: where.
        per_world: model fields that differ between rows.
        splats: rooms around the scene.
        skyboxes: cube maps around the scene, ``(6 w, w, 3)`` uint8 each.

    Raises:
        RoboTSError: for a camera or a field the model does not have.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        rows: int,
        cameras: Sequence[CameraConfig],
        scene: SceneConfig,
        device: torch.device,
        per_world: Sequence[str] = (),
        splats: Sequence[SplatScene] = (),
        skyboxes: Sequence[np.ndarray] = (),
    ) -> None:
        wp.init()
        self.model, self.rows, self.device = copy.copy(model), rows, device
        _forget_physics(self.model)
        self.camera_ids = [camera_id(model, camera.name) for camera in cameras]
        self._reach(max(camera.far for camera in cameras))
        self._device = wp.device_from_torch(device)
        if any(not is_constant(camera.sensor.fovy) for camera in cameras):
            per_world = [*per_world, "cam_fovy"]
        self._fixed_rays = not set(per_world) & set(LENS)
        if not self._fixed_rays:
            _check_lens(self.model, cameras, self.camera_ids, scene)
        follows = np.isin(self.model.cam_mode, _FOLLOW_COM).any()
        self._needs_com = bool(follows or np.isin(self.model.light_mode, _FOLLOW_COM).any())
        self._views: dict[str, Tensor] = {}
        self._defaults: dict[str, Tensor] = {}
        self._drawn = False
        with self.on_device():
            self._model = mjw.put_model(self.model)
            # Kinematics leaves out geoms that are fixed to the world, but where they are may differ
            # between worlds as well.
            welds = np.ones(self.model.nbody, np.int32)
            self._model.body_weldid = wp.array(welds, dtype=int)
            self._data = mjw.make_data(self.model, nworld=rows, nconmax=1, njmax=1)
            self._context = self._make_context(cameras, scene, splats)
            for name in dict.fromkeys(per_world):
                self.expand(name)
            self._add_rooms(splats)
            self._add_skyboxes(skyboxes)
            self._switches = _Switches(self._context, self._device)
        self.shots = _shots(cameras, self._context)

    # -- filling rows ------------------------------------------------------------------------------

    @property
    def needed_fields(self) -> tuple[str, ...]:
        """Model fields whose values matter to what is drawn."""
        return (*VISIBLE, *_MASSES) if self._needs_com else VISIBLE

    def expand(self, field: str) -> None:
        """Give a model field one value per row.

        Raises:
            RoboTSError: for a field that all worlds share.
        """
        if field in self._defaults:
            return
        array = getattr(self._model, field, None)
        if field not in self.needed_fields or not isinstance(array, wp.array):
            raise RoboTSError(
                "a field of the model that decides what is seen and may differ between worlds",
                repr(field),
                did_you_mean(field, self.needed_fields),
            )
        if field in LENS and self._fixed_rays:
            raise RoboTSError(
                f"{field} per world from the beginning, because rays are computed once",
                "it became so later",
                "expand it in the simulation before the cameras are made, or use sensor.fovy",
            )
        with wp.ScopedDevice(self._device):
            repeated = np.repeat(array.numpy()[:1], self.rows, axis=0)
            setattr(self._model, field, wp.array(repeated, dtype=array.dtype))
        view = self._views[field] = wp.to_torch(getattr(self._model, field), requires_grad=False)
        self._defaults[field] = view[0].clone()

    @property
    def per_world(self) -> tuple[str, ...]:
        """Model fields that have one value per row."""
        return tuple(self._defaults)

    def fill(self, field: str, values: Tensor) -> None:
        """Write ``values (n, ...)`` of a per-world model field or a pose into the first n rows."""
        view = self._view(field)
        view[: len(values)].copy_(values.reshape(len(values), *view.shape[1:]))

    def field(self, field: str) -> Tensor:
        """All rows of a per-world model field, a pose, or what kinematics made of it."""
        return self._view(field)

    def default(self, field: str) -> Tensor:
        """The model's own value of a per-world field, without a leading dimension of rows."""
        return self._defaults[field]

    def refill(self, field: str, count: int) -> None:
        """Give the first ``count`` rows of a per-world field the model's own value."""
        self._view(field)[:count] = self._defaults[field]

    # -- drawing -----------------------------------------------------------------------------------

    def place(self, count: int) -> None:
        """Kinematics of the first ``count`` rows: poses of geoms, cameras, lights, sites."""
        self._data.nworld = count
        with self.on_device():
            mjw.kinematics(self._model, self._data)
            if self._needs_com:
                mjw.com_pos(self._model, self._data)
            mjw.camlight(self._model, self._data)

    def draw(self, active: Sequence[bool]) -> None:
        """Draw the rows that :meth:`place` placed, with those cameras that are ``active``."""
        with self.on_device():
            mjw.refit_bvh(self._model, self._data, self._context)
            if not self._drawn:
                self._rebuild()
                self._drawn = True
            self._switches.set(self._context, tuple(active))
            mjw.render(self._model, self._data, self._context)

    @property
    def depth(self) -> wp.array:
        """Planar depth of all cameras, ``(rows, pixels)`` m, 0 where nothing was hit."""
        return self._context.depth_data

    @property
    def rgb(self) -> wp.array:
        """Packed colours of all cameras, ``(rows, pixels)`` uint32, 0xAARRGGBB."""
        return self._context.rgb_data

    @property
    def segmentation(self) -> wp.array:
        """``(geom id, object type)`` of all cameras, ``(rows, pixels)``; (-1, -1) for nothing."""
        return self._context.seg_data

    @property
    def raw(self) -> tuple[mjw.Model, mjw.Data, mjw.RenderContext]:
        """What mujoco_warp's own functions take, for measurements."""
        return self._model, self._data, self._context

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Warp works on our device, and on CUDA in torch's stream."""
        with wp.ScopedDevice(self._device):
            if not self._device.is_cuda:
                yield
                return
            stream = wp.stream_from_torch(torch.cuda.current_stream(self.device))
            with wp.ScopedStream(stream):
                yield

    def close(self) -> None:
        """Free the renderer's memory."""
        self._views.clear()
        for name in ("_context", "_data", "_model"):
            self.__dict__.pop(name, None)

    # -- rooms -------------------------------------------------------------------------------------

    def set_rooms(self, rooms: Tensor) -> None:
        """Put the rooms ``rooms (n,)`` around the first n rows."""
        self._room_of_row[: len(rooms)] = self._room_roots[rooms]

    def set_skyboxes(self, skyboxes: Tensor) -> None:
        """Put the cube maps ``skyboxes (n,)`` around the first n rows."""
        self._skybox_of_row[: len(skyboxes)] = (self._first_skybox + skyboxes).int()
        self._skybox_width_of_row[: len(skyboxes)] = self._skybox_widths[skyboxes]

    # -- internals ---------------------------------------------------------------------------------

    def _view(self, field: str) -> Tensor:
        view = self._views.get(field)
        if view is None:
            array = getattr(self._data, field)
            view = self._views[field] = wp.to_torch(array, requires_grad=False)
        return view

    def _reach(self, far: float) -> None:
        """Let rays go at least ``far`` m: the model may be smaller than what surrounds it."""
        extent = float(self.model.stat.extent)
        self.model.vis.map.zfar = max(float(self.model.vis.map.zfar), 1.01 * far / extent)

    def _make_context(
        self,
        cameras: Sequence[CameraConfig],
        scene: SceneConfig,
        splats: Sequence[SplatScene],
    ) -> mjw.RenderContext:
        joined = SplatScene.joined(splats) if splats else None
        return mjw.create_render_context(
            self.model,
            self.rows,
            cam_res=[(camera.width, camera.height) for camera in cameras],
            render_rgb=["rgb" in camera.outputs for camera in cameras],
            render_depth=["depth" in camera.outputs for camera in cameras],
            render_seg=["segmentation" in camera.outputs for camera in cameras],
            use_textures=scene.textures and self.model.ntex > 0,
            use_shadows=scene.shadows,
            enabled_geom_groups=list(scene.geom_groups),
            cam_active=self.camera_ids,
            background_color=(*scene.background, 1.0),  # type: ignore[arg-type]
            use_precomputed_rays=self._fixed_rays,
            samples_per_pixel=scene.samples if any("rgb" in c.outputs for c in cameras) else 1,
            splat_position=joined.position if joined else None,
            splat_rotation=joined.rotation if joined else None,
            splat_scale=joined.scale if joined else None,
            splat_rgba=joined.rgba if joined else None,
            splat_adr=_offsets(splats) if joined else None,
        )

    def _rebuild(self) -> None:
        """Order the scene's tree by where things are now, not by where they are in ``qpos0``."""
        context = self._context
        context.bvh = wp.Bvh(context.lower, context.upper, groups=context.group, constructor="sah")
        context.bvh_id = context.bvh.id
        wp.launch(group_roots, dim=self.rows, inputs=[context.bvh_id], outputs=[context.group_root])

    def _add_rooms(self, splats: Sequence[SplatScene]) -> None:
        if not splats:
            return
        roots = wp.empty(len(splats), dtype=int)
        wp.launch(
            group_roots, dim=len(splats), inputs=[self._context.splat_bvh_id], outputs=[roots]
        )
        self._room_roots = wp.to_torch(roots)
        self._room_of_row = wp.to_torch(self._context.splat_group_root)

    def _add_skyboxes(self, skyboxes: Sequence[np.ndarray]) -> None:
        if not skyboxes:
            return
        context = self._context
        self._first_skybox = len(context.textures_registry)
        for pixels in skyboxes:
            opaque = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255, np.uint8)], 2)
            texels = wp.array(np.ascontiguousarray(opaque, np.float32) / 255.0, dtype=float)
            texture = wp.Texture2D(texels, filter_mode=wp.TextureFilterMode.LINEAR)
            context.textures_registry.append(texture)
        context.textures = wp.array(context.textures_registry, dtype=wp.Texture2D)
        context.render_skybox = True
        context.skybox_tex_id = wp.full(self.rows, self._first_skybox, dtype=int)
        context.skybox_face_width = wp.full(self.rows, skyboxes[0].shape[1], dtype=int)
        self._skybox_of_row = wp.to_torch(context.skybox_tex_id)
        self._skybox_width_of_row = wp.to_torch(context.skybox_face_width)
        widths = [pixels.shape[1] for pixels in skyboxes]
        self._skybox_widths = torch.tensor(widths, dtype=torch.int32, device=self.device)


class _Switches:
    """Which cameras the next drawing serves; the renderer looks at three flags per camera."""

    def __init__(self, context: mjw.RenderContext, device: wp.Device) -> None:
        self._full = [getattr(context, name).numpy() for name in _FLAGS]
        self._device = device
        self._made: dict[tuple[bool, ...], list[wp.array]] = {}

    def set(self, context: mjw.RenderContext, active: tuple[bool, ...]) -> None:
        if active not in self._made:
            flags = [full & np.array(active) for full in self._full]
            self._made[active] = [wp.array(f, dtype=bool, device=self._device) for f in flags]
        for name, array in zip(_FLAGS, self._made[active], strict=True):
            setattr(context, name, array)


_FLAGS = ("render_rgb", "render_depth", "render_seg")


def camera_id(model: mujoco.MjModel, name: str) -> int:
    """Id of a camera of the model.

    Raises:
        RoboTSError: when there is none of that name.
    """
    found = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, name)
    if found < 0:
        names = [model.camera(i).name for i in range(model.ncam)]
        fix = did_you_mean(name, names) if names else "add a camera to the model (MjSpec)"
        raise RoboTSError("the name of a camera of the model", repr(name), fix)
    return found


def _forget_physics(model: mujoco.MjModel) -> None:
    """Options of the CPU engine that mujoco_warp refuses decide nothing that is seen."""
    model.opt.disableflags = model.opt.enableflags = model.opt.noslip_iterations = 0
    model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER


def _check_lens(
    model: mujoco.MjModel, cameras: Sequence[CameraConfig], ids: Sequence[int], scene: SceneConfig
) -> None:
    """Raise unless cameras whose lens varies are given in a way that can vary."""
    for camera, index in zip(cameras, ids, strict=True):
        if not is_constant(camera.sensor.fovy) and model.cam_sensorsize[index, 1] > 0:
            raise RoboTSError(
                "a camera given by its fovy, where fovy varies",
                f"{camera.name!r}, given by sensorsize and focal length",
                "give it a fovy in the model, or leave sensor.fovy at 0",
            )
    if scene.samples > 1:
        raise RoboTSError(
            "scene.samples of 1 where a camera's fovy varies",
            str(scene.samples),
            "leave fovy alone or take one ray per pixel",
        )


def _shots(cameras: Sequence[CameraConfig], context: mjw.RenderContext) -> list[Shot]:
    places = [getattr(context, name).numpy() for name in ("depth_adr", "rgb_adr", "seg_adr")]
    return [
        Shot(camera.width, camera.height, *(int(place[index]) for place in places))
        for index, camera in enumerate(cameras)
    ]


def _offsets(splats: Sequence[SplatScene]) -> np.ndarray:
    return np.cumsum([0, *(len(scene) for scene in splats)]).astype(np.int32)
