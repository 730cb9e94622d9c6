"""Rooms of Gaussian splats made from a seed: walls, doors, windows, posters, furniture, people.

Splats are flat discs that lie in the surfaces of the room, thin across and wide along, so that a
room is opaque at the resolution of a small camera. Light is baked in: an ambient share and one to
three lamps with Lambert's cosine.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive
from robo_ts.sim.cameras.splats import SplatScene

_THIN = 0.015  # m, across a surface
_WIDE = 0.6  # of the distance between neighbours, along it
_LEAST = 200

# Where along u and v, in [0, 1], a colour (n, 3) is wanted.
_Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]


def make_room(
    seed: int,
    num_splats: int = 2000,
    width: tuple[float, float] = (7.0, 11.0),
    height: tuple[float, float] = (2.6, 4.0),
    clear: tuple[float, float] = (5.4, 4.4),
) -> SplatScene:
    """A furnished room around the world's origin, its floor at z = 0 but not drawn.

    The floor is left to the model, whose geoms hide what is behind them.

    Args:
        seed: decides everything.
        num_splats: how many; exactly so many are given.
        width: least and greatest distance between opposite walls, m.
        height: least and greatest height of the ceiling, m.
        clear: extent along x and y around the origin, m, that furniture keeps out of.

    Raises:
        RoboTSError: for fewer than 200 splats, or walls within the space to keep clear.
    """
    if num_splats < _LEAST:
        raise RoboTSError(f"a room of >= {_LEAST} splats", str(num_splats), "ask for more")
    if not max(clear) + 1.0 <= width[0] <= width[1] or not 0.0 < height[0] <= height[1]:
        raise RoboTSError(
            "walls at least half a metre outside of what is kept clear",
            f"width {width}, height {height}, clear {clear}",
            "give a larger width",
        )
    rng = np.random.default_rng(derive(seed, "room"))
    size = np.array([*rng.uniform(*width, 2), rng.uniform(*height)])
    surfaces = [*_walls(rng, size), *_furniture(rng, size, np.array(clear))]
    areas = np.array([s.area for s in surfaces])
    # Furniture is smaller than walls and nearer to the camera: it gets twice its share.
    weight = areas * np.array([s.detail for s in surfaces])
    counts = _shares(weight, num_splats)
    parts = [s.splats(n, rng) for s, n in zip(surfaces, counts, strict=True) if n]
    scene = SplatScene.joined(parts)
    return SplatScene(scene.position, scene.rotation, scene.scale, _lit(rng, scene, parts, size))


class _Surface:
    """A rectangle or an ellipsoid to be covered with splats.

    Args:
        middle: its middle, m.
        u: half an edge, m; an axis of the ellipsoid.
        v: the other half edge, m; another axis.
        paint: its colours.
        round: the third axis of an ellipsoid, m; 0 for a rectangle.
        detail: how much denser than a wall it is covered.
    """

    def __init__(
        self,
        middle: np.ndarray,
        u: np.ndarray,
        v: np.ndarray,
        paint: _Paint,
        round: float = 0.0,
        detail: float = 1.0,
    ) -> None:
        self.middle, self.u, self.v = (np.asarray(x, float) for x in (middle, u, v))
        self.paint, self.round, self.detail = paint, round, detail
        self.area = 4.0 * float(np.linalg.norm(self.u) * np.linalg.norm(self.v))

    def splats(self, num: int, rng: np.random.Generator) -> SplatScene:
        """``num`` splats with their colours unlit; normals are the splats' z axes."""
        a, b = _spread(num, float(np.linalg.norm(self.u) / max(np.linalg.norm(self.v), 1e-9)), rng)
        if self.round:
            normal, position = self._on_ellipsoid(a, b)
        else:
            normal = np.cross(self.u, self.v)
            normal = np.tile(normal / np.linalg.norm(normal), (num, 1))
            position = self.middle + np.outer(2 * a - 1, self.u) + np.outer(2 * b - 1, self.v)
        spacing = np.sqrt(self.area / num)
        scale = np.tile([_WIDE * spacing, _WIDE * spacing, _THIN], (num, 1))
        colour = self.paint(a, b) + rng.normal(0.0, 0.02, (num, 3))
        rgba = np.concatenate([colour, np.full((num, 1), 0.98)], axis=1)
        return SplatScene(position, _facing(normal), scale, rgba)

    def _on_ellipsoid(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turn, rise = 2 * np.pi * a, 2 * b - 1
        ring = np.sqrt(1 - rise**2)
        third = np.cross(self.u, self.v)
        third *= self.round / np.linalg.norm(third)
        unit = np.stack([ring * np.cos(turn), rise, ring * np.sin(turn)], axis=1)
        axes = np.stack([self.u, self.v, third])
        lengths = np.linalg.norm(axes, axis=1, keepdims=True)
        normal = unit @ (axes / lengths**2)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        return normal, self.middle + unit @ axes


def _walls(rng: np.random.Generator, size: np.ndarray) -> list[_Surface]:
    x, y, z = 0.5 * size
    ceiling = _plain(rng.uniform(0.6, 0.95) * np.ones(3))
    colour = rng.uniform(0.35, 0.95, 3)
    made = [_Surface([0, 0, 2 * z], [x, 0, 0], [0, -y, 0], ceiling)]  # type: ignore[list-item]
    for sign in (-1.0, 1.0):
        for across in (0, 1):
            middle, along = np.array([0.0, 0.0, z]), np.zeros(3)
            middle[across] = sign * size[across] / 2
            along[1 - across] = size[1 - across] / 2 * (1 if across else -1) * sign
            paint = _wall_paint(rng, np.clip(colour + rng.normal(0, 0.06, 3), 0, 1))
            made.append(_Surface(middle, along, np.array([0, 0, z]), paint))
    return made


def _wall_paint(rng: np.random.Generator, colour: np.ndarray) -> _Paint:
    """A wall with a skirting, perhaps a coloured band, and some doors, windows and posters."""
    patches = [(0.0, 1.0, 0.0, 0.03, 0.5 * colour)]
    if rng.random() < 0.5:
        low = rng.uniform(0.1, 0.6)
        patches.append((0.0, 1.0, low, low + rng.uniform(0.05, 0.35), rng.uniform(0, 1, 3)))
    for _ in range(rng.integers(1, 5)):
        left, kind = rng.uniform(0.0, 0.85), rng.integers(3)
        if kind == 0:  # a door
            box, hue = (left, left + 0.12, 0.0, 0.7), rng.uniform(0.1, 0.8, 3)
        elif kind == 1:  # a window
            wide = rng.uniform(0.1, 0.3)
            box, hue = (left, left + wide, 0.35, 0.8), rng.uniform([0.6, 0.7, 0.8], 1.0)
        else:  # a poster
            box, hue = (left, left + rng.uniform(0.05, 0.15), 0.4, 0.7), rng.uniform(0, 1, 3)
        patches.append((*box, hue))

    def paint(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        out = np.tile(colour, (len(a), 1))
        for left, right, low, high, hue in patches:
            out[(a >= left) & (a <= right) & (b >= low) & (b <= high)] = hue
        return out

    return paint


def _furniture(rng: np.random.Generator, size: np.ndarray, clear: np.ndarray) -> list[_Surface]:
    made: list[_Surface] = []
    for _ in range(rng.integers(3, 9)):
        where = _beside(rng, size, clear)
        colour = rng.uniform(0.05, 0.95, 3)
        if rng.random() < 0.3:
            made += _person(where, rng)
        else:
            half = rng.uniform([0.2, 0.2, 0.2], [0.6, 0.6, 0.9])
            made += _box(where, half, rng.uniform(0, np.pi), _plain(colour))
    return made


def _beside(rng: np.random.Generator, size: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """A place on the floor between the space to keep clear and the walls."""
    side, sign = rng.integers(2), rng.choice([-1.0, 1.0])
    where = rng.uniform(-0.45, 0.45, 2) * size[:2]
    where[side] = sign * rng.uniform(clear[side] / 2 + 0.35, size[side] / 2 - 0.1)
    return np.array([*where, 0.0])


def _box(where: np.ndarray, half: np.ndarray, yaw: float, paint: _Paint) -> list[_Surface]:
    """Sides and top of a box that stands on the floor."""
    x = half[0] * np.array([np.cos(yaw), np.sin(yaw), 0.0])
    y = half[1] * np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    z = np.array([0.0, 0.0, half[2]])
    middle = where + z
    made = [_Surface(middle + z, x, y, paint, detail=2.0)]
    for out, along in ((x, y), (y, -x), (-x, -y), (-y, x)):
        made.append(_Surface(middle + out, along, z, paint, detail=2.0))
    return made


def _person(where: np.ndarray, rng: np.random.Generator) -> list[_Surface]:
    """Legs, a trunk and a head."""
    tall, skin = rng.uniform(1.5, 1.9), np.array([0.9, 0.72, 0.6]) * rng.uniform(0.4, 1.0)
    parts = [(0.25, 0.25, 0.14, rng.uniform(0, 0.6, 3)), (0.65, 0.2, 0.2, rng.uniform(0, 1, 3))]
    parts.append((0.93, 0.08, 0.1, skin))
    return [
        _Surface(
            where + np.array([0.0, 0.0, share * tall]),
            np.array([wide, 0, 0]),
            np.array([0, 0, half * tall]),
            _plain(colour),
            round=0.8 * wide,
            detail=3.0,
        )
        for share, half, wide, colour in parts
    ]


def _plain(colour: np.ndarray) -> _Paint:
    return lambda a, b: np.tile(colour, (len(a), 1))


def _lit(
    rng: np.random.Generator, scene: SplatScene, parts: list[SplatScene], size: np.ndarray
) -> np.ndarray:
    """Colours under an ambient light and lamps below the ceiling."""
    normal = _axis(scene.rotation)
    # Rectangles do not know their inside: the side that faces the room's middle is the lit one.
    inward = -scene.position + [0.0, 0.0, 1.0]
    flat = (normal * inward).sum(axis=1) < 0
    normal = np.where(flat[:, None], -normal, normal)
    light = np.full((len(scene), 3), rng.uniform(0.25, 0.6))
    warm = rng.uniform([0.9, 0.8, 0.65], [1.0, 1.0, 1.0])
    for _ in range(rng.integers(1, 4)):
        lamp = np.array([*(rng.uniform(-0.35, 0.35, 2) * size[:2]), 0.95 * size[2]])
        away = lamp - scene.position
        distance = np.linalg.norm(away, axis=1)
        cosine = np.clip((normal * away).sum(axis=1) / np.maximum(distance, 1e-6), 0.0, 1.0)
        strength = rng.uniform(0.3, 0.8) * cosine / (1.0 + 0.08 * distance**2)
        light += strength[:, None] * warm
    rgba = scene.rgba.copy()
    rgba[:, :3] = np.clip(rgba[:, :3] * light * rng.uniform(0.8, 1.2), 0.0, 1.0)
    return rgba


def _spread(num: int, ratio: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``num`` points spread evenly over the unit square whose sides relate like ``ratio``."""
    rows = max(round(np.sqrt(num / max(ratio, 1e-6))), 1)
    # Rows share the points as equally as whole numbers allow.
    edges = np.round(np.linspace(0, num, rows + 1)).astype(int)
    a, b = np.empty(num), np.empty(num)
    for row, (first, last) in enumerate(pairwise(edges)):
        count = last - first
        a[first:last] = (np.arange(count) + 0.5 + 0.25 * (-1) ** row) / max(count, 1)
        b[first:last] = (row + 0.5) / rows
    jitter = 0.2 / np.sqrt(num)
    a, b = a + rng.uniform(-jitter, jitter, num), b + rng.uniform(-jitter, jitter, num)
    return a.clip(0.0, 1.0), b.clip(0.0, 1.0)


def _shares(weight: np.ndarray, total: int) -> np.ndarray:
    """``total`` shared out by weight in whole numbers (largest remainders)."""
    exact = weight / weight.sum() * total
    counts = np.floor(exact).astype(int)
    rest = total - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return counts


def _facing(normal: np.ndarray) -> np.ndarray:
    """Quaternions that turn z into each normal ``(n, 3)``."""
    w = 1.0 + normal[:, 2]
    quaternion = np.stack([w, -normal[:, 1], normal[:, 0], np.zeros(len(normal))], axis=1)
    quaternion[w < 1e-6] = [0.0, 1.0, 0.0, 0.0]  # straight down
    return quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)


def _axis(quaternion: np.ndarray) -> np.ndarray:
    """The z axis of each rotation."""
    w, x, y, z = quaternion.T
    return np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)
