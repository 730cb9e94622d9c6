"""Opponents that are written down, for walkers that can be told where to go."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from robo_ts.env.observations import ObservationGroup
from robo_ts.env.players import Memoryless, Player
from robo_ts.envs.soccer.field import distance
from robo_ts.errors import RoboTSError

_READS = ("privileged",)


class Still(Memoryless):
    """Does nothing."""

    name = "still"
    groups: tuple[str, ...] = _READS

    def __init__(self, num_actions: int) -> None:
        self.num_actions = num_actions

    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        return torch.zeros(len(seats), self.num_actions, device=seats.device)


class Random:
    """Wanders: its actions are noise that changes slowly (a correlation of 0.9 per step)."""

    name = "random"
    groups: tuple[str, ...] = _READS

    def __init__(self, num_actions: int) -> None:
        self.num_actions = num_actions
        self.generator = torch.Generator()
        self.noise = torch.zeros(0, num_actions)

    def sit(self, seats: int, generator: torch.Generator) -> None:
        self.generator = generator
        self.noise = torch.zeros(seats, self.num_actions, device=generator.device)

    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        # Drawn for every seat, so that chance does not depend on who else plays.
        fresh = torch.randn(self.noise.shape, generator=self.generator, device=seats.device)
        self.noise = 0.9 * self.noise + 0.45 * fresh
        return self.noise[seats].clamp(-1.0, 1.0)

    def clear(self, seats: Tensor) -> None:
        self.noise[seats] = 0.0

    def memory(self) -> dict[str, Tensor]:
        return {"noise": self.noise}

    def load_memory(self, memory: Mapping[str, Tensor]) -> None:
        self.noise = memory["noise"]


class Chaser(Memoryless):
    """Goes behind the ball and kicks it at the goal."""

    name = "chaser"
    groups: tuple[str, ...] = _READS

    def __init__(self, view: ObservationGroup) -> None:
        self.slices = view.slices()

    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        view = obs["privileged"]
        ball = view[:, self.slices["true_ball"]][:, :2]
        goal = view[:, self.slices["true_attacked_goal"]]
        way = goal - ball
        way = way / distance(way).clamp_min(1e-6)[:, None]
        aside = torch.stack([-way[:, 1], way[:, 0]], dim=-1)
        # The ball from the player, along and across the way it shall take.
        along, across = (ball * way).sum(-1), (ball * aside).sum(-1)
        behind = along > 0.1
        lined_up = behind & (across.abs() < 0.06)
        to = ball - 0.25 * way
        # Around the ball, not through it.
        round_it = torch.where(across > 0.0, -1.0, 1.0)[:, None] * 0.35 * aside
        to = torch.where((along < 0.15)[:, None], ball + round_it - 0.25 * way, to)
        to = torch.where(lined_up[:, None], ball + 0.2 * way, to)
        # It looks at the ball from afar and along the way close by.
        far = (distance(ball) > 0.8)[:, None]
        return _drive(to, torch.where(far, ball, way), ball, lined_up)


class Goalkeeper(Memoryless):
    """Stays between the ball and its own goal, and kicks away what comes near."""

    name = "goalkeeper"
    groups: tuple[str, ...] = _READS

    def __init__(self, view: ObservationGroup) -> None:
        self.slices = view.slices()

    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        view = obs["privileged"]
        ball = view[:, self.slices["true_ball"]][:, :2]
        goal = view[:, self.slices["true_own_goal"]]
        way = ball - goal
        way = way / distance(way).clamp_min(1e-6)[:, None]
        return _drive(goal + 0.5 * way, ball, ball, ball[:, 0] > 0.0)


def _drive(to: Tensor, look: Tensor, ball: Tensor, may_kick: Tensor) -> Tensor:
    """Box actions that go to ``to`` and turn to ``look``, ``(n, 2)`` in the body frame."""
    gap = distance(to).clamp_min(1e-6)[:, None]
    speed = to / gap * (6.0 * gap).clamp_max(1.0)
    bearing = torch.atan2(look[:, 1], look[:, 0])
    turn = (2.0 * bearing).clamp(-1.0, 1.0)
    kick = may_kick & (ball[:, 0] < 0.22) & (ball[:, 0] > 0.0) & (ball[:, 1].abs() < 0.1)
    kick &= bearing.abs() < 0.25
    pan = (torch.atan2(ball[:, 1], ball[:, 0]) / (0.25 * math.pi)).clamp(-1.0, 1.0)
    kicks = torch.where(kick, 1.0, -1.0)
    return torch.stack([speed[:, 0], speed[:, 1], turn, kicks, pan], dim=-1)


class Dribbler(Chaser):
    """A chaser that pushes the ball before it and never kicks."""

    name = "dribbler"

    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        action = super().act(obs, seats)
        action[:, 3] = -1.0
        return action


class Defender(Memoryless):
    """A goalkeeper that comes out as a chaser while the ball is in its own half."""

    name = "defender"
    groups: tuple[str, ...] = _READS

    def __init__(self, view: ObservationGroup) -> None:
        self.slices = view.slices()
        self.chaser, self.goalkeeper = Chaser(view), Goalkeeper(view)

    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        view = obs["privileged"]
        ball = view[:, self.slices["true_ball"]][:, :2]
        goals = (view[:, self.slices[name]] for name in ("true_own_goal", "true_attacked_goal"))
        to_own, to_other = (distance(ball - goal) for goal in goals)
        near = (to_own < to_other)[:, None]
        chased, kept = self.chaser.act(obs, seats), self.goalkeeper.act(obs, seats)
        return torch.where(near, chased, kept)


_DRIVEN = {one.name: one for one in (Chaser, Dribbler, Defender, Goalkeeper)}
SCRIPTED = (*_DRIVEN, "random", "still")


def scripted(name: str, walker: str, view: ObservationGroup, num_actions: int) -> Player:
    """The scripted player called ``name``.

    Raises:
        RoboTSError: for a walker that cannot be told where to go.
    """
    if name == "still":
        return Still(num_actions)
    if name == "random":
        return Random(num_actions)
    if walker != "box":
        raise RoboTSError(
            "opponents such as still, random or the folder of a policy, for a walker with legs",
            f"{name!r} for walker {walker!r}",
            "only a box can be told where to go",
        )
    return _DRIVEN[name](view)
