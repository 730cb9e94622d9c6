"""What is shown of a moment: plain arrays, no simulator and no page."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# What has become of a world's episode.
RUNNING, SUCCEEDED, FAILED = range(3)


@dataclass(frozen=True)
class TermView:
    """One observation term of one world.

    Attributes:
        group: the observation group it belongs to.
        name: of the term.
        unit: its unit.
        frame: the frame it is expressed in.
        deployable: whether a sensor gives it.
        read: whether the shown policy reads it.
        values: the numbers.
    """

    group: str
    name: str
    unit: str
    frame: str
    deployable: bool
    read: bool
    values: np.ndarray


@dataclass(frozen=True)
class LaneView:
    """All worlds of one policy.

    Attributes:
        player: the policy's name.
        text: what it is, in a few words.
        positions: of every body, ``(num, nbody, 3)`` m.
        quaternions: of every body, ``(num, nbody, 4)``, w first.
        scale: how large the bodies are drawn, ``(num,)``.
        markers: points to mark, ``(num, count, 3)`` m.
        ended: ``RUNNING``, ``SUCCEEDED`` or ``FAILED``, ``(num,)``.
        episodes: ended since the last reset.
        successes: of these.
        shapes: what bodies look like that differ between worlds,
            :func:`robo_ts.view.shapes.read_shapes`; None where all look alike.
    """

    player: str
    text: str
    positions: np.ndarray
    quaternions: np.ndarray
    scale: np.ndarray
    markers: np.ndarray
    ended: np.ndarray
    episodes: int = 0
    successes: int = 0
    shapes: np.ndarray | None = None


@dataclass(frozen=True)
class WorldView:
    """One world of one policy.

    Attributes:
        terms: what sensors and simulator say, in the task's order.
        images: of the task's cameras, ``(height, width, 3)`` uint8 by group.
        action: of the policy, ``(num_actions,)``; None where nobody acts.
        reference: what the teacher would do; None where there is no teacher.
        memory: norm of the policy's memory; None where it has none.
        reward: of the last step.
        metrics: of the episode so far, by name; some are yes or no.
        outcome: what has become of the episode, in words.
    """

    terms: list[TermView] = field(default_factory=list)
    images: dict[str, np.ndarray] = field(default_factory=dict)
    action: np.ndarray | None = None
    reference: np.ndarray | None = None
    memory: float | None = None
    reward: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    outcome: str = "running"


@dataclass(frozen=True)
class Snapshot:
    """A moment of a session.

    Attributes:
        step: control steps since the episodes began.
        time: s since then.
        seed: of the episodes.
        world: the chosen world.
        lanes: one per policy.
        chosen: the chosen world in each lane.
    """

    step: int
    time: float
    seed: int
    world: int
    lanes: list[LaneView]
    chosen: list[WorldView]
