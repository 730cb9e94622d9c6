"""Cameras of every world: when they expose, what arrives, and how that becomes observations."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import mujoco
import numpy as np
import torch
import warp as wp
from torch import Tensor

from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim.api import BatchSim
from robo_ts.sim.cameras.bodies import class_labels
from robo_ts.sim.cameras.clouds import Clouds
from robo_ts.sim.cameras.config import CameraConfig, PointCloudConfig, SceneConfig, is_constant
from robo_ts.sim.cameras.depth import DTYPES
from robo_ts.sim.cameras.exposure import Rows, expose
from robo_ts.sim.cameras.frames import Frames
from robo_ts.sim.cameras.layout import layouts
from robo_ts.sim.cameras.looks import Looks
from robo_ts.sim.cameras.renderer import LENS, Renderer
from robo_ts.sim.cameras.sensors import Sensors, is_noisy, longest_delay
from robo_ts.sim.cameras.skybox import check_skybox
from robo_ts.sim.cameras.splats import SplatScene

_PREFIX = "cameras."


class Cameras:
    """Images and point clouds of all worlds of a simulation.

    A task calls three methods: :meth:`reset` where episodes start, :meth:`step` once per control
    step after the physics, and :meth:`read` where it observes. Worlds that were reset are drawn at
    the next :meth:`read`, and only they.

    The renderer is given qpos, the poses of mocap bodies, and the model fields that the simulation
    has per world, and does its own kinematics. So images show the present state, whatever the
    engine, and both engines give the same images.

    Args:
        sim: the worlds.
        cameras: what each camera gives; every camera of the model at most once.
        points: point clouds made from their depth.
        scene: how scenes are drawn and how looks vary.
        backgrounds: rooms of Gaussian splats; each world gets one of them at every reset. Depth
            sees them only where they let less than half a percent of the light through, so what
            depth has to see had better be geoms.
        skyboxes: cube maps ``(6 w, w, 3)`` uint8, see :mod:`robo_ts.sim.cameras.skybox`; as above.
        model: what is drawn instead of the simulation's model; it needs the same qpos and mocap
            bodies. Per-world fields of the simulation are taken over where their shapes agree.
        device: where images are drawn; ``auto`` is where the simulation is.

    Raises:
        RoboTSError: for cameras, bodies or sites the model does not have, and for settings that do
            not go together.

    Attributes:
        renderer: draws them.
        layouts: what :meth:`read` gives, entry by entry.
        background: index of each world's room, ``(num_envs,)`` long; zeros without rooms.
        skybox: index of each world's cube map, ``(num_envs,)`` long.
    """

    def __init__(
        self,
        sim: BatchSim,
        cameras: Sequence[CameraConfig],
        points: Sequence[PointCloudConfig] = (),
        scene: SceneConfig | None = None,
        backgrounds: Sequence[SplatScene] = (),
        skyboxes: Sequence[np.ndarray] = (),
        model: mujoco.MjModel | None = None,
        device: str = "auto",
    ) -> None:
        self.sim, self.cameras, self.num_envs = sim, list(cameras), sim.num_envs
        self.scene = scene or SceneConfig()
        self.device = sim.device if device == "auto" else torch.device(device)
        model = model if model is not None else sim.model
        _check_names(self.cameras)
        _check_model(sim.model, model)
        for pixels in skyboxes:
            check_skybox(pixels)
        self._rooms, self._skies = len(backgrounds), len(skyboxes)
        self._clouds = Clouds(model, points, self.cameras, self.device)
        self._looks = Looks(model, self.scene, self.num_envs, self.device)
        self._sensors = Sensors(self.cameras, self.num_envs, self.device)
        self.renderer = Renderer(
            model,
            self.num_envs,
            self._clouds.with_outputs(self.cameras),
            self.scene,
            self.device,
            [*self._looks.fields, *(f for f in sim.expanded if f in LENS)],
            backgrounds,
            skyboxes,
        )
        self._own: dict[str, Tensor] = {}
        self._labels = [self._table_of_labels(model, camera) for camera in self.cameras]
        self.layouts = layouts(self.cameras, points)
        self._frames = [self._make_frames(index) for index in range(len(self.cameras))]
        self._noisy = [is_noisy(camera.sensor) for camera in self.cameras]
        new = torch.zeros(self.num_envs, dtype=torch.long, device=self.device)
        self._all = torch.arange(self.num_envs, device=self.device)
        self._age, self.background, self.skybox = new, new.clone(), new.clone()
        self._fresh: list[Tensor] = [self._all]
        self._names: frozenset[str] | None = None
        self._awake = [True] * len(self.cameras)

    # -- the episode -------------------------------------------------------------------------------

    def reset(self, env_ids: Tensor, generator: torch.Generator) -> None:
        """New sensors, looks and rooms for the worlds ``env_ids (n,)``, whose episodes start.

        Their first frames are exposed at the next :meth:`read`. What is drawn depends on the
        generator's state and ``n`` only, and all noise of the episode follows from it.
        """
        ids = env_ids.to(self.device)
        self._sensors.draw(ids, generator)
        self._looks.draw(ids, generator)
        for count, kept in ((self._rooms, self.background), (self._skies, self.skybox)):
            if count:
                drawn = torch.randint(
                    count, (len(ids),), generator=generator, device=generator.device
                )
                kept[ids] = drawn.to(self.device)
        self._age[ids] = 0
        # Once for each world: a second exposure would be a waste.
        self._fresh = [kept[~torch.isin(kept, ids)] for kept in self._fresh]
        self._fresh.append(ids)

    def step(self) -> None:
        """A control step has passed: expose the frames that are due now."""
        self._flush()  # else a first frame would be lost
        self._age += 1
        for every in sorted({camera.every for camera in self.cameras}):
            active = [
                awake and camera.every == every
                for awake, camera in zip(self._awake, self.cameras, strict=True)
            ]
            if every == 1:
                self._expose(self._all, active)
            else:
                due = torch.nonzero(self._age % every == 0).flatten()
                self._expose(due, active)

    def narrow(self, names: Collection[str]) -> None:
        """Expose and read only what is named, among the names of :attr:`layouts`.

        Cameras that serve none of it rest; after a wider call they show again from the next frame
        or reset on.
        """
        self._names = frozenset(names)
        serving = {i for i, c in enumerate(self.cameras) if self._emitted(c)}
        for index, cloud in enumerate(self._clouds.clouds):
            if cloud.name in self._names:
                serving |= set(self._clouds.cameras_of(index))
        self._awake = [index in serving for index in range(len(self.cameras))]

    def read(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        """What has arrived by now, by group, for all worlds or the rows ``env_ids``; copies."""
        self._flush()
        ids = self._all if env_ids is None else env_ids.to(self.device)
        age = self._age[ids]
        found = {}
        for index, camera in enumerate(self.cameras):
            for output in self._emitted(camera):
                found[camera.group(output)] = self._arrived(index, output, ids, age)
        for index, cloud in enumerate(self._clouds.clouds):
            if self._names is None or cloud.name in self._names:
                found[cloud.name] = self._cloud(index, ids, age)
        return {name: value.to(self.sim.device) for name, value in found.items()}

    # -- what only the renderer knows --------------------------------------------------------------

    def expand(self, field: str) -> None:
        """Give a model field one value per world for the renderer alone, see :meth:`write`.

        Raises:
            RoboTSError: for a field that all worlds share or that decides nothing that is seen.
        """
        if field in self._own:
            return
        self.renderer.expand(field)
        value = self.renderer.default(field)
        self._own[field] = value.expand(self.num_envs, *value.shape).clone()

    def write(self, field: str, value: Tensor, env_ids: Tensor | None = None) -> None:
        """Set an expanded field of all worlds or of ``env_ids``; it is seen in the next frame."""
        if field not in self._own:
            raise RoboTSError(
                "a field that was expanded for the cameras",
                repr(field),
                did_you_mean(field, self._own) if self._own else "call cameras.expand(field) once",
            )
        own = self._own[field]
        rows = self._all if env_ids is None else env_ids.to(self.device)
        own[rows] = value.to(self.device, own.dtype).reshape(len(rows), *own.shape[1:])

    # -- persistence -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """All that decides what :meth:`read` gives from now on, but for the simulation's state."""
        self._flush()
        state = {"age": self._age, "background": self.background, "skybox": self.skybox}
        state |= {f"own.{name}": value for name, value in self._own.items()}
        state |= {f"sensor.{name}": value for name, value in self._sensors.state_dict().items()}
        state |= {f"looks.{name}": value for name, value in self._looks.state_dict().items()}
        for index, frames in enumerate(self._frames):
            state |= {f"frames.{index}.{name}": ring for name, ring in frames.rings.items()}
        return {_PREFIX + name: value for name, value in state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore :meth:`state_dict`; other names in ``state`` are left alone."""
        self._fresh = []
        for name, mine in self.state_dict().items():
            if name not in state:
                raise RoboTSError(
                    f"a saved state with {name!r}",
                    "none",
                    "resume with the cameras the run was begun with",
                )
            mine.copy_(state[name])

    def close(self) -> None:
        """Free the renderer's memory."""
        self.renderer.close()

    # -- internals ---------------------------------------------------------------------------------

    def _emitted(self, camera: CameraConfig) -> list[str]:
        """Outputs of a camera that are read."""
        outputs = camera.outputs if camera.emit else []
        return [o for o in outputs if self._names is None or camera.group(o) in self._names]

    def _flush(self) -> None:
        """Expose the first frames of the episodes that have started."""
        if self._fresh:
            ids = torch.cat(self._fresh) if len(self._fresh) > 1 else self._fresh[0]
            self._fresh = []
            self._expose(ids, self._awake)

    def _expose(self, ids: Tensor, active: Sequence[bool]) -> None:
        n = len(ids)
        if not n or not any(active):
            return
        renderer = self.renderer
        self._fill(ids)
        renderer.place(n)
        nominal = {
            index: _pose(renderer.field("cam_xpos"), renderer.field("cam_xmat"), camera, n)
            for index, camera in enumerate(renderer.camera_ids)
            if active[index]
        }
        self._clouds.remember(renderer, nominal, ids, self._age[ids], self._frames)
        self._mount(ids)
        self._looks.apply_lights(renderer.field("light_xpos"), renderer.field("light_xdir"), ids)
        if self._rooms:
            renderer.set_rooms(self.background[ids])
        if self._skies:
            renderer.set_skyboxes(self.skybox[ids])
        renderer.draw(active)
        for index in nominal:
            self._store(index, ids)

    def _fill(self, ids: Tensor) -> None:
        renderer, sim = self.renderer, self.sim
        whole = ids is self._all

        def rows(values: Tensor) -> Tensor:
            values = values.to(self.device)
            return values if whole else values[ids]

        renderer.fill("qpos", rows(sim.read("qpos")))
        if sim.model.nmocap:
            renderer.fill("mocap_pos", rows(sim.read("mocap_pos")))
            renderer.fill("mocap_quat", rows(sim.read("mocap_quat")))
        taken = self._taken_over()
        for field in renderer.per_world:
            if field in self._own:
                renderer.fill(field, rows(self._own[field]))
            elif field in taken:
                renderer.fill(field, rows(sim.read(field)))
            else:
                renderer.refill(field, len(ids))
            self._looks.apply_colours(field, renderer.field(field)[: len(ids)], ids)
        for index, camera in enumerate(self.cameras):
            if not is_constant(camera.sensor.fovy):
                fovy = renderer.field("cam_fovy")
                fovy[: len(ids), renderer.camera_ids[index]] += self._sensors.fovy[index][ids]

    def _taken_over(self) -> set[str]:
        """Fields the simulation has per world and the renderer wants; expanded when first seen."""
        found = set()
        for field in self.sim.expanded:
            if field in self.renderer.needed_fields and self._fits(field):
                found.add(field)
                self.renderer.expand(field)
        return found

    def _fits(self, field: str) -> bool:
        """Whether a field of the simulation's model has the shape of the renderer's."""
        ours, theirs = getattr(self.renderer.model, field), getattr(self.sim.model, field)
        return ours.shape == theirs.shape

    def _mount(self, ids: Tensor) -> None:
        """Move cameras by their mounting errors."""
        position, rotation = self.renderer.field("cam_xpos"), self.renderer.field("cam_xmat")
        n = len(ids)
        for index, camera in enumerate(self.cameras):
            sensor, where = camera.sensor, self.renderer.camera_ids[index]
            if not is_constant(sensor.position):
                error = self._sensors.position[index][ids]
                position[:n, where] += (rotation[:n, where] @ error[..., None])[..., 0]
            if not is_constant(sensor.rotation):
                turned = rotation[:n, where] @ self._sensors.rotation[index][ids]
                rotation[:n, where] = turned

    def _store(self, index: int, ids: Tensor) -> None:
        """Send a camera's raw pixels through its sensor into its frames."""
        camera, frames = self.cameras[index], self._frames[index]
        frame = self._age[ids] // camera.every
        rows = Rows(
            world=ids.int(),
            seed=self._sensors.seeds(index, ids, frame),
            place=frames.places(ids, frame).int(),
        )
        expose(
            self.renderer,
            self.renderer.shots[index],
            camera,
            self._sensors.table[index],
            self._noisy[index],
            self._labels[index],
            rows,
            frames,
        )

    def _arrived(self, index: int, output: str, ids: Tensor, age: Tensor) -> Tensor:
        delay = self._sensors.delay[index][ids]
        return self._frames[index].arrived(output, ids, age, delay)

    def _cloud(self, index: int, ids: Tensor, age: Tensor) -> Tensor:
        def arrived(camera: int, output: str) -> Tensor:
            return self._arrived(camera, output, ids, age)

        first = self._clouds.cameras_of(index)[0]
        frame = (age - self._sensors.delay[first][ids]).clamp_min(0) // self.cameras[first].every
        seed = self._sensors.seeds(len(self.cameras) + index, ids, frame)
        return self._clouds.read(index, arrived, seed)

    def _table_of_labels(self, model: mujoco.MjModel, camera: CameraConfig) -> dict[str, wp.array]:
        """Tables from geoms to labels, by the name of the frames they make."""
        tables = self._clouds.label_tables(model, camera)
        if "segmentation" in camera.outputs:
            tables["segmentation"] = class_labels(model, camera.classes)
        device = wp.device_from_torch(self.device)
        return {k: wp.array(v, dtype=wp.uint8, device=device) for k, v in tables.items()}

    def _make_frames(self, index: int) -> Frames:
        camera = self.cameras[index]
        size = (camera.height, camera.width)
        shapes: dict[str, tuple[tuple[int, ...], torch.dtype]] = {}
        for output in camera.outputs:
            dtype = DTYPES[camera.dtype] if output == "depth" else torch.uint8
            shapes[output] = ((3 if output == "rgb" else 1, *size), dtype)
        for output in self._labels[index]:
            shapes[output] = ((1, *size), torch.uint8)
        shapes |= self._clouds.extra_frames(index)
        delay = longest_delay(camera.sensor)
        return Frames(shapes, self.num_envs, camera.every, delay, self.device)


def _pose(position: Tensor, rotation: Tensor, camera: int, n: int) -> Tensor:
    """Poses ``(n, 3, 4)`` of a camera in the world: a copy."""
    return torch.cat([rotation[:n, camera], position[:n, camera, :, None]], dim=-1)


def _check_names(cameras: Sequence[CameraConfig]) -> None:
    names = [camera.name for camera in cameras]
    if not names or len(set(names)) < len(names):
        raise RoboTSError(
            "one or more cameras, each once",
            str(names),
            "give one CameraConfig per camera and name all its outputs there",
        )


def _check_model(simulated: mujoco.MjModel, drawn: mujoco.MjModel) -> None:
    ours, theirs = (drawn.nq, drawn.nmocap), (simulated.nq, simulated.nmocap)
    if ours != theirs:
        raise RoboTSError(
            f"a model to draw with nq, nmocap = {theirs} as in the simulation",
            str(ours),
            "build it from the simulation's MjSpec and change geoms only",
        )
