"""What became of an episode: goals, touches, what was seen, how fast players walked and kicked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from robo_ts.envs.soccer.field import Field, distance
from robo_ts.envs.soccer.referee import Ruling

FAILURES = ("none", "too late", "conceded", "own goal", "fallen")
_TOO_LATE, _CONCEDED, _OWN_GOAL, _FALLEN = range(1, 5)
NOBODY = -1
# Farther than this from the ball a player is on its way, m.
_ON_ITS_WAY = 0.5


@dataclass
class Record:
    """What is kept of every running episode, one row per world.

    Attributes:
        goals: of the home and of the away team, ``(n, 2)``.
        own_goal: whether the home team scored one, ``(n,)`` bool.
        outs: how often the ball left the pitch, ``(n,)``.
        last_touch: the team that touched the ball last, 0 or 1, ``NOBODY`` before, ``(n,)`` long.
        first_touch: of each player, ``(n, players)`` s; infinite before.
        kick_speed: greatest speed over the floor of a ball the home team touched last, ``(n,)``
            m/s.
        viewed: steps with the ball in view, ``(n, players)``.
        unseen: time since the ball was last in view, ``(n, players)`` s; infinite before.
        first_seen: when it came into view, ``(n, players)`` s; infinite before.
        walked: sum of the speeds of steps on the way to the ball, ``(n, players)`` m/s.
        walking: number of these, ``(n, players)``.
    """

    goals: Tensor
    own_goal: Tensor
    outs: Tensor
    last_touch: Tensor
    first_touch: Tensor
    kick_speed: Tensor
    viewed: Tensor
    unseen: Tensor
    first_seen: Tensor
    walked: Tensor
    walking: Tensor

    @classmethod
    def empty(cls, worlds: int, players: int, device: torch.device) -> Record:
        """For worlds whose episodes begin."""

        def new(*shape: int, value: float = 0.0, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.full((worlds, *shape), value, dtype=dtype, device=device)

        def never() -> Tensor:
            return new(players, value=torch.inf)

        return cls(
            goals=new(2),
            own_goal=new(value=False, dtype=torch.bool),
            outs=new(),
            last_touch=new(value=NOBODY, dtype=torch.long),
            first_touch=never(),
            kick_speed=new(),
            viewed=new(players),
            unseen=never(),
            first_seen=never(),
            walked=new(players),
            walking=new(players),
        )

    def begin(self, worlds: Tensor) -> None:
        """Episodes begin in ``worlds (n,)``."""
        fresh = Record.empty(1, self.viewed.shape[1], worlds.device)
        for one in fields(self):
            getattr(self, one.name)[worlds] = getattr(fresh, one.name)

    def touch(
        self, touching: Tensor, to_ball: Tensor, home: int, field: Field, time: Tensor
    ) -> None:
        """Who touches the ball now.

        Args:
            touching: ``(n, players)`` bool.
            to_ball: distances, ``(n, players)`` m.
            home: players of the home team.
            field: the worlds.
            time: since the episodes began, ``(n,)`` s.
        """
        first = touching & self.first_touch.isinf()
        self.first_touch = torch.where(first, time[:, None], self.first_touch)
        # Of two that touch it at once, the nearer one has it.
        toucher = (torch.where(touching, to_ball, torch.inf).argmin(dim=1) >= home).long()
        self.last_touch = torch.where(touching.any(dim=1), toucher, self.last_touch)
        speed = distance(field.ball_velocity[:, :2]) * (self.last_touch == 0)
        self.kick_speed = torch.maximum(self.kick_speed, speed)

    def walk(self, to_ball: Tensor, field: Field) -> None:
        """How fast players are on their way; ``to_ball (n, players)`` m."""
        going = (to_ball > _ON_ITS_WAY).float()
        self.walked = self.walked + going * distance(field.players.velocity)
        self.walking = self.walking + going

    def score(self, ruling: Ruling) -> None:
        """What the referee says."""
        self.goals = self.goals + torch.stack([ruling.scored, ruling.conceded], dim=1)
        self.own_goal = self.own_goal | (ruling.conceded & (self.last_touch == 0))
        self.outs = self.outs + ruling.out

    def see(self, players: slice, in_view: Tensor, time: Tensor, dt: float) -> None:
        """A step has passed in which ``players`` had the ball in view, ``(n, players)`` bool."""
        self.viewed[:, players] += in_view
        self.unseen[:, players] = (self.unseen[:, players] + dt).masked_fill(in_view, 0.0)
        self._saw(slice(None), players, in_view, time)

    def start(self, worlds: Tensor, players: slice, in_view: Tensor) -> None:
        """Where the ball is in view when episodes begin in ``worlds (n,)``."""
        self.unseen[worlds, players] = torch.where(in_view, 0.0, torch.inf)
        self._saw(worlds, players, in_view, torch.zeros(len(worlds), device=worlds.device))

    def _saw(self, worlds: Tensor | slice, players: slice, in_view: Tensor, time: Tensor) -> None:
        before = self.first_seen[worlds, players]
        self.first_seen[worlds, players] = torch.where(in_view, time[:, None], before).minimum(
            before
        )

    def by_world(self, fallen: Tensor, time: Tensor) -> dict[str, Tensor]:
        """What is measured of worlds, ``(n,)`` each.

        Args:
            fallen: whose fall ends the episode, bool.
            time: since the episodes began, s.
        """
        scored, conceded = self.goals.unbind(dim=1)
        success = scored > conceded
        failure = torch.where(self.own_goal, _OWN_GOAL, _CONCEDED)
        failure = torch.where(conceded > scored, failure, _TOO_LATE)
        failure = torch.where(fallen, _FALLEN, failure).masked_fill(success, 0)
        return {
            "success": success,
            "success_ever": scored > 0,
            "failure": failure,
            "points": 0.5 * (1.0 + torch.sign(scored - conceded)),
            "scored": scored,
            "conceded": conceded,
            "own_goal": self.own_goal,
            "out_of_play": self.outs,
            "time_to_goal_s": torch.where(success, time, torch.inf),
            # Only of balls that were touched.
            "kick_speed_m_s": torch.where(self.kick_speed > 0.0, self.kick_speed, torch.inf),
        }

    def by_player(self, home: slice, steps: Tensor) -> dict[str, Tensor]:
        """What is measured of the home team's players, ``(n, home)`` each; ``steps (n,)``."""
        walking = self.walking[:, home]
        pace = self.walked[:, home] / walking.clamp_min(1.0)
        seen = self.first_seen[:, home]
        return {
            "first_touch_s": self.first_touch[:, home],
            "ball_in_view": self.viewed[:, home] / steps[:, None],
            "first_seen_s": seen,
            "ball_found": seen.isfinite(),
            "ball_at_start": seen == 0.0,
            "walking_speed_m_s": torch.where(walking > 0.0, pace, torch.inf),
        }

    def state(self) -> dict[str, Tensor]:
        """For bit-exact resume."""
        return {f"record.{one.name}": getattr(self, one.name) for one in fields(self)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore :meth:`state`."""
        for one in fields(self):
            setattr(self, one.name, state[f"record.{one.name}"])
