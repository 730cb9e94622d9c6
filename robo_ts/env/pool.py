"""Pools: a task whose robots are drawn may draw a few once and fly only these.

A specialist knows one robot; whoever is to ask the right specialist must know which robot flies
where. A task with a pool tells it in an observation group of its own, which no student may read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from robo_ts.env.observations import ObservationGroup, Term
from robo_ts.errors import RoboTSError

if TYPE_CHECKING:
    from robo_ts.env.registry import TaskSpec

POOL, INDEX = "pool", "index"
# The metric of ``evaluate()`` that tells the robot, a whole number.
POOL_MEMBER = "pool_member"


def pool_group(size: int) -> ObservationGroup:
    """The group that tells which of ``size`` robots a world has."""
    return ObservationGroup(POOL, (Term(INDEX, 1, f"of {size}"),), deployable=False)


def spread(worlds: Tensor, num_envs: int, size: int, chance: Tensor) -> Tensor:
    """Which robot of a pool each of some worlds has: world w that number w of ``num_envs`` comes
    to, ``floor((w + chance) size / num_envs)``.

    With a multiple of ``size`` worlds that is the same robot in every episode, equally many worlds
    of each, in order. With fewer worlds than robots every robot has its turn over the episodes.

    Args:
        worlds: their numbers, ``(n,)``.
        num_envs: worlds in all.
        size: robots in the pool.
        chance: ``(n,)`` in [0, 1).

    Returns:
        ``(n,)`` long.
    """
    place = (worlds.double() + chance.double()) * size / num_envs
    return place.long().clamp_max(size - 1)


def grouped(num_envs: int, size: int, name: str = "a number of worlds") -> int:
    """Worlds per robot where every robot has equally many.

    Args:
        num_envs: worlds.
        size: robots in the pool.
        name: of the setting that says how many worlds.

    Raises:
        RoboTSError: when it cannot.
    """
    if num_envs < size or num_envs % size:
        raise RoboTSError(
            f"{name} that is a multiple of the {size} robots in the pool",
            str(num_envs),
            f"use {max(round(num_envs / size), 1) * size} worlds, or a pool of another size",
        )
    return num_envs // size


def pool_size(spec: TaskSpec, config: Any) -> int:
    """Robots in the pool that a task's settings declare; 0 for none."""
    return int(getattr(config, spec.pool).pool) if spec.pool else 0


def with_pool_of(spec: TaskSpec, config: Any, other: Any) -> Any:
    """A task's settings, with the robots of other settings of that task."""
    return replace(config, **{spec.pool: getattr(other, spec.pool)}) if spec.pool else config
