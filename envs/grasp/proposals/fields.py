"""How far points are from objects: exactly, from the convex pieces, and fast, from grids of that.

The grids are what optimisation reads; what is reported is measured exactly or by MuJoCo.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.objects.shape import Hull, farthest_points, hulls
from robo_ts.progress import Progress
from robo_ts.sim.variants import compile_object

_MARGIN = 0.03  # m of grid around an object
_FAR = 0.04  # m beyond which a lower bound of the distance will do
_CHUNK = 40_000  # points and triangles at once


def signed_distance(parts: list[Hull], points: Tensor, exact_within: float = torch.inf) -> Tensor:
    """Signed distances of points ``(p, 3)`` m to a union of convex hulls, ``(p,)`` m.

    Exact outside, and inside a single hull. Inside a union it is the greatest depth in any hull,
    which is less than the depth in the union where hulls overlap.

    Args:
        parts: the hulls.
        points: in their frame.
        exact_within: farther points get a lower bound, the distance to the nearest face's plane, m.
    """
    best = torch.full((len(points),), torch.inf)
    for part in parts:
        corners = torch.as_tensor(part.vertices[part.faces], dtype=torch.float32)
        normals = torch.as_tensor(part.normals, dtype=torch.float32)
        plane = (points @ normals.T - (corners[:, 0] * normals).sum(dim=-1)).amax(dim=-1)
        unknown = (plane > 0.0) & (plane < torch.clamp(best, max=exact_within))
        ids = unknown.nonzero()[:, 0]
        for some in ids.split(max(_CHUNK // len(corners), 1)):
            plane[some] = _to_triangles(points[some], corners, normals)
        best = torch.minimum(best, plane)
    return best


def _to_triangles(points: Tensor, corners: Tensor, normals: Tensor) -> Tensor:
    """Distances from points ``(p, 3)`` to the nearest of triangles ``(f, 3, 3)``, ``(p,)``."""
    least = torch.full((len(points), len(corners)), torch.inf)
    above = torch.ones_like(least, dtype=torch.bool)
    for k in range(3):
        one, edge = corners[:, k], corners[:, (k + 1) % 3] - corners[:, k]
        # As products of matrices: (p, f, 3) differences would cost eight times as much.
        along = points @ edge.T - (one * edge).sum(dim=-1)
        share = (along / edge.square().sum(dim=-1).clamp_min(1e-18)).clamp(0.0, 1.0)
        start = (
            points.square().sum(dim=-1)[:, None] - 2.0 * points @ one.T + one.square().sum(dim=-1)
        )
        square = start - 2.0 * share * along + share.square() * edge.square().sum(dim=-1)
        least = torch.minimum(least, square)
        aside = torch.linalg.cross(normals, edge)
        # Whichever way round a triangle's corners go: the third is on the inner side.
        aside = aside * ((corners[:, k - 1] - one) * aside).sum(dim=-1, keepdim=True).sign()
        above &= points @ aside.T >= (one * aside).sum(dim=-1)
    height = points @ normals.T - (corners[:, 0] * normals).sum(dim=-1)
    least = torch.where(above, torch.minimum(least, height.square()), least)
    return least.amin(dim=-1).clamp_min(0.0).sqrt()


@dataclass
class Fields:
    """Grids of signed distances around ``V`` objects, and points on these.

    Attributes:
        grid: distance in m and its gradient, ``(V, 4, N, N, N)``, indexed z, y, x.
        middle: of the grids, ``(V, 3)`` m.
        half: their half sizes, ``(V, 3)`` m.
        corners: of the objects' pieces, and surface points to fill up, ``(V, C, 3)`` m.
    """

    grid: Tensor
    middle: Tensor
    half: Tensor
    corners: Tensor

    def look(self, ids: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances and outward directions at points ``(n, p, 3)`` of objects ``ids (n,)``.

        Between grid points all is interpolated; beyond the grid the way to it is added.

        Returns:
            ``(n, p)`` m, and ``(n, p, 3)``, not quite of length one.
        """
        found, beyond = self._read(ids, points, 4)
        return found[..., 0] + beyond, found[..., 1:]

    def distance(self, ids: Tensor, points: Tensor) -> Tensor:
        """Distances only, ``(n, p)`` m."""
        found, beyond = self._read(ids, points, 1)
        return found[..., 0] + beyond

    def _read(self, ids: Tensor, points: Tensor, channels: int) -> tuple[Tensor, Tensor]:
        middle, half = self.middle[ids][:, None], self.half[ids][:, None]
        offset = points - middle
        # A hair within, so that no weight falls outside the grid.
        inside = torch.clamp(offset, -0.999 * half, 0.999 * half)
        beyond = (offset - inside).square().sum(dim=-1)
        beyond = torch.where(beyond > 0.0, beyond.clamp_min(1e-12).sqrt(), 0.0)
        unit = (inside / half)[:, :, None, None]
        if len(ids) % len(self.grid) == 0 and self._in_turn(ids):
            unit = unit.reshape(len(self.grid), -1, 1, 1, 3)
            found = _sample(self.grid[:, :channels], unit)
            return found.reshape(*points.shape[:2], channels), beyond
        found = points.new_zeros(*points.shape[:2], channels)
        for each in ids.unique():
            rows = (ids == each).nonzero()[:, 0]
            own = unit[rows].reshape(1, -1, 1, 1, 3)
            read = _sample(self.grid[each : each + 1, :channels], own)
            found = found.index_copy(0, rows, read.reshape(len(rows), -1, channels))
        return found, beyond

    def _in_turn(self, ids: Tensor) -> bool:
        """Whether every object has as many rows, one object after the other."""
        each = len(ids) // len(self.grid)
        return torch.equal(ids, torch.arange(len(self.grid)).repeat_interleave(each))


def _sample(grid: Tensor, unit: Tensor) -> Tensor:
    """Interpolated values ``(v, p, channels)`` at places ``(v, p, 1, 1, 3)`` from -1 to 1."""
    read = torch.nn.functional.grid_sample(grid, unit, align_corners=True)
    return read[..., 0, 0].transpose(1, 2)


def make_fields(objects: ObjectSet, resolution: int = 40, corners: int = 64) -> Fields:
    """The grids of a set of objects.

    Args:
        objects: the set.
        resolution: grid points along each axis; at 40 they are 3 to 6 mm apart.
        corners: points on each object that are kept out of the hand.
    """
    grids, middles, halves, points = [], [], [], []
    bar = Progress("distances", len(objects), "object", shown=len(objects) >= 4)
    for index in range(len(objects)):
        pieces = hulls(compile_object(objects.pieces[index]))
        grid, middle, half = _grid(pieces, resolution)
        grids, middles, halves = [*grids, grid], [*middles, middle], [*halves, half]
        points.append(_corners(pieces, torch.as_tensor(objects.points[index]), corners))
        bar.update(1)
    bar.close()
    return Fields(
        torch.stack(grids), torch.stack(middles), torch.stack(halves), torch.stack(points)
    )


def _grid(pieces: list[Hull], resolution: int) -> tuple[Tensor, Tensor, Tensor]:
    cloud = torch.cat([torch.as_tensor(p.vertices, dtype=torch.float32) for p in pieces])
    low, high = cloud.amin(dim=0) - _MARGIN, cloud.amax(dim=0) + _MARGIN
    lines = [torch.linspace(float(a), float(b), resolution) for a, b in zip(low, high, strict=True)]
    z, y, x = torch.meshgrid(lines[2], lines[1], lines[0], indexing="ij")
    points = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
    value = signed_distance(pieces, points, _FAR).reshape(resolution, resolution, resolution)
    slopes = torch.gradient(value, spacing=[lines[2], lines[1], lines[0]])
    grid = torch.stack([value, slopes[2], slopes[1], slopes[0]])
    return grid, 0.5 * (low + high), 0.5 * (high - low)


def _corners(pieces: list[Hull], surface: Tensor, count: int) -> Tensor:
    """Corners that stick out, and the surface's own points, spread evenly."""
    cloud = torch.cat([torch.as_tensor(p.vertices, dtype=torch.float32) for p in pieces])
    depth = torch.stack([torch.as_tensor(p.depth(cloud.double().numpy())) for p in pieces])
    cloud = torch.cat([cloud[depth.amax(dim=0) < 2e-4], surface])
    return cloud[farthest_points(cloud.numpy(), count)]
