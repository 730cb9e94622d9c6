"""Where worlds stand beside each other, and in which colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from robo_ts.env.viewing import ViewSpec

# Of the report's figures too: who is who.
COLOURS = {"teacher": (217, 130, 43), "student": (41, 101, 204), "onnx": (41, 166, 52)}
_OTHERS = ((126, 87, 194), (0, 150, 136))


def colour_of(player: str, lane: int) -> tuple[int, int, int]:
    """A policy's colour, (r, g, b) in 0 to 255."""
    for name, colour in COLOURS.items():
        if name in player:
            return colour
    return _OTHERS[lane % len(_OTHERS)]


@dataclass(frozen=True)
class Grid:
    """Cells for all worlds of all lanes, lanes side by side along x.

    Attributes:
        offsets: what to add to positions of a world, ``(lanes, num, 3)`` m.
        cell: width of a cell along x and y, m.
        middle: of each cell on the floor, ``(lanes, num, 3)`` m.
        floor: height of the floor, m.
    """

    offsets: np.ndarray
    cell: tuple[float, float]
    middle: np.ndarray
    floor: float

    @property
    def centre(self) -> np.ndarray:
        """The middle of everything, ``(3,)`` m."""
        flat = self.middle.reshape(-1, 3)
        return 0.5 * (flat.min(axis=0) + flat.max(axis=0))

    @property
    def size(self) -> tuple[float, float]:
        """Of everything along x and y, m."""
        flat = self.middle.reshape(-1, 3)
        reach = flat.max(axis=0) - flat.min(axis=0)
        return float(reach[0]) + self.cell[0], float(reach[1]) + self.cell[1]

    @property
    def corners(self) -> np.ndarray:
        """Of the box in which things happen, ``(8, 3)`` m."""
        (wide, deep), tall = self.size, 0.6 * min(self.cell)
        unit = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)])
        return self.centre + unit * [wide, deep, tall]


def make_grid(num: int, lanes: int, view: ViewSpec, model: mujoco.MjModel) -> Grid:
    """Cells for ``num`` worlds in each of ``lanes`` lanes, about as wide as they are deep."""
    extent = 2.2 * float(model.stat.extent)
    cell = (view.spacing[0] or extent, view.spacing[1] or extent)
    centre, floor = view.centre, view.floor
    if view.spacing == (0.0, 0.0):
        centre = (float(model.stat.center[0]), float(model.stat.center[1]))
    columns = _columns(num, lanes, cell)
    rows = math.ceil(num / columns)
    gap = 0.35 * cell[0] if lanes > 1 else 0.0
    index = np.arange(num)
    middle = np.zeros((lanes, num, 3), np.float32)
    middle[..., 1] = -(index // columns) * cell[1] + 0.5 * (rows - 1) * cell[1]
    for lane in range(lanes):
        middle[lane, :, 0] = (index % columns) * cell[0] + lane * (columns * cell[0] + gap)
    middle[..., 0] -= 0.5 * (middle[..., 0].max() + middle[..., 0].min())
    height = _floor(model) if floor is None else floor
    middle[..., 2] = height
    offsets = middle - np.array([*centre, height], np.float32)
    return Grid(offsets, cell, middle, height)


def _columns(num: int, lanes: int, cell: tuple[float, float]) -> int:
    """How many worlds stand side by side: a little wider than deep, few cells left empty."""

    def badness(columns: int) -> float:
        rows = math.ceil(num / columns)
        shape = lanes * columns * cell[0] / (rows * cell[1])
        return abs(math.log(shape / _SHAPE)) + 1.5 * (rows * columns - num) / num

    return min(range(1, num + 1), key=badness)


# Width over depth of everything, as far as it can be chosen.
_SHAPE = 1.4
# Where pictures are taken from, seen from what they show: in front and above.
VIEWPOINT = np.array([0.0, -0.80, 0.60])


def fitting_distance(
    corners: np.ndarray,
    target: np.ndarray,
    fovy: float,
    aspect: float,
    viewpoint: np.ndarray = VIEWPOINT,
    fill: float = 0.94,
) -> float:
    """From how far away a camera sees all corners.

    Args:
        corners: ``(n, 3)`` m.
        target: what the camera looks at, ``(3,)`` m.
        fovy: its vertical field of view, degrees.
        aspect: width over height of the picture.
        viewpoint: unit vector from the target to the camera, without an x.
        fill: share of the picture the corners may take.
    """
    points = corners - target
    right = np.array([1.0, 0.0, 0.0])
    up = np.cross(viewpoint, right)
    half = fill * math.tan(0.5 * math.radians(fovy))
    needed = np.maximum(np.abs(points @ right) / (half * aspect), np.abs(points @ up) / half)
    return float((needed + points @ viewpoint).max())


def _floor(model: mujoco.MjModel) -> float:
    """Height of the model's own floor; a little below everything where it has none."""
    planes = np.flatnonzero(model.geom_type == int(mujoco.mjtGeom.mjGEOM_PLANE))
    if planes.size:
        return float(model.geom_pos[planes[0], 2])
    return float(model.stat.center[2] - model.stat.extent)
