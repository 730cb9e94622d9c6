"""How good grasps are, without simulating: Q1, penetration, diversity."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.grasp.proposals.contacts import find_contacts
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.rotations import angle_between, orthonormal
from robo_ts.envs.grasp.proposals.trial import Verdict
from robo_ts.errors import RoboTSError

EDGES, FRICTION = 8, 1.0  # of the friction cones (UniDexGrasp's evaluation, as is the next line)
TORQUE_ARM = 10.0  # 1/m
TOO_DEEP, TOO_LOW = 0.005, 0.01  # m in the object, m in the table: then Q1 counts as zero


def wrench_ball(points: np.ndarray, normals: np.ndarray) -> float:
    """Q1 of Ferrari and Canny (1992): the radius of the largest ball around the origin within the
    wrenches that contacts can make whose forces' sizes add up to one.

    Args:
        points: of the contacts from the centre of mass, ``(k, 3)`` m.
        normals: the object's, outward, ``(k, 3)``.

    Returns:
        The radius; zero when some wrench cannot be resisted.

    Raises:
        RoboTSError: without scipy.
    """
    try:
        from scipy.spatial import ConvexHull, QhullError
    except ImportError as error:
        raise RoboTSError(
            "scipy, for Q1", str(error), "pip install 'robo_ts[proposals]'"
        ) from error
    if len(points) < 2:
        return 0.0
    wrenches = _cone_wrenches(points, normals)
    try:
        hull = ConvexHull(np.concatenate([wrenches, np.zeros((1, 6))]))
    except QhullError:  # flat: contacts that cannot span all wrenches
        return 0.0
    # A face's equation is n w + b <= 0 with |n| = 1: the origin is -b within it.
    return float(max((-hull.equations[:, -1]).min(), 0.0))


def _cone_wrenches(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    helper = np.eye(3)[np.abs(normals).argmin(axis=1)]
    one = np.cross(normals, helper)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other = np.cross(normals, one)
    angle = 2.0 * np.pi * np.arange(EDGES) / EDGES
    aside = np.cos(angle)[:, None, None] * one + np.sin(angle)[:, None, None] * other
    force = -normals + FRICTION * aside  # (edges, k, 3)
    torque = TORQUE_ARM * np.cross(np.broadcast_to(points, force.shape), force)
    return np.concatenate([force, torque], axis=-1).reshape(-1, 6)


def measure_q1(
    shape: HandShape, fields: Fields, grasps: Grasps, deep: Tensor, low: Tensor
) -> Tensor:
    """Q1 of grasps, ``(n,)``, zero for those too deep.

    Args:
        shape: the hand.
        fields: the objects.
        grasps: the poses.
        deep: in the object, ``(n,)`` m.
        low: in the table, ``(n,)`` m.
    """
    frames = shape.frames(grasps.rotation, grasps.translation, grasps.lengths)
    found = find_contacts(shape, frames, fields, grasps.ids)
    quality = torch.zeros(len(grasps))
    for row in ((deep <= TOO_DEEP) & (low <= TOO_LOW)).nonzero()[:, 0]:
        touch = found.touching[row]
        quality[row] = wrench_ball(
            found.surface[row, touch].double().numpy(), found.outward[row, touch].double().numpy()
        )
    return quality


def diversity(shape: HandShape, grasps: Grasps) -> dict[str, float]:
    """How much the grasps of an object differ, averaged over objects with two or more.

    Returns:
        Standard deviations: ``rotation_deg`` about the mean rotation, ``translation_cm``,
        ``joints_deg``, and ``keypoints_cm`` of the hand's skin points.
    """
    rows: list[list[float]] = []
    for each in grasps.ids.unique():
        some = grasps.rows(grasps.ids == each)
        if len(some) < 2:
            continue
        middle = orthonormal(some.rotation.mean(dim=0))
        angle = angle_between(some.rotation, middle.expand_as(some.rotation))
        frames = shape.frames(some.rotation, some.translation, some.lengths)
        points = shape.points(frames, shape.skin)[0]
        rows.append(
            [
                math.degrees(float(angle.square().mean().sqrt())),
                100.0 * float(some.translation.std(dim=0).square().sum().sqrt()),
                math.degrees(float(some.lengths.std(dim=0).mean())),
                100.0 * float(points.std(dim=0).square().sum(dim=-1).sqrt().mean()),
            ]
        )
    names = ("rotation_deg", "translation_cm", "joints_deg", "keypoints_cm")
    if not rows:
        return dict.fromkeys(names, math.nan)
    return dict(zip(names, torch.tensor(rows).mean(dim=0).tolist(), strict=True))


@dataclass
class Measured:
    """What grasps are worth, one row each.

    Attributes:
        verdict: of the trial.
        q1: ``(n,)``.
    """

    verdict: Verdict
    q1: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """As named arrays."""
        return {**vars(self.verdict), "q1": self.q1}

    @staticmethod
    def from_tensors(found: dict[str, Tensor]) -> Measured:
        """The inverse of :meth:`tensors`."""
        verdict = Verdict(**{f.name: found[f.name] for f in fields(Verdict)})
        return Measured(verdict, found["q1"])

    @staticmethod
    def together(parts: list[Measured]) -> Measured:
        """Several, one after the other."""
        arrays = [part.tensors() for part in parts]
        return Measured.from_tensors(
            {name: torch.cat([one[name] for one in arrays]) for name in arrays[0]}
        )


def measure(shape: HandShape, distances: Fields, grasps: Grasps, verdict: Verdict) -> Measured:
    """Q1 of grasps that were tried."""
    return Measured(
        verdict, measure_q1(shape, distances, grasps, verdict.penetration, verdict.table)
    )


def summary(shape: HandShape, grasps: Grasps, measured: Measured) -> dict[str, Any]:
    """The figures of many grasps: shares, Q1, depths in mm, and how much the grasps differ."""
    verdict, valid = measured.verdict, measured.verdict.valid
    deep = 1000.0 * verdict.penetration
    found: dict[str, Any] = {
        "grasps": len(grasps),
        "valid": _share(valid),
        "held_all_directions": _share(verdict.held.all(dim=1)),
        "held_any_direction": _share(verdict.held.any(dim=1)),
        "held_per_direction": _share(verdict.held),
        "touching": _share(verdict.penetration > 0.0),
        "q1": float(measured.q1.mean()),
        "penetration_mm": {"mean": float(deep.mean()), **_quantiles(deep)},
        "table_mm": {"mean": 1000.0 * float(verdict.table.mean())},
        "diversity": diversity(shape, grasps),
    }
    if bool(valid.any()):
        found["of_valid"] = {
            "q1": float(measured.q1[valid].mean()),
            "penetration_mm": {"mean": float(deep[valid].mean()), **_quantiles(deep[valid])},
            "table_mm": {"mean": 1000.0 * float(verdict.table[valid].mean())},
            "diversity": diversity(shape, grasps.rows(valid)),
        }
    return found


def _share(which: Tensor) -> float:
    return float(which.float().mean())


def _quantiles(values: Tensor) -> dict[str, float]:
    return {"median": float(values.median()), "p95": float(values.quantile(0.95))}
