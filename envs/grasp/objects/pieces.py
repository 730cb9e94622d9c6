"""Convex pieces as clouds of at most 32 corners; their hull is the piece. Lengths are free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Piece = np.ndarray
Vector = Sequence[float] | np.ndarray
MAX_POINTS = 32


def box(size: Vector, centre: Vector = (0.0, 0.0, 0.0)) -> Piece:
    """A box of full ``size (3,)``."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    return 0.5 * corners * np.asarray(size) + np.asarray(centre)


def frustum(
    bottom: float, top: float, low: float, high: float, sectors: int = 14, squash: float = 1.0
) -> Piece:
    """A cone's slice along z with radii ``bottom`` at ``low`` and ``top`` at ``high``."""
    angle = 2.0 * math.pi * np.arange(sectors) / sectors
    ring = np.stack([np.cos(angle), squash * np.sin(angle)], axis=-1)
    rings = [np.c_[r * ring, np.full(sectors, z)] for r, z in ((bottom, low), (top, high))]
    return np.concatenate(rings)


def prism(outline: np.ndarray, low: float, high: float) -> Piece:
    """A convex ``outline (m, 2)``, ``m <= 16``, pulled along z."""
    return np.concatenate([np.c_[outline, np.full(len(outline), z)] for z in (low, high)])


def superquadric(radii: Vector, e1: float, e2: float) -> Piece:
    """Points of a superquadric (Barr 1981): two poles and five rings of six.

    Args:
        radii: along x, y, z.
        e1: exponent from pole to pole; small is boxy, 1 round, 2 a double cone.
        e2: exponent around z.
    """
    latitude = np.radians([-60.0, -30.0, 0.0, 30.0, 60.0])
    longitude = np.radians(30.0 + 60.0 * np.arange(6))
    if e2 < 0.5:  # a square around z needs its corners, not six points beside them
        longitude = np.radians([45.0, 135.0, 225.0, 315.0, 0.0, 180.0])
    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    cos, sin = _power(np.cos(lat), e1), _power(np.sin(lat), e1)
    points = np.stack([cos * _power(np.cos(lon), e2), cos * _power(np.sin(lon), e2), sin], axis=-1)
    poles = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    return np.concatenate([points.reshape(-1, 3), poles]) * np.asarray(radii)


def _power(value: np.ndarray, exponent: float) -> np.ndarray:
    return np.sign(value) * np.abs(value) ** exponent


def bar(start: np.ndarray, end: np.ndarray, radius: float, sectors: int = 8) -> Piece:
    """A straight rod with ``sectors`` flat sides."""
    along = (end - start) / np.linalg.norm(end - start)
    aside = np.cross(along, [0.0, 0.0, 1.0] if abs(along[2]) < 0.9 else [1.0, 0.0, 0.0])
    aside /= np.linalg.norm(aside)
    other = np.cross(along, aside)
    angle = 2.0 * math.pi * (np.arange(sectors) + 0.5) / sectors
    ring = radius * (np.outer(np.cos(angle), aside) + np.outer(np.sin(angle), other))
    return np.concatenate([start + ring, end + ring])


def wall(
    inner: tuple[float, float],
    outer: tuple[float, float],
    low: float,
    high: float,
    sectors: int,
    squash: float = 1.0,
) -> list[Piece]:
    """A ring's straight sectors; radii are given as ``(at low, at high)``."""
    angle = 2.0 * math.pi * np.arange(sectors + 1) / sectors
    unit = np.stack([np.cos(angle), squash * np.sin(angle)], axis=-1)
    pieces = []
    for a, b in pairwise(unit):
        corners = [
            [*(radius * direction), z]
            for direction in (a, b)
            for radii in (inner, outer)
            for radius, z in zip(radii, (low, high), strict=True)
        ]
        pieces.append(np.array(corners))
    return pieces


def cloud(rng: np.random.Generator, count: int, radii: Vector) -> Piece:
    """Random points on an ellipsoid."""
    direction = rng.normal(size=(count, 3))
    return direction / np.linalg.norm(direction, axis=1, keepdims=True) * np.asarray(radii)


def turned(piece: Piece, rotation: np.ndarray, shift: Vector = (0, 0, 0)) -> Piece:
    """A piece turned by a rotation matrix, then shifted."""
    return piece @ rotation.T + np.asarray(shift)


def about(axis: str, angle: float) -> np.ndarray:
    """The rotation matrix about ``x``, ``y`` or ``z`` by ``angle`` rad."""
    c, s = math.cos(angle), math.sin(angle)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def reduced(points: Piece, limit: int = MAX_POINTS) -> Piece:
    """At most ``limit`` of the points, those that lie farthest out in evenly spread directions.

    Their hull lies inside the hull of all points and comes close to it.
    """
    points = np.unique(points, axis=0)
    if len(points) <= limit:
        return points
    centred = points - points.mean(axis=0)
    for count in range(4 * limit, limit - 1, -4):
        extreme = np.unique(np.argmax(centred @ spread_directions(count).T, axis=0))
        if len(extreme) <= limit:
            return points[extreme]
    raise AssertionError("as many directions as points may be kept are always enough")


def spread_directions(count: int) -> np.ndarray:
    """Unit vectors ``(count, 3)`` spread over the sphere (Fibonacci lattice)."""
    index = np.arange(count) + 0.5
    z = 1.0 - 2.0 * index / count
    angle = math.pi * (1.0 + math.sqrt(5.0)) * index
    radius = np.sqrt(1.0 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1)
