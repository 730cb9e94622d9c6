"""A hand's surface: signed distances to it, contact candidates on it, points that must stay out.

Only geoms that collide count. They are primitives, so all is in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.grasp.geometry import quat_to_matrix
from robo_ts.envs.grasp.objects.shape import farthest_points
from robo_ts.envs.grasp.proposals.kinematics import Frames, Kinematics
from robo_ts.envs.grasp.proposals.rotations import times, turned
from robo_ts.errors import RoboTSError

_BOX = int(mujoco.mjtGeom.mjGEOM_BOX)
_CAPSULE = int(mujoco.mjtGeom.mjGEOM_CAPSULE)
_SPHERE = int(mujoco.mjtGeom.mjGEOM_SPHERE)
_KINDS = (_BOX, _CAPSULE, _SPHERE)
_FACING = 0.3  # cosine between a candidate's normal and the way to the site "grasp"
_PER_GEOM = 12  # candidates
_BURIED = 0.5e-3  # m inside another geom: no part of the surface


@dataclass
class Patch:
    """Points of a hand's geoms.

    Attributes:
        geom: which geom each is on, ``(p,)``.
        local: in the geom's frame, ``(p, 3)`` m.
        normal: outward, in the geom's frame, ``(p, 3)``.
    """

    geom: Tensor
    local: Tensor
    normal: Tensor

    def select(self, ids: Tensor) -> Patch:
        return Patch(self.geom[ids], self.local[ids], self.normal[ids])


class HandShape:
    """A hand's collision geometry, ``G`` primitive geoms.

    All are treated as rounded boxes: half sizes ``core (G, 3)`` and a radius ``(G,)``. A box has no
    radius, a capsule's core is a segment, a sphere's a point.

    Attributes:
        kinematics: of the hand.
        finger: number of the finger a geom belongs to; -1 for the palm, ``(G,)``.
        candidates: where contacts may be: surface points that face the place of a held object.
        skin: evenly spread surface points, for what looks at the hand as a cloud.

    Raises:
        RoboTSError: for a hand with other geoms.
    """

    def __init__(self, kinematics: Kinematics, skin_points: int = 128) -> None:
        self.kinematics, model = kinematics, kinematics.model
        geoms = [g for g in range(model.ngeom) if model.geom_contype[g] | model.geom_conaffinity[g]]
        strange = [g for g in geoms if model.geom_type[g] not in _KINDS]
        if strange:
            raise RoboTSError(
                "a hand whose colliding geoms are boxes, capsules and spheres",
                ", ".join(model.geom(g).name or f"geom {g}" for g in strange),
                "replace these by several of those",
            )
        self._body = torch.as_tensor(model.geom_bodyid[geoms] - 1).long()
        self._turn = quat_to_matrix(_floats(model.geom_quat[geoms]))
        self._place = _floats(model.geom_pos[geoms])
        self.core, self.radius = _rounded(model, geoms)
        self.finger = torch.tensor([self._finger_of(model, g) for g in geoms])
        self._spheres, self._sphere_radius = self._inner_spheres()
        usual = self._usual()
        self._reach = self._apart_reach(usual)
        surface = self._surface(usual)
        self.candidates = self._facing(surface, usual)
        points = self.points(usual, surface)[0][0]
        chosen = farthest_points(points.numpy(), skin_points)
        self.skin = surface.select(torch.as_tensor(chosen))
        self._probe_groups, self._probe_radius = self._probes()

    def _finger_of(self, model: mujoco.MjModel, geom: int) -> int:
        bases = [model.body(f"{name}_base").id for name in self.kinematics.hand.fingers]
        body = int(model.geom_bodyid[geom])
        while body > 0:
            if body in bases:
                return bases.index(body)
            body = int(model.body_parentid[body])
        return -1

    def _usual(self) -> Frames:
        """The geoms of the open hand in its own frame."""
        kinematics = self.kinematics
        hand = kinematics.hand
        lengths = _floats(hand.pose(hand.open, kinematics.actuators))[None]
        return self.frames(torch.eye(3)[None], kinematics.palm[None], lengths)

    def frames(self, rotation: Tensor, translation: Tensor, lengths: Tensor) -> Frames:
        """Where the geoms are; arguments as of :meth:`Kinematics.bodies`."""
        bodies = self.kinematics.bodies(rotation, translation, lengths)
        turn, place = bodies.rotation[:, self._body], bodies.translation[:, self._body]
        return Frames(times(turn, self._turn), place + turned(turn, self._place))

    def distance(self, frames: Frames, points: Tensor) -> Tensor:
        """Signed distances of points ``(n, p, 3)`` m to geoms, ``(n, p, G)``."""
        n, geoms = frames.translation.shape[:2]
        columns = frames.rotation.permute(0, 2, 1, 3).reshape(n, 3, 3 * geoms)
        origin = turned(frames.rotation.transpose(-1, -2), frames.translation)
        local = torch.bmm(points, columns).reshape(n, -1, geoms, 3) - origin[:, None]
        beyond = local.abs() - self.core
        outside = beyond.clamp_min(0.0).square().sum(dim=-1)
        # The root's slope is infinite at zero, which inside points have.
        outside = torch.where(outside > 0.0, outside.clamp_min(1e-12).sqrt(), 0.0)
        inside = beyond.amax(dim=-1).clamp_max(0.0)
        return outside + inside - self.radius

    def points(self, frames: Frames, patch: Patch) -> tuple[Tensor, Tensor]:
        """The points of a patch and their normals, ``(n, p, 3)`` each."""
        turn, place = frames.rotation[:, patch.geom], frames.translation[:, patch.geom]
        return turned(turn, patch.local) + place, turned(turn, patch.normal)

    def chosen(self, frames: Frames, candidates: Tensor) -> Tensor:
        """Places of each pose's own candidates ``(n, k)``, ``(n, k, 3)`` m."""
        patch = self.candidates
        rows = torch.arange(len(candidates))[:, None]
        geom = patch.geom[candidates]
        turn, place = frames.rotation[rows, geom], frames.translation[rows, geom]
        return turned(turn, patch.local[candidates]) + place

    def probes(self, frames: Frames) -> tuple[Tensor, Tensor]:
        """Balls that must stay out of objects: centres ``(n, p, 3)`` and radii ``(p,)`` m.

        Corners, edges' and faces' middles of boxes, and balls along the axes of capsules.
        """
        parts = [frames.select(geoms).points(local) for geoms, local in self._probe_groups]
        return torch.cat(parts, dim=1), self._probe_radius

    def self_penetration(self, frames: Frames) -> Tensor:
        """Overlaps of balls in links that are apart when the hand is open, summed, ``(n,)`` m."""
        centre = frames.points(self._spheres)
        square = centre.square().sum(dim=-1)
        gap = square[:, :, None] + square[:, None] - 2.0 * torch.bmm(centre, centre.transpose(1, 2))
        overlap = (self._reach - gap.clamp_min(1e-12).sqrt()).clamp_min(0.0)
        return 0.5 * overlap.sum(dim=(1, 2))

    def _inner_spheres(self, count: int = 3) -> tuple[Tensor, Tensor]:
        """Balls within every geom along its longest axis, ``(G, count, 3)`` and ``(G, count)``."""
        whole = self.core + self.radius[:, None]
        radius = whole.sort(dim=1).values[:, :2].mean(dim=1)
        reach = (whole.amax(dim=1) - radius).clamp_min(0.0)
        axis = torch.nn.functional.one_hot(whole.argmax(dim=1), 3).float()
        steps = torch.linspace(-1.0, 1.0, count)[:, None]
        centres = (reach[:, None, None] * steps) * axis[:, None]
        return centres, radius[:, None].expand(-1, count).contiguous()

    def _apart_reach(self, usual: Frames) -> Tensor:
        """Sums of the radii of balls of different fingers that are apart when the hand is open; of
        other pairs so small that they never overlap."""
        centre, radius = usual.points(self._spheres)[0], self._sphere_radius.flatten()
        finger = self.finger.repeat_interleave(self._spheres.shape[1])
        reach = radius[:, None] + radius
        apart = (torch.cdist(centre, centre) > reach) & (finger[:, None] != finger)
        return torch.where(apart, reach, -1.0)

    def _surface(self, usual: Frames) -> Patch:
        """Dense points on all geoms that no other geom covers."""
        geom, local, normal = [], [], []
        for g in range(len(self.radius)):
            points, normals = _sample(self.core[g], float(self.radius[g]))
            geom += [torch.full((len(points),), g)]
            local, normal = [*local, points], [*normal, normals]
        patch = Patch(torch.cat(geom), torch.cat(local), torch.cat(normal))
        points = self.points(usual, patch)[0]
        depth = self.distance(usual, points)[0]
        depth[torch.arange(len(patch.geom)), patch.geom] = torch.inf
        return patch.select((depth.amin(dim=1) > -_BURIED).nonzero()[:, 0])

    def _facing(self, surface: Patch, usual: Frames) -> Patch:
        points, normals = (value[0] for value in self.points(usual, surface))
        way = torch.nn.functional.normalize(self.kinematics.grasp - points, dim=-1)
        facing = ((way * normals).sum(dim=-1) > _FACING).nonzero()[:, 0]
        kept = []
        for geom in surface.geom[facing].unique():
            ids = facing[surface.geom[facing] == geom]
            few = farthest_points(points[ids].numpy(), min(_PER_GEOM, len(ids)))
            kept.append(ids[few])
        return surface.select(torch.cat(kept))

    def _probes(self) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Points on cores, geoms with the same number of them together, and their radii."""
        steps = torch.tensor([-1.0, 0.0, 1.0])
        grid = torch.cartesian_prod(steps, steps, steps)
        faces = grid[grid.abs().sum(dim=1) > 0.0]
        groups, radii = [], []
        for unit, which in (
            (faces, self.core.amin(dim=1) > 0.0),
            (steps[:, None] * torch.tensor([0.0, 0.0, 1.0]), self.core.amin(dim=1) == 0.0),
        ):
            geoms = which.nonzero()[:, 0]
            groups.append((geoms, unit * self.core[geoms][:, None]))
            radii.append(self.radius[geoms].repeat_interleave(len(unit)))
        return groups, torch.cat(radii)


def _rounded(model: mujoco.MjModel, geoms: list[int]) -> tuple[Tensor, Tensor]:
    core, radius = np.zeros((len(geoms), 3)), np.zeros(len(geoms))
    for row, geom in enumerate(geoms):
        size, kind = model.geom_size[geom], model.geom_type[geom]
        if kind == _BOX:
            core[row] = size
        else:
            radius[row] = size[0]
            core[row, 2] = size[1] if kind == _CAPSULE else 0.0
    return _floats(core), _floats(radius)


def _sample(core: Tensor, radius: float, spacing: float = 0.004) -> tuple[Tensor, Tensor]:
    """Points on a rounded box and their normals: those of its core's faces, moved out."""
    whole = core + radius
    lines = [torch.linspace(-1.0, 1.0, max(int(2.0 * float(x) / spacing), 3)) for x in whole]
    points = []
    for axis in range(3):
        a, b = (lines[k] for k in range(3) if k != axis)
        pairs = torch.cartesian_prod(a, b)
        for side in (-1.0, 1.0):
            face = torch.empty(len(pairs), 3)
            face[:, axis] = side
            face[:, [k for k in range(3) if k != axis]] = pairs
            points.append(face)
    outer = torch.cat(points) * whole
    if radius == 0.0:
        side = (outer.abs() / whole).argmax(dim=1)
        normal = torch.nn.functional.one_hot(side, 3) * outer.sign()
        inner = outer.abs() < whole - 1e-9  # on a face, not on an edge: its normal is plain
        keep = inner.sum(dim=1) == 2
        return outer[keep], normal[keep].float()
    nearest = torch.clamp(outer, -core, core)
    normal = torch.nn.functional.normalize(outer - nearest, dim=-1)
    return nearest + radius * normal, normal


def _floats(value: np.ndarray) -> Tensor:
    return torch.as_tensor(np.array(value), dtype=torch.float32)
