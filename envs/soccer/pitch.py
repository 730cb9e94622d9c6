"""The pitch, its goals, its ramps and the ball, as parts of an MjSpec.

The pitch lies in the plane z = 0 about the origin; the home team plays towards +x. Sizes are those
of Haarnoja et al. 2023 (arXiv 2304.13653): 5 m x 4 m, goals 0.8 m wide, sloped ramps on all four
sides that return the ball.
"""

from __future__ import annotations

import math
from typing import Any

import mujoco

HALF_LENGTH, HALF_WIDTH = 2.5, 2.0  # m, to the lines
GOAL_HALF_WIDTH, GOAL_HEIGHT, GOAL_DEPTH = 0.4, 0.6, 0.35  # m
POST_RADIUS = 0.025  # m
RAMP_WIDTH, RAMP_HEIGHT = 0.5, 0.25  # m, over the floor
BALL_RADIUS, BALL_MASS = 0.07, 0.2  # m, kg: a training ball of size 1

# Who collides with whom: contype and conaffinity bits.
GROUND, GOALS, BALL = 1, 2, 4

_BOX, _CYLINDER = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER
_GREEN, _WHITE, _ORANGE = [0.16, 0.45, 0.18, 1.0], [0.95, 0.95, 0.95, 1.0], [0.95, 0.45, 0.05, 1.0]
_GREY = [0.45, 0.46, 0.48, 1.0]
# The goal the home team attacks, at +x, and the one it defends.
GOAL_COLOURS = {1: [0.10, 0.30, 0.85, 1.0], -1: [0.95, 0.80, 0.10, 1.0]}


def add_pitch(spec: mujoco.MjSpec) -> None:
    """Floor, lines, ramps, goals and light, all fixed to the world."""
    world = spec.worldbody
    world.add_light(pos=[0.0, 0.0, 4.0], dir=[0.2, 0.1, -1.0], type=_DIRECTIONAL, castshadow=False)
    world.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[HALF_LENGTH + 1.5, HALF_WIDTH + 1.5, 0.1],
        rgba=_GREEN,
        contype=GROUND,
        conaffinity=0,
    )
    # Bodies of their own, because what is far from a body as a whole is not tested geom by geom.
    _add_lines(world.add_body(name="lines"))
    for side in ("left", "right", "front", "rear"):
        _add_ramps(world.add_body(name=f"ramp_{side}"), side)
    for side in (1, -1):
        _add_goal(world, side)


def add_ball(spec: mujoco.MjSpec) -> None:
    """The ball: a free sphere, first body of the world, so that its joint comes first."""
    ball = spec.worldbody.add_body(name="ball", pos=[0.0, 0.0, BALL_RADIUS])
    ball.add_freejoint(name="ball")
    ball.add_geom(
        name="ball",
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[BALL_RADIUS, 0.0, 0.0],
        rgba=_ORANGE,
        mass=BALL_MASS,
        typeinertia=mujoco.mjtGeomInertia.mjINERTIA_SHELL,
        contype=BALL,
        conaffinity=GROUND | GOALS,
        # Six dimensions, because only those resist rolling: it slows down by about 0.3 m/s2.
        condim=6,
        friction=[0.7, 0.005, ROLLING_FRICTION],
        priority=1,
        solref=[0.02, 0.5],  # half damped: it bounces a little
    )


# A rolling shell slows down by mu g / (r (1 + 2/3)).
ROLLING_FRICTION = 0.3 * BALL_RADIUS * (5.0 / 3.0) / 9.81
_DIRECTIONAL = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL


def _look(world: Any, name: str, pos: list[float], size: list[float]) -> None:
    world.add_geom(
        name=name,
        type=_BOX,
        pos=pos,
        size=size,
        rgba=_WHITE,
        contype=0,
        conaffinity=0,
        group=1,
    )


def _add_lines(world: Any) -> None:
    half, thick = 0.02, 0.001
    for side, name in ((1, "front"), (-1, "rear")):
        _look(
            world,
            f"line_{name}",
            [side * HALF_LENGTH, 0.0, thick],
            [half, HALF_WIDTH + half, thick],
        )
        _look(
            world,
            f"area_{name}",
            [side * (HALF_LENGTH - 0.6), 0.0, thick],
            [half, 0.9, thick],
        )
        for end in (1, -1):
            _look(
                world,
                f"area_{name}_{'left' if end > 0 else 'right'}",
                [side * (HALF_LENGTH - 0.3), end * 0.9, thick],
                [0.3, half, thick],
            )
    for side, name in ((1, "left"), (-1, "right")):
        _look(world, f"line_{name}", [0.0, side * HALF_WIDTH, thick], [HALF_LENGTH, half, thick])
    _look(world, "line_middle", [0.0, 0.0, thick], [half, HALF_WIDTH, thick])


def _add_ramps(body: Any, name: str) -> None:
    """Slopes that begin at a line; those of the short sides leave the goal's mouth free."""
    angle = math.atan2(RAMP_HEIGHT, RAMP_WIDTH)
    length = math.hypot(RAMP_HEIGHT, RAMP_WIDTH)
    thick = 0.05
    # Middle of a slab whose upper face runs from the line up to the outer edge.
    out = 0.5 * RAMP_WIDTH + thick * math.sin(angle)
    up = 0.5 * RAMP_HEIGHT - thick * math.cos(angle)
    side = 1 if name in ("left", "front") else -1
    common = {"type": _BOX, "rgba": _GREY, "contype": GROUND, "conaffinity": 0}
    if name in ("left", "right"):
        body.add_geom(
            name=f"ramp_{name}",
            pos=[0.0, side * (HALF_WIDTH + out), up],
            size=[HALF_LENGTH + RAMP_WIDTH, 0.5 * length, thick],
            quat=_about([1.0, 0.0, 0.0], side * angle),
            **common,
        )
        return
    free = GOAL_HALF_WIDTH + 2 * POST_RADIUS
    piece = 0.5 * (HALF_WIDTH + RAMP_WIDTH - free)
    for end, hand in ((1, "left"), (-1, "right")):
        body.add_geom(
            name=f"ramp_{name}_{hand}",
            pos=[side * (HALF_LENGTH + out), end * (free + piece), up],
            size=[0.5 * length, piece, thick],
            quat=_about([0.0, 1.0, 0.0], -side * angle),
            **common,
        )


def _add_goal(world: Any, side: int) -> None:
    name = "goal_front" if side > 0 else "goal_rear"
    body = world.add_body(name=name)
    common = {"rgba": GOAL_COLOURS[side], "contype": GOALS, "conaffinity": 0}
    line, middle = side * HALF_LENGTH, 0.5 * GOAL_HEIGHT
    beside = GOAL_HALF_WIDTH + POST_RADIUS
    for end, hand in ((1, "left"), (-1, "right")):
        body.add_geom(
            name=f"{name}_post_{hand}",
            type=_CYLINDER,
            pos=[line, end * beside, middle],
            size=[POST_RADIUS, middle, 0.0],
            **common,
        )
        body.add_geom(
            name=f"{name}_side_{hand}",
            type=_BOX,
            pos=[line + 0.5 * side * GOAL_DEPTH, end * beside, middle],
            size=[0.5 * GOAL_DEPTH, 0.01, middle],
            **common,
        )
    body.add_geom(
        name=f"{name}_back",
        type=_BOX,
        pos=[line + side * GOAL_DEPTH, 0.0, middle],
        size=[0.01, beside, middle],
        **common,
    )
    body.add_geom(
        name=f"{name}_bar",
        type=_BOX,
        pos=[line, 0.0, GOAL_HEIGHT],
        size=[POST_RADIUS, beside, POST_RADIUS],
        **common,
    )


def _about(axis: list[float], angle: float) -> list[float]:
    half = 0.5 * angle
    return [math.cos(half), *(math.sin(half) * x for x in axis)]
