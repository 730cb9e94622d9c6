"""Point clouds as part of cameras: what they need exposed, remembered and read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim.cameras.bodies import class_labels
from robo_ts.sim.cameras.config import CameraConfig, PointCloudConfig
from robo_ts.sim.cameras.depth import depth_in_metres, rays
from robo_ts.sim.cameras.frames import Frames
from robo_ts.sim.cameras.points import compose, inverse, pick, uniform, unproject

if TYPE_CHECKING:
    from robo_ts.sim.cameras.renderer import Renderer

_FRAMES = ("world", "camera")


class Clouds:
    """All point clouds of a set of cameras.

    Args:
        model: what is drawn.
        clouds: what is wanted.
        cameras: the cameras they are made from.
        device: where.

    Raises:
        RoboTSError: for cameras without depth, and for frames and bodies the model does not have.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        clouds: Sequence[PointCloudConfig],
        cameras: Sequence[CameraConfig],
        device: torch.device,
    ) -> None:
        self.clouds, self._cameras = list(clouds), list(cameras)
        names = [camera.name for camera in cameras]
        self._used = [[_index(name, names, cameras) for name in c.cameras] for c in self.clouds]
        self._frame_of = [_frame(model, cloud.frame) for cloud in self.clouds]
        self._rays = {
            index: _rays(model, cameras[index]).to(device)
            for index in {i for used in self._used for i in used}
        }
        self._boxes = [_box(cloud, device) for cloud in self.clouds]

    def __len__(self) -> int:
        return len(self.clouds)

    def cameras_of(self, index: int) -> list[int]:
        """Indices of the cameras a cloud is made from."""
        return self._used[index]

    def with_outputs(self, cameras: Sequence[CameraConfig]) -> list[CameraConfig]:
        """The cameras, with segmentation where a cloud needs to know the bodies."""
        segmented = {i for i, c in zip(self._used, self.clouds, strict=True) if c.bodies for i in i}
        return [
            _with_segmentation(camera) if index in segmented else camera
            for index, camera in enumerate(cameras)
        ]

    def label_tables(self, model: mujoco.MjModel, camera: CameraConfig) -> dict[str, np.ndarray]:
        """Label of every geom (1 for kept, 0 for not) by name of the frames of a camera."""
        return {
            _mask(index): class_labels(model, {"kept": cloud.bodies})
            for index, cloud in enumerate(self.clouds)
            if cloud.bodies and camera.name in cloud.cameras
        }

    def extra_frames(self, camera: int) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Shape and dtype of the poses that go with a camera's frames."""
        used = [index for index, cameras in enumerate(self._used) if camera in cameras]
        return {_pose(index): ((3, 4), torch.float32) for index in used}

    def remember(
        self,
        renderer: Renderer,
        nominal: Mapping[int, Tensor],
        ids: Tensor,
        age: Tensor,
        frames: Sequence[Frames],
    ) -> None:
        """Keep, with the frames now exposed, where the cameras are in the clouds' frames.

        Args:
            renderer: after kinematics; row r is the world ``ids[r]``.
            nominal: poses of the exposing cameras in the world, ``(n, 3, 4)`` each.
            ids: the worlds, ``(n,)``.
            age: their control steps since the episode's start.
            frames: of all cameras.
        """
        for index, used in enumerate(self._used):
            for camera in used:
                if camera not in nominal:
                    continue
                pose = self._relative(index, camera, renderer, nominal)
                every = self._cameras[camera].every
                place = frames[camera].places(ids, age // every)
                frames[camera].flat(_pose(index))[place] = pose

    def read(self, index: int, arrived: Callable[[int, str], Tensor], seed: Tensor) -> Tensor:
        """A cloud's points, ``(n, 3 * num_points)`` float32 m.

        Args:
            index: which cloud.
            arrived: gives the newest frames of ``(camera, output)``.
            seed: of the choice among points, ``(n,)``.
        """
        cloud = self.clouds[index]
        points, valid = [], []
        for camera in self._used[index]:
            config = self._cameras[camera]
            depth = depth_in_metres(arrived(camera, "depth").flatten(1), config)
            seen = (depth > 0.0) & (depth < 0.9999 * config.far)
            if cloud.bodies:
                seen &= arrived(camera, _mask(index)).flatten(1) > 0
            pose = arrived(camera, _pose(index))
            found = unproject(depth, self._rays[camera], pose)
            box = self._boxes[index]
            if box is not None:
                seen &= ((found >= box[0]) & (found <= box[1])).all(dim=-1)
            points.append(found)
            valid.append(seen)
        draws = uniform(seed, cloud.num_points)
        chosen = pick(torch.cat(points, 1), torch.cat(valid, 1), cloud.num_points, draws)
        return chosen.flatten(1)

    def _relative(
        self, index: int, camera: int, renderer: Renderer, nominal: Mapping[int, Tensor]
    ) -> Tensor:
        frame, pose = self.clouds[index].frame, nominal[camera]
        if frame == "world":
            return pose
        if frame == "camera":
            first = self._used[index][0]
            return compose(inverse(nominal[first]), pose)
        kind, where = self._frame_of[index]
        position = renderer.field(f"{kind}xpos")[: len(pose), where, :, None]
        rotation = renderer.field(f"{kind}xmat")[: len(pose), where]
        return compose(inverse(torch.cat([rotation, position], dim=-1)), pose)


def _mask(index: int) -> str:
    return f"mask.{index}"


def _pose(index: int) -> str:
    return f"pose.{index}"


def _with_segmentation(camera: CameraConfig) -> CameraConfig:
    if "segmentation" in camera.outputs:
        return camera
    needless = {"kept": []}  # the clouds bring tables of their own
    return dataclasses.replace(
        camera, outputs=[*camera.outputs, "segmentation"], classes=camera.classes or needless
    )


def _index(name: str, names: Sequence[str], cameras: Sequence[CameraConfig]) -> int:
    if name not in names:
        raise RoboTSError(
            "a point cloud's camera among those given", repr(name), did_you_mean(name, names)
        )
    index = names.index(name)
    if "depth" not in cameras[index].outputs:
        raise RoboTSError(
            f"depth among the outputs of camera {name!r}, from which points are made",
            str(cameras[index].outputs),
            "add 'depth', with emit=False where the image itself is not wanted",
        )
    return index


def _frame(model: mujoco.MjModel, name: str) -> tuple[str, int]:
    """Prefix of the pose's fields and the id of a site or a body."""
    if name in _FRAMES:
        return "", 0
    for prefix, kind in (("site_", mujoco.mjtObj.mjOBJ_SITE), ("", mujoco.mjtObj.mjOBJ_BODY)):
        found = mujoco.mj_name2id(model, kind, name)
        if found >= 0:
            return prefix, found
    names = [model.site(i).name for i in range(model.nsite)]
    names += [model.body(i).name for i in range(model.nbody)]
    raise RoboTSError(
        "world, camera, or a site or body of the model",
        repr(name),
        did_you_mean(name, [*_FRAMES, *filter(None, names)]),
    )


def _rays(model: mujoco.MjModel, camera: CameraConfig) -> Tensor:
    where = model.camera(camera.name).id
    sensor, focal = model.cam_sensorsize[where].tolist(), model.cam_intrinsic[where].tolist()
    return rays(camera, float(model.cam_fovy[where]), sensor, focal)


def _box(cloud: PointCloudConfig, device: torch.device) -> tuple[Tensor, Tensor] | None:
    if not cloud.low:
        return None
    return torch.tensor(cloud.low, device=device), torch.tensor(cloud.high, device=device)
