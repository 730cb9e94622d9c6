"""One MuJoCo model of everything a video shows, so that any renderer can draw it.

Bodies of all worlds become mocap bodies at their cells; floor, tiles, paths and a camera are added.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from robo_ts.sim.variants import variant_slots
from robo_ts.view.clip import Clip, Moment
from robo_ts.view.layout import VIEWPOINT, colour_of, fitting_distance
from robo_ts.view.poses import Poses
from robo_ts.view.shapes import mesh_of, shown_pieces
from robo_ts.view.snapshot import FAILED, SUCCEEDED

_SHOWN_GROUPS = 3
_DOTS = 16
# Frames between two dots of a path.
_DOT_EVERY = 2
_GOOD, _BAD = np.array([0.72, 0.90, 0.76, 1.0]), np.array([0.97, 0.78, 0.76, 1.0])
_FOVY = 38.0
_PLANE = int(mujoco.mjtGeom.mjGEOM_PLANE)
_MESH = int(mujoco.mjtGeom.mjGEOM_MESH)
# What the stage can copy; height fields and signed distance fields are left out.
_COPIED = {
    int(kind)
    for kind in (
        mujoco.mjtGeom.mjGEOM_SPHERE,
        mujoco.mjtGeom.mjGEOM_CAPSULE,
        mujoco.mjtGeom.mjGEOM_ELLIPSOID,
        mujoco.mjtGeom.mjGEOM_CYLINDER,
        mujoco.mjtGeom.mjGEOM_BOX,
        mujoco.mjtGeom.mjGEOM_MESH,
    )
}


@dataclass(frozen=True)
class Camera:
    """Where a video is seen from.

    Attributes:
        world: a world to look at closely; all of them when None.
        size: width and height of the picture, px.
    """

    world: int | None = None
    size: tuple[int, int] = (1280, 720)


class Stage:
    """The model of a clip and its pose at any moment.

    Args:
        clip: what is shown; its first moment decides how large bodies are and what they look like.
        camera: from where.
    """

    def __init__(self, clip: Clip, camera: Camera) -> None:
        self._clip, self._camera = clip, camera
        lanes, num = clip.grid.offsets.shape[:2]
        self._poses = [Poses(clip.model, num) for _ in range(lanes)]
        self._marks = clip.moments[0].states[0]["markers"].shape[1]
        self._path: deque[np.ndarray] = deque(maxlen=_DOTS * _DOT_EVERY)
        self._scale = scale = _scale(clip.moments[0])
        self._shapes = [state["shapes"] for state in clip.moments[0].states]
        self._plan: list[tuple[int, int, int]] = []
        self.model = self._build(scale)
        self.data = mujoco.MjData(self.model)
        self._which = np.array(self._plan).T
        self._tile_ids = [
            self.model.geom(f"tile_{lane}_{world}").id
            for lane in range(lanes)
            for world in range(num)
        ]
        self._tile_rgba = self.model.geom_rgba[self._tile_ids].copy()

    def which(self, lane: int, world: int, body: int) -> int:
        """The mocap body that stands for a body of a world."""
        return self._plan.index((lane, world, body))

    def fits(self, moment: Moment) -> bool:
        """Whether bodies are as large, and look, as they were built."""
        same = zip(moment.states, self._shapes, strict=True)
        return np.array_equal(_scale(moment), self._scale) and all(
            np.array_equal(state["shapes"], built) for state, built in same
        )

    def set(self, moment: Moment) -> None:
        """Put everything where it was."""
        placed, turned = self._placed(moment)
        lane, world, body = self._which
        count = len(lane)
        self.data.mocap_pos[:count] = placed[lane, world, body]
        self.data.mocap_quat[:count] = turned[lane, world, body]
        marks = np.stack([state["markers"] for state in moment.states])
        marks = (marks + self._clip.grid.offsets[:, :, None]).reshape(-1, 3)
        self.data.mocap_pos[count : count + len(marks)] = marks
        self._set_path(placed[:, :, self._clip.root].reshape(-1, 3), count + len(marks))
        self._set_camera(placed)
        rgba = self._tile_rgba.copy()
        ended = moment.ended.reshape(-1)
        rgba[ended == SUCCEEDED], rgba[ended == FAILED] = _GOOD, _BAD
        self.model.geom_rgba[self._tile_ids] = rgba
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    # -- internals ---------------------------------------------------------------------------------

    def _placed(self, moment: Moment) -> tuple[np.ndarray, np.ndarray]:
        found = [p.place(s) for p, s in zip(self._poses, moment.states, strict=True)]
        positions = np.stack([one[0] for one in found]) + self._clip.grid.offsets[:, :, None]
        return positions, np.stack([one[1] for one in found])

    def _set_path(self, now: np.ndarray, first: int) -> None:
        if self._path and np.abs(now - self._path[-1]).max() > 0.5 * min(self._clip.grid.cell):
            self._path.clear()
        self._path.append(now)
        dots = list(self._path)[::-_DOT_EVERY]
        dots += [dots[-1]] * (_DOTS - len(dots))
        self.data.mocap_pos[first : first + _DOTS * len(now)] = np.concatenate(dots)

    def _set_camera(self, placed: np.ndarray) -> None:
        grid, (width, height) = self._clip.grid, self._camera.size
        corners, world = grid.corners, self._camera.world
        target = corners.mean(axis=0)
        if world is not None:
            target = placed[:, world, self._clip.root].mean(axis=0)
            apart = np.ptp(grid.middle[:, world, 0])
            reach = 0.5 * np.array([0.75 * grid.cell[0] + apart, *(2 * [0.6 * grid.cell[1]])])
            corners = target + np.array([[-1, -1, -1], [1, 1, 1], [-1, 1, 1], [1, -1, -1]]) * reach
        distance = fitting_distance(corners, target, _FOVY, width / height)
        eye = target + distance * VIEWPOINT
        self.data.mocap_pos[-1], self.data.mocap_quat[-1] = eye, _looking(eye, target)

    def _build(self, scale: np.ndarray) -> mujoco.MjModel:
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        self._dress(spec)
        model = self._clip.model
        looks = _looks(model)
        lanes, num = self._clip.grid.offsets.shape[:2]
        own = {
            (lane, world): _shape_looks(model, self._shapes[lane][world])
            for lane in range(lanes)
            for world in range(num)
        }
        meshes = _add_meshes(spec, model, [looks, *own.values()])
        for lane in range(lanes):
            for world in range(num):
                for body, geoms in [*looks.items(), *own[lane, world].items()]:
                    mocap = spec.worldbody.add_body(mocap=True)
                    for look in geoms:
                        _add_look(mocap, look, float(scale[lane, world]), meshes)
                    self._plan.append((lane, world, body))
        self._add_marks(spec, lanes * num)
        eye = spec.worldbody.add_body(mocap=True)
        eye.add_camera(name="eye", fovy=_FOVY)
        return spec.compile()

    def _dress(self, spec: mujoco.MjSpec) -> None:
        """Light, floor and one tile per world."""
        grid, clip = self._clip.grid, self._clip
        spec.visual.global_.offwidth, spec.visual.global_.offheight = self._camera.size
        spec.visual.quality.shadowsize, spec.visual.quality.offsamples = 2048, 4
        # Software OpenGL spends its time on vertices.
        spec.visual.quality.numslices, spec.visual.quality.numstacks = 14, 7
        spec.visual.headlight.ambient = [0.52] * 3
        spec.visual.headlight.diffuse = [0.22] * 3
        spec.visual.headlight.specular = [0.05] * 3
        spec.visual.map.znear, spec.visual.map.zfar = 0.005, 60.0
        spec.visual.map.shadowclip = 2.0
        wide, deep = grid.size
        reach = max(wide, deep)
        spec.stat.extent, spec.stat.center = reach, grid.centre
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=grid.centre + reach * np.array([-0.15, -0.2, 1.0]),
            dir=[0.15, 0.2, -1.0],
            diffuse=[0.36] * 3,
            specular=[0.1] * 3,
            castshadow=True,
        )
        thick = 0.01 * min(grid.cell)
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            size=[20.0 * reach, 20.0 * reach, 1.0],
            pos=[0.0, 0.0, grid.floor - 2.2 * thick],
            rgba=[0.93, 0.94, 0.96, 1.0],
        )
        for lane, player in enumerate(clip.players):
            colour = np.array(colour_of(player, lane)) / 255.0
            for world, middle in enumerate(grid.middle[lane]):
                spec.worldbody.add_geom(
                    name=f"tile_{lane}_{world}",
                    type=mujoco.mjtGeom.mjGEOM_BOX,
                    size=[0.47 * grid.cell[0], 0.47 * grid.cell[1], thick],
                    pos=middle - [0.0, 0.0, thick],
                    rgba=[*(1.0 - 0.22 * (1.0 - colour)), 1.0],
                )
                if clip.ground is not None:
                    size, rgb = clip.ground.size, np.array(clip.ground.rgb) / 255.0
                    spec.worldbody.add_geom(
                        type=mujoco.mjtGeom.mjGEOM_BOX,
                        size=[0.5 * size[0], 0.5 * size[1], 0.01 * thick],
                        pos=middle - np.array([0.0, 0.0, -0.005 * thick]),
                        rgba=[*rgb, 1.0],
                    )

    def _add_marks(self, spec: mujoco.MjSpec, worlds: int) -> None:
        """Marked points, then the dots of the paths, the newest and strongest first."""
        size = 0.014 * max(self._clip.grid.cell)
        for _ in range(worlds * self._marks):
            _add_mark(spec, mujoco.mjtGeom.mjGEOM_SPHERE, size, [0.89, 0.24, 0.31, 0.75])
        colours = [
            np.array(colour_of(player, lane)) / 255.0
            for lane, player in enumerate(self._clip.players)
        ]
        num = worlds // len(colours)
        for dot in range(_DOTS):
            for colour in np.repeat(np.array(colours), num, axis=0):
                share = 1.0 - dot / _DOTS
                rgba = [*(1.0 - share * (1.0 - colour)), 1.0]
                _add_mark(spec, mujoco.mjtGeom.mjGEOM_BOX, 0.6 * size * share, rgba)


def _add_mark(spec: mujoco.MjSpec, kind: mujoco.mjtGeom, size: float, rgba: list[float]) -> None:
    spec.worldbody.add_body(mocap=True).add_geom(type=kind, size=[size, size, size], rgba=rgba)


def _scale(moment: Moment) -> np.ndarray:
    """How large bodies are drawn, ``(lanes, num)``."""
    return np.stack([state["scale"] for state in moment.states])


@dataclass(frozen=True)
class _Look:
    """One geom or site as it is seen, in its body's frame."""

    kind: int
    size: np.ndarray
    pos: np.ndarray
    quat: np.ndarray
    rgba: np.ndarray
    mesh: int = -1


def _looks(model: mujoco.MjModel) -> dict[int, list[_Look]]:
    """What is seen of each body; planes are drawn as the floor."""
    found: dict[int, list[_Look]] = {}
    slots = set(variant_slots(model).tolist())
    for i in range(model.ngeom):
        kind = int(model.geom_type[i])
        if kind in _COPIED and model.geom_group[i] < _SHOWN_GROUPS and i not in slots:
            material = int(model.geom_matid[i])
            rgba = model.mat_rgba[material] if material >= 0 else model.geom_rgba[i]
            mesh = int(model.geom_dataid[i]) if kind == _MESH else -1
            look = _Look(
                kind, model.geom_size[i], model.geom_pos[i], model.geom_quat[i], rgba, mesh
            )
            found.setdefault(int(model.geom_bodyid[i]), []).append(look)
    for i in range(model.nsite):
        if model.site_group[i] < _SHOWN_GROUPS:
            look = _Look(
                int(model.site_type[i]),
                model.site_size[i],
                model.site_pos[i],
                model.site_quat[i],
                model.site_rgba[i],
            )
            found.setdefault(int(model.site_bodyid[i]), []).append(look)
    return found


def _shape_looks(model: mujoco.MjModel, shapes: np.ndarray) -> dict[int, list[_Look]]:
    """What is seen of the bodies that look different in every world, in one of them."""
    return {
        body: [
            _Look(_MESH, np.zeros(3), p.pos, p.quat, model.geom_rgba[p.slot], p.mesh)
            for p in pieces
        ]
        for body, pieces in shown_pieces(model, shapes).items()
    }


def _add_meshes(
    spec: mujoco.MjSpec, model: mujoco.MjModel, looks: list[dict[int, list[_Look]]]
) -> dict[int, str]:
    """The meshes that are seen, by their number in the model."""
    seen = {look.mesh for one in looks for group in one.values() for look in group}
    names = {}
    for i in sorted(seen - {-1}):
        names[i] = f"mesh_{i}"
        vertices, triangles = mesh_of(model, i)
        spec.add_mesh(
            name=names[i],
            uservert=vertices.ravel(),
            userface=triangles.ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
    return names


def _add_look(body: Any, look: _Look, scale: float, meshes: dict[int, str]) -> None:
    geom = body.add_geom(
        type=mujoco.mjtGeom(look.kind),
        pos=scale * look.pos,
        quat=look.quat,
        rgba=look.rgba,
        contype=0,
        conaffinity=0,
    )
    if look.mesh >= 0:
        geom.meshname = meshes[look.mesh]
    else:
        geom.size = scale * look.size


def _looking(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Quaternion of a camera at ``eye`` that sees ``target`` upright."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.stack([right, up, -forward], axis=1).ravel())
    return quaternion
