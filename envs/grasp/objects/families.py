"""Families of objects. A family is a category, its random parameters make the instances.

Shapes are drawn at a size of about one; the generator scales them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from robo_ts.envs.grasp.objects.pieces import (
    Piece,
    about,
    bar,
    box,
    cloud,
    frustum,
    prism,
    superquadric,
    turned,
    wall,
)

Family = Callable[[np.random.Generator], list[Piece]]
MAX_PIECES = 12


def superquadrics(rng: np.random.Generator) -> list[Piece]:
    """Boxes, eggs, cylinders, pillows and what lies between."""
    e1, e2 = rng.uniform(0.2, 1.8, 2)
    return [superquadric(rng.uniform(0.35, 1.0, 3), e1, e2)]


def chains(rng: np.random.Generator) -> list[Piece]:
    """Bent, tapering rows of two to four superquadrics, such as bananas and peppers."""
    count, bend = rng.integers(2, 5), rng.uniform(0.0, 0.5)
    e1, e2 = rng.uniform(0.6, 1.2, 2)
    radius, length, taper = rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.7), rng.uniform(0.75, 1.0)
    place, angle, pieces = np.zeros(3), 0.0, []
    for _ in range(count):
        part = superquadric([radius, radius, length], e1, e2)
        rotation = about("y", angle)
        pieces.append(turned(part, rotation, place))
        place = place + rotation @ np.array([0.0, 0.0, 1.3 * length])
        angle, radius = angle + bend, radius * taper
    return pieces


def _turned_profile(radii: np.ndarray, heights: np.ndarray, squash: float = 1.0) -> list[Piece]:
    """A stack of cone slices."""
    steps = zip(radii[:-1], radii[1:], heights[:-1], heights[1:], strict=True)
    return [frustum(a, b, low, high, 14, squash) for a, b, low, high in steps]


def bottles(rng: np.random.Generator) -> list[Piece]:
    """Body, shoulder, neck and cap."""
    body, neck = rng.uniform(0.3, 0.55), rng.uniform(0.12, 0.22)
    heights = np.cumsum([0.0, rng.uniform(0.7, 1.4), rng.uniform(0.15, 0.4), 0.3, 0.15])
    waist = body * rng.uniform(0.85, 1.0)
    radii = np.array([body, waist, neck, neck * rng.uniform(0.9, 1.0)])
    pieces = _turned_profile(radii, heights[:4], rng.uniform(0.6, 1.0))
    return [*pieces, frustum(1.3 * neck, 1.3 * neck, heights[3], heights[4])]


def vases(rng: np.random.Generator) -> list[Piece]:
    """Solid turned bodies with a wavy profile: vases, spools, chess pieces."""
    count = rng.integers(3, 7)
    heights = np.linspace(0.0, rng.uniform(0.9, 2.0), count + 1)
    wave = rng.uniform(0.1, 0.35) * np.sin(rng.uniform(2, 7) * heights + rng.uniform(0, 6.3))
    radii = np.maximum(rng.uniform(0.3, 0.5) + wave, 0.12)
    return _turned_profile(radii, heights)


def prisms(rng: np.random.Generator) -> list[Piece]:
    """Outlines of three to ten corners, straight or slanted along their axis."""
    count = rng.integers(3, 11)
    angle = np.sort(rng.uniform(0, 2 * math.pi, count)) if rng.random() < 0.4 else None
    angle = 2 * math.pi * np.arange(count) / count if angle is None else angle
    if np.diff(angle, append=angle[0] + 2 * math.pi).max() > 2.6:  # no slivers
        angle = 2 * math.pi * np.arange(count) / count
    outline = np.stack([np.cos(angle), rng.uniform(0.5, 1.0) * np.sin(angle)], axis=-1)
    height = rng.uniform(0.5, 2.5)
    piece = prism(outline, 0.0, height)
    piece[len(outline) :, :2] *= rng.uniform(0.6, 1.0)
    return [piece]


def profiles(rng: np.random.Generator) -> list[Piece]:
    """Extruded letters L, T, U and Z."""
    thick, depth = rng.uniform(0.25, 0.5), rng.uniform(0.3, 1.2)
    tall, wide = rng.uniform(0.8, 1.6), rng.uniform(0.8, 1.6)
    base = box([wide, depth, thick], [0.0, 0.0, 0.5 * thick])
    left, right = -0.5 * (wide - thick), 0.5 * (wide - thick)
    kind = rng.integers(4)
    if kind == 0:
        return [base, box([thick, depth, tall], [left, 0.0, thick + 0.5 * tall])]
    if kind == 1:
        return [base, box([thick, depth, tall], [0.0, 0.0, thick + 0.5 * tall])]
    if kind == 2:
        posts = [box([thick, depth, tall], [x, 0.0, thick + 0.5 * tall]) for x in (left, right)]
        return [base, *posts]
    upper = box([wide, depth, thick], [wide - thick, 0.0, thick + tall + 0.5 * thick])
    return [base, box([thick, depth, tall], [right, 0.0, thick + 0.5 * tall]), upper]


def hammers(rng: np.random.Generator) -> list[Piece]:
    """A handle and a head across its end."""
    length, radius = rng.uniform(1.2, 2.2), rng.uniform(0.12, 0.2)
    half, head = rng.uniform(0.3, 0.6), rng.uniform(0.18, 0.32)
    handle = bar(np.zeros(3), np.array([0.0, 0.0, length]), radius)
    top = np.array([0.0, 0.0, length])
    across = np.array([half, 0.0, 0.0])
    blunt = bar(top - across, top + rng.uniform(0.3, 1.0) * across, head, 12)
    if rng.random() < 0.5:
        return [handle, blunt]
    blade = box([half, 2.0 * head, 0.3 * head], top + across)
    return [handle, blunt, blade]


def tools(rng: np.random.Generator) -> list[Piece]:
    """Screwdrivers, brushes and pestles: rods of different thickness on one axis."""
    lengths = rng.uniform(0.3, 1.0, rng.integers(2, 5))
    heights = np.concatenate([[0.0], np.cumsum(lengths)])
    radii = rng.uniform(0.13, 0.35, len(lengths))
    ends = radii * rng.uniform(0.7, 1.0, len(lengths))
    rows = zip(radii, ends, heights[:-1], heights[1:], strict=True)
    return [frustum(a, b, low, high, 12) for a, b, low, high in rows]


def pebbles(rng: np.random.Generator) -> list[Piece]:
    """Hulls of 8 to 32 random points."""
    return [cloud(rng, int(rng.integers(8, 33)), rng.uniform(0.4, 1.0, 3))]


def clusters(rng: np.random.Generator) -> list[Piece]:
    """Two to five random primitives that touch."""
    pieces: list[Piece] = []
    place = np.zeros(3)
    for _ in range(rng.integers(2, 6)):
        size = rng.uniform(0.3, 0.6, 3)
        kind = rng.integers(3)
        if kind == 0:
            part = box(2.0 * size)
        elif kind == 1:
            part = frustum(size[0], size[0], -size[2], size[2], 12)
        else:
            part = superquadric(size, 1.0, 1.0)
        rotation = about("x", rng.uniform(0, 6.3)) @ about("z", rng.uniform(0, 6.3))
        pieces.append(turned(part, rotation, place))
        step = rng.normal(size=3)
        place = place + 0.6 * step / np.linalg.norm(step)
    return pieces


def cups(rng: np.random.Generator) -> list[Piece]:
    """A wall of eight sectors on a base; open above."""
    bottom, top = rng.uniform(0.35, 0.6), rng.uniform(0.4, 0.65)
    height, thick = rng.uniform(0.7, 1.5), rng.uniform(0.1, 0.16)
    walls = wall((bottom - thick, top - thick), (bottom, top), 0.0, height, 8)
    return [frustum(bottom, bottom, -thick, 0.0, 8), *walls]


def rings(rng: np.random.Generator) -> list[Piece]:
    """Tubes, nuts and tape rolls."""
    sectors = int(rng.integers(6, 11))
    outer, hole = rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.75)
    inner, height = outer * hole, rng.uniform(0.3, 1.3)
    return wall((inner, inner), (outer, outer), 0.0, height, sectors, rng.uniform(0.7, 1.0))


def slabs(rng: np.random.Generator) -> list[Piece]:
    """Thin things: cards, books, discs, bars of soap, telephones."""
    thick = rng.uniform(0.16, 0.4)
    if rng.random() < 0.3:
        return [frustum(0.6, 0.6 * rng.uniform(0.85, 1.0), 0.0, thick, 16, rng.uniform(0.6, 1))]
    width, length = rng.uniform(0.6, 1.1), rng.uniform(1.1, 2.2)
    body = box([width, length, thick])
    if rng.random() < 0.5:
        return [body]
    lump = box([0.5 * width, 0.3 * length, 0.5 * thick])
    return [body, lump + np.array([0.0, rng.uniform(-0.3, 0.3) * length, 0.7 * thick])]


def stools(rng: np.random.Generator) -> list[Piece]:
    """A seat on three or four legs."""
    count, thick = int(rng.integers(3, 5)), rng.uniform(0.15, 0.3)
    radius, tall = rng.uniform(0.45, 0.7), rng.uniform(0.5, 1.0)
    leg = rng.uniform(0.09, 0.14)
    angle = 2.0 * math.pi * (np.arange(count) + 0.5) / count
    feet = 0.75 * radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    seat = frustum(radius, radius, tall, tall + thick, 12)
    legs = [bar(np.r_[1.1 * foot, 0.0], np.r_[foot, tall + 0.3 * thick], leg) for foot in feet]
    return [seat, *legs]


def stars(rng: np.random.Generator) -> list[Piece]:
    """Three or five arms around an axis."""
    count = 3 if rng.random() < 0.5 else 5
    reach, wide, tall = rng.uniform(0.6, 1.0), rng.uniform(0.2, 0.35), rng.uniform(0.3, 1.0)
    arm = box([reach, wide, tall], [0.5 * reach, 0.0, 0.0])
    return [turned(arm, about("z", 2.0 * math.pi * k / count)) for k in range(count)]


def mugs(rng: np.random.Generator) -> list[Piece]:
    """A cup of seven sectors with a handle of three rods."""
    radius, height, thick = rng.uniform(0.4, 0.55), rng.uniform(0.8, 1.2), rng.uniform(0.1, 0.15)
    walls = wall((radius - thick, radius - thick), (radius, radius), 0.0, height, 7)
    reach, rod = radius + rng.uniform(0.3, 0.45), rng.uniform(0.08, 0.12)
    low, high = rng.uniform(0.15, 0.3) * height, rng.uniform(0.7, 0.85) * height
    corners = [np.array(c) for c in ([radius - 0.6 * thick, 0, low], [reach, 0, low + 0.1])]
    corners += [np.array(c) for c in ([reach, 0, high - 0.1], [radius - 0.6 * thick, 0, high])]
    rods = [bar(a, b, rod, 6) for a, b in pairwise(corners)]
    return [frustum(radius, radius, -thick, 0.0, 7), *walls, *rods]


def pluses(rng: np.random.Generator) -> list[Piece]:
    """Two crossed bars, or three."""
    long, other, third = rng.uniform(1.0, 1.8, 3)
    wide, tall = rng.uniform(0.25, 0.45, 2)
    bars = [box([long, wide, tall]), box([wide, other, tall])]
    return [*bars, box([wide, wide, third])] if rng.random() < 0.5 else bars


def dumbbells(rng: np.random.Generator) -> list[Piece]:
    """A grip between two weights."""
    grip, weight = rng.uniform(0.12, 0.22), rng.uniform(0.35, 0.55)
    length, wide = rng.uniform(0.7, 1.2), rng.uniform(0.2, 0.5)
    middle = frustum(grip, grip, -0.5 * length, 0.5 * length, 12)
    round_ = rng.random() < 0.4
    ends = []
    for side in (-1.0, 1.0):
        at = side * 0.5 * (length + wide)
        if round_:
            ball = superquadric([weight, weight, weight], 1.0, 1.0)
            ends.append(ball + np.array([0.0, 0.0, side * length * 0.6]))
        else:
            ends.append(frustum(weight, weight, at - 0.5 * wide, at + 0.5 * wide, 12))
    return [middle, *ends]


def bowls(rng: np.random.Generator) -> list[Piece]:
    """Wide, open and low: a slanted wall of nine sectors on a small base."""
    bottom, top = rng.uniform(0.25, 0.45), rng.uniform(0.6, 0.9)
    height, thick = rng.uniform(0.35, 0.6), rng.uniform(0.09, 0.14)
    walls = wall((bottom - thick, top - thick), (bottom, top), 0.0, height, 9)
    return [frustum(bottom, bottom, -thick, 0.0, 9), *walls]


def cubes(rng: np.random.Generator) -> list[Piece]:
    """One cube of 5 cm, in metres: the first thing a hand should learn."""
    return [box([0.05, 0.05, 0.05])]


def primitives(rng: np.random.Generator) -> list[Piece]:
    """Boxes, cylinders and ellipsoids."""
    size, kind = rng.uniform(0.4, 1.0, 3), rng.integers(3)
    if kind == 0:
        return [box(2.0 * size)]
    if kind == 1:
        return [frustum(size[0], size[0], -size[2], size[2], 16)]
    return [superquadric(size, 1.0, 1.0)]


TRAIN: dict[str, Family] = {
    "superquadric": superquadrics,
    "chain": chains,
    "bottle": bottles,
    "vase": vases,
    "prism": prisms,
    "profile": profiles,
    "hammer": hammers,
    "tool": tools,
    "pebble": pebbles,
    "cluster": clusters,
    "cup": cups,
    "ring": rings,
    "slab": slabs,
    "stool": stools,
    "star": stars,
}
HELD_OUT: dict[str, Family] = {"mug": mugs, "plus": pluses, "dumbbell": dumbbells, "bowl": bowls}
# In no split; for first steps and for tests.
SIMPLE: dict[str, Family] = {"cube": cubes, "primitive": primitives}
FAMILIES: dict[str, Family] = TRAIN | HELD_OUT | SIMPLE
IN_METRES = ("cube",)  # not to be scaled
