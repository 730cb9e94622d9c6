"""What follows from an object's pieces: surface points, stable poses, size. Plain numpy, metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from robo_ts.sim.variants import compile_object


@dataclass
class Hull:
    """A convex polyhedron.

    Attributes:
        vertices: ``(n, 3)``.
        faces: triangles, counter-clockwise from outside, ``(f, 3)``.
        normals: outward unit normals, ``(f, 3)``.
        areas: ``(f,)``.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    areas: np.ndarray

    def depth(self, points: np.ndarray) -> np.ndarray:
        """How deep points ``(k, 3)`` lie inside; negative outside, there not the distance."""
        offsets = np.einsum("fi,fi->f", self.normals, self.vertices[self.faces[:, 0]])
        return (offsets - points @ self.normals.T).min(axis=1)


def hulls(model: mujoco.MjModel) -> list[Hull]:
    """The pieces of a :func:`compile_object` model, in the body's frame."""
    found = []
    for mesh in range(model.nmesh):
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        turn = np.empty(9)
        mujoco.mju_quat2Mat(turn, model.mesh_quat[mesh])
        vertices = model.mesh_vert[first : first + count].astype(float) @ turn.reshape(3, 3).T
        vertices += model.mesh_pos[mesh]
        first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        found.append(_hull(vertices, model.mesh_face[first : first + count]))
    return found


def whole_hull(pieces: Sequence[np.ndarray]) -> Hull:
    """The convex hull of all pieces together."""
    return hulls(compile_object([np.concatenate(list(pieces))]))[0]


def _hull(vertices: np.ndarray, faces: np.ndarray) -> Hull:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    size = np.linalg.norm(normal, axis=1)
    keep = size > 1e-12
    normal = normal[keep] / size[keep, None]
    # Whatever way round the triangles are stored: outside is away from the middle.
    outward = np.einsum("fi,fi->f", normal, a[keep] - vertices.mean(axis=0))
    return Hull(vertices, faces[keep], normal * np.sign(outward)[:, None], 0.5 * size[keep])


def surface(
    parts: Sequence[Hull], count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spread points on the union's surface and their outward normals, ``(count, 3)`` each.

    Candidates are uniform over the pieces' faces; what other pieces cover is dropped; the rest is
    thinned by farthest-point sampling.
    """
    points, normals = [], []
    areas = np.array([part.areas.sum() for part in parts])
    for index, part in enumerate(parts):
        wanted = max(int(3 * count * areas[index] / areas.sum()), 8)
        face = rng.choice(len(part.faces), wanted, p=part.areas / part.areas.sum())
        u, v = rng.random((2, wanted, 1))
        flip = u + v > 1.0
        u, v = np.where(flip, 1.0 - u, u), np.where(flip, 1.0 - v, v)
        a, b, c = (part.vertices[part.faces[face, k]] for k in range(3))
        here = a + u * (b - a) + v * (c - a)
        free = np.ones(wanted, bool)
        for other, cover in enumerate(parts):
            if other != index:
                free &= cover.depth(here) < 2e-4
        points.append(here[free])
        normals.append(part.normals[face][free])
    cloud, normal = np.concatenate(points), np.concatenate(normals)
    chosen = farthest_points(cloud, count)
    return cloud[chosen], normal[chosen]


def farthest_points(cloud: np.ndarray, count: int) -> np.ndarray:
    """Indices of ``count`` points, each the farthest from those before; repeats when too few."""
    chosen = np.zeros(count, np.int64)
    distance = np.full(len(cloud), np.inf)
    for index in range(1, count):
        offset = cloud - cloud[chosen[index - 1]]
        distance = np.minimum(distance, np.einsum("ij,ij->i", offset, offset))
        chosen[index] = int(distance.argmax())
    return chosen


@dataclass
class Poses:
    """Ways an object rests on a table.

    Attributes:
        quat: orientations ``(p, 4)``, wxyz.
        height: of the centre of mass above the table, ``(p,)`` m.
        probability: ``(p,)``, they sum to one.
        tall: from the table to the top, ``(p,)`` m.
        width: least horizontal width over all directions, ``(p,)`` m.
    """

    quat: np.ndarray
    height: np.ndarray
    probability: np.ndarray
    tall: np.ndarray
    width: np.ndarray


def stable_poses(hull: Hull, margin: float = 0.0015) -> Poses:
    """Faces of the hull on which a body with its centre of mass at the origin rests.

    A face holds when the centre of mass lies above it by ``margin`` m from its edges. Its
    probability is the solid angle it fills, seen from the centre of mass: the estimate for a body
    dropped in a random orientation without momentum (Goldberg et al. 1999).
    """
    angles = _solid_angles(hull)
    order, taken = np.argsort(-angles), np.zeros(len(angles), bool)
    quats, heights, weights, tall, widths = [], [], [], [], []
    least = 0.002 * angles.sum()  # of a face that is looked at
    for face in order:
        if taken[face] or angles[face] < least:
            continue
        same = (hull.normals @ hull.normals[face] > 1.0 - 1e-6) & ~taken
        taken |= same
        down = np.average(hull.normals[same], axis=0, weights=hull.areas[same])
        down /= np.linalg.norm(down)
        depth = hull.vertices @ down
        sole = hull.vertices[depth > depth.max() - 5e-5]
        turn = _turn_down(down)
        if len(sole) < 3 or _inside_by((sole @ turn.T)[:, :2]) < margin:
            continue
        placed = hull.vertices @ turn.T
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, turn.ravel())
        quats.append(quat)
        heights.append(-placed[:, 2].min())
        weights.append(angles[same].sum())
        tall.append(np.ptp(placed[:, 2]))
        widths.append(_least_width(placed[:, :2]))
    weights = np.array(weights)
    return Poses(
        np.array(quats).reshape(-1, 4),
        np.array(heights),
        weights / max(weights.sum(), 1e-12),
        np.array(tall),
        np.array(widths),
    )


def _solid_angles(hull: Hull) -> np.ndarray:
    """Of every face, seen from the origin (Van Oosterom and Strackee 1983)."""
    a, b, c = (hull.vertices[hull.faces[:, k]] for k in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=1) for x in (a, b, c))
    triple = np.abs(np.einsum("fi,fi->f", a, np.cross(b, c)))
    dots = [np.einsum("fi,fi->f", x, y) for x, y in ((a, b), (a, c), (b, c))]
    below = la * lb * lc + dots[0] * lc + dots[1] * lb + dots[2] * la
    return 2.0 * np.arctan2(triple, below)


def _turn_down(down: np.ndarray) -> np.ndarray:
    """A rotation matrix that brings the unit vector ``down`` to -z."""
    x, y, z = down
    # Perpendicular to ``down``, whichever of two ways is well conditioned.
    aside = np.array([-z, 0.0, x] if abs(y) < 0.9 else [0.0, z, -y])
    aside /= np.sqrt(aside @ aside)
    a, b, c = aside
    other = np.array([z * b - y * c, x * c - z * a, y * a - x * b])  # aside x down
    return np.stack([aside, other, -down])


_ANGLES = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])


def _inside_by(points: np.ndarray) -> float:
    """How far the origin lies inside the convex hull of ``(n, 2)`` points; negative outside."""
    # The least value of the hull's support function.
    return float((points @ _DIRECTIONS).max(axis=0).min())


def _least_width(points: np.ndarray) -> float:
    return float(np.ptp(points @ _DIRECTIONS[:, :36], axis=0).min())


def enclosing_diameter(points: np.ndarray) -> float:
    """Diameter of a ball around all points, within a percent of the smallest (Badoiu 2003)."""
    centre = points.mean(axis=0)
    for step in range(1, 101):
        far = points[np.argmax(((points - centre) ** 2).sum(axis=1))]
        centre = centre + (far - centre) / (step + 1)
    return 2.0 * float(np.sqrt(((points - centre) ** 2).sum(axis=1).max()))


def features(points: np.ndarray, volume: float, hull_volume: float) -> np.ndarray:
    """What shapes are compared by: principal extents, how full the hull is, and a histogram of the
    distances between surface points (Osada et al. 2002), ``(12,)``."""
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    extents = np.ptp(centred @ axes.T, axis=0)
    few = points[:: len(points) // 64]
    pairs = np.linalg.norm(few[:, None] - few[None], axis=-1)
    counts, _ = np.histogram(pairs[np.triu_indices(len(few), 1)], bins=8, range=(0.0, 0.15))
    return np.concatenate([extents / 0.05, [volume / hull_volume], counts / counts.sum() * 4.0])


def volume_of(hull: Hull) -> float:
    """m3."""
    a = hull.vertices[hull.faces[:, 0]] - hull.vertices.mean(axis=0)
    return float((np.einsum("fi,fi->f", a, hull.normals) * hull.areas).sum() / 3.0)
