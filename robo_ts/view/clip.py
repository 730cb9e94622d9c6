"""What a video is made of: the moments of a session, kept without pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np

from robo_ts.env.viewing import Ground
from robo_ts.view.layout import Grid, make_grid
from robo_ts.view.session import Session


@dataclass(frozen=True)
class Moment:
    """One frame.

    Attributes:
        states: per lane what :meth:`robo_ts.view.poses.Poses.place` needs, ``scale`` and
            ``markers``.
        ended: ``(lanes, num)``, as in :class:`robo_ts.view.snapshot.LaneView`.
        counts: per lane, successes and episodes so far.
        images: what the first lane's student sees in the chosen world, by group.
        seed: of the episodes.
        time: since they began, s.
    """

    states: list[dict[str, np.ndarray]]
    ended: np.ndarray
    counts: list[tuple[int, int]]
    images: dict[str, np.ndarray]
    seed: int
    time: float


@dataclass
class Clip:
    """Moments of one session, all of the same lanes.

    Attributes:
        task: the task's name.
        players: who acts, one per lane.
        model: of all worlds.
        grid: where they stand.
        root: the body whose path is drawn.
        ground: a rectangle on every world's floor.
        fps: moments per second of the video.
        moments: in order.
    """

    task: str
    players: list[str]
    model: mujoco.MjModel
    grid: Grid
    root: int
    fps: float
    moments: list[Moment] = field(default_factory=list)
    ground: Ground | None = None


def begin_clip(session: Session, fps: float) -> Clip:
    """An empty clip of a session."""
    model, bodies = session.model, session.bodies()
    return Clip(
        session.task_name,
        session.players,
        model,
        make_grid(session.num_envs, len(session.lanes), session.view, model),
        model.body(bodies[0]).id if bodies else min(1, model.nbody - 1),
        fps,
        ground=session.view.ground,
    )


def take(session: Session) -> Moment:
    """The session as it is now; copies."""
    return Moment(
        [lane.states() for lane in session.lanes],
        np.stack([lane.ended for lane in session.lanes]),
        [(lane.successes, lane.episodes) for lane in session.lanes],
        session.lanes[0].images(session.world),
        session.seed,
        session.step_count * session.step_dt,
    )
