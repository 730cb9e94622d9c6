"""Objects from (version, seed): which family, which instance, and nothing else decides a shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robo_ts.envs.grasp.objects.families import FAMILIES, IN_METRES, MAX_PIECES
from robo_ts.envs.grasp.objects.pieces import MAX_POINTS, Piece
from robo_ts.envs.grasp.objects.shape import (
    Poses,
    enclosing_diameter,
    features,
    hulls,
    stable_poses,
    surface,
    volume_of,
    whole_hull,
)
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.seeds import derive
from robo_ts.sim.variants import compile_object

VERSION = 1  # raise it when any shape changes
SURFACE_POINTS = 256
MAX_POSES = 6
DIAMETER = (0.06, 0.15)  # m, of the bounding sphere


@dataclass
class Limits:
    """What a hand on a table can be asked to grasp.

    Attributes:
        max_width: greatest least horizontal width of a pose, m; wider poses are left out.
        min_height: least height of a pose, m; flatter ones are left out.
        min_probability: rarer poses are left out.
    """

    max_width: float = 0.09
    min_height: float = 0.015
    min_probability: float = 0.03


@dataclass
class GraspObject:
    """One object. Its frame's origin is the centre of mass; lengths are in metres.

    Attributes:
        name: ``family/index``.
        family: its family.
        pieces: convex pieces' corners, ``(n, 3)`` each.
        diameter: of the bounding sphere.
        poses: ways it rests on a table.
        points: on its surface, ``(SURFACE_POINTS, 3)``.
        normals: outward, ``(SURFACE_POINTS, 3)``.
        features: what shapes are compared by, ``(12,)``.
    """

    name: str
    family: str
    pieces: list[Piece]
    diameter: float
    poses: Poses
    points: np.ndarray
    normals: np.ndarray
    features: np.ndarray


def generate(family: str, index: int, seed: int = 0, limits: Limits | None = None) -> GraspObject:
    """Instance ``index`` of a family.

    Shapes are drawn until one can be grasped: of the wanted size, with a pose that rests stably.

    Raises:
        RoboTSError: for an unknown family.
    """
    if family not in FAMILIES:
        raise RoboTSError("a family of objects", repr(family), did_you_mean(family, FAMILIES))
    rng = np.random.default_rng(derive(seed, "object", VERSION, family, index))
    for _ in range(200):
        pieces = FAMILIES[family](rng)
        size = 1.0
        if family not in IN_METRES:
            size = rng.uniform(*DIAMETER) / enclosing_diameter(np.concatenate(pieces))
        found = make_object(f"{family}/{index}", family, [size * p for p in pieces], limits, rng)
        if found is not None:
            return found
    raise AssertionError(f"no graspable {family} in 200 draws")


def make_object(
    name: str,
    family: str,
    pieces: Sequence[Piece],
    limits: Limits | None,
    rng: np.random.Generator,
) -> GraspObject | None:
    """An object from its pieces; None when no pose of it can be grasped."""
    assert len(pieces) <= MAX_PIECES and max(map(len, pieces)) <= 2 * MAX_POINTS
    model = compile_object(pieces)
    centre, volume = model.body_ipos[1].copy(), float(model.body_mass[1])
    # float32, as meshes are stored: what is written to a file is what was compiled.
    pieces = [(points - centre).astype(np.float32).astype(np.float64) for points in pieces]
    whole = whole_hull(pieces)
    poses = graspable(stable_poses(whole), limits or Limits())
    if not len(poses.height):
        return None
    points, normals = surface(hulls(compile_object(pieces)), SURFACE_POINTS, rng)
    return GraspObject(
        name=name,
        family=family,
        pieces=pieces,
        diameter=enclosing_diameter(np.concatenate(pieces)),
        poses=poses,
        points=points,
        normals=normals,
        features=features(points, volume, volume_of(whole)),
    )


def graspable(poses: Poses, limits: Limits) -> Poses:
    """The likeliest poses within the limits, at most ``MAX_POSES``."""
    good = (
        (poses.width <= limits.max_width)
        & (poses.tall >= limits.min_height)
        & (poses.probability >= limits.min_probability)
    )
    kept = np.flatnonzero(good)
    kept = kept[np.argsort(-poses.probability[kept], kind="stable")][:MAX_POSES]
    chosen = {name: value[kept] for name, value in vars(poses).items()}
    chosen["probability"] = chosen["probability"] / max(chosen["probability"].sum(), 1e-12)
    return Poses(**chosen)
