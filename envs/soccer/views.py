"""What a player of either team knows, in its own frame: one policy plays either side.

The away team's world is the home team's, turned by half a turn about the middle. Everything here is
relative to the player, or in the frame of its team, so both see the same in the same situation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from robo_ts.env.observations import ObservationGroup, Term
from robo_ts.envs.soccer import legs
from robo_ts.envs.soccer.config import MAX_TEAM, OPPONENT_IDS
from robo_ts.envs.soccer.field import Field, distance, rotated
from robo_ts.envs.soccer.pitch import HALF_LENGTH
from robo_ts.envs.soccer.walkers import Walker

# Others a view has places for: teammates first, then opponents, nearest first.
OTHERS = (MAX_TEAM - 1) + MAX_TEAM


class Team(NamedTuple):
    """Who looks: the players ``first`` to ``last`` (not included), attacking towards ``sign`` x."""

    first: int
    last: int
    sign: float

    @property
    def rows(self) -> slice:
        """Its players among all."""
        return slice(self.first, self.last)

    def of(self, players: Tensor) -> Tensor:
        """Its part of what holds for all players, ``(worlds, players, ...)``."""
        return players[:, self.rows]


class Seen(NamedTuple):
    """The other players, from each player of a team; ``(worlds, viewers, OTHERS, ...)``.

    Attributes:
        present: whether there is one, 1 or 0.
        offset: from the viewer, in the world frame, m; 0 for absent ones.
        velocity: in the world frame, m/s; 0 for absent ones.
    """

    present: Tensor
    offset: Tensor
    velocity: Tensor


def proprioception_group(walker: Walker) -> ObservationGroup:
    """What a player feels of itself."""
    last = Term("last_action", len(walker.actions), "1", "none")
    return ObservationGroup("proprioception", (*walker.terms, last), deployable=True)


def privileged_group(walker: Walker) -> ObservationGroup:
    """The whole field, exact."""
    other = ("teammate", *(f"opponent_{i}" for i in range(MAX_TEAM)))
    terms = (
        *proprioception_group(walker).terms,
        Term("ball", 3, "m", "body"),
        Term("ball_velocity", 3, "m/s", "body"),
        Term("attacked_goal", 2, "m", "body"),
        Term("own_goal", 2, "m", "body"),
        Term("position", 2, "m", "team"),
        Term("heading", 2, "1", "team"),
        *(
            term
            for name in other
            for term in (
                Term(f"{name}_present", 1),
                Term(f"{name}_position", 2, "m", "body"),
                Term(f"{name}_velocity", 2, "m/s", "body"),
            )
        ),
        *legs.terms(walker),
    )
    # No sensor's term has the name of one that only a simulator knows.
    return ObservationGroup(
        "privileged",
        tuple(replace(term, name=f"true_{term.name}") for term in terms),
        deployable=False,
    )


OPPONENT = ObservationGroup("opponent", (Term("opponent_id", OPPONENT_IDS),), deployable=False)


def others(field: Field, team: Team) -> Seen:
    """The teammates and opponents of every player of ``team``."""
    position, velocity = field.players.position, field.players.velocity
    worlds, viewers = position.shape[0], team.last - team.first
    mates = list(range(team.first, team.last))
    foes = [p for p in range(position.shape[1]) if p not in mates]
    present = position.new_zeros(worlds, viewers, OTHERS)
    offset, speed = (position.new_zeros(worlds, viewers, OTHERS, 2) for _ in range(2))
    if len(mates) > 1:
        turned = mates[::-1]
        present[:, :, 0] = 1.0
        offset[:, :, 0] = position[:, turned] - position[:, mates]
        speed[:, :, 0] = velocity[:, turned]
    if foes:
        first = MAX_TEAM - 1
        away = position[:, None, foes] - position[:, mates, None]
        rate = velocity[:, None, foes].expand_as(away)
        if len(foes) > 1:
            nearest = distance(away).argsort(dim=-1, stable=True)[..., None].expand_as(away)
            away, rate = away.gather(2, nearest), rate.gather(2, nearest)
        present[:, :, first : first + len(foes)] = 1.0
        offset[:, :, first : first + len(foes)] = away
        speed[:, :, first : first + len(foes)] = rate
    return Seen(present, offset, speed)


def proprioception(walker: Walker, field: Field, team: Team, action: Tensor) -> Tensor:
    """The group ``proprioception`` of every player of ``team``, ``(worlds, viewers, size)``.

    Args:
        walker: what they are.
        field: the worlds.
        team: who looks.
        action: the last actions of all players, ``(worlds, players, num_actions)``.
    """
    felt = walker.proprioception(team.of(field.qpos), team.of(field.qvel))
    return torch.cat([felt, team.of(action)], dim=-1)


def privileged(
    felt: Tensor, field: Field, team: Team, seen: Seen, motion: Tensor | None = None
) -> Tensor:
    """The group ``privileged`` of every player of ``team``, ``(worlds, viewers, size)``.

    Args:
        felt: what :func:`proprioception` gave.
        field: the worlds.
        team: who looks.
        seen: the other players.
        motion: of walkers with legs, what :meth:`robo_ts.envs.soccer.legs.Legs.view` gives.
    """
    position, yaw = team.of(field.players.position), team.of(field.players.yaw)
    goal = position.new_tensor([team.sign * HALF_LENGTH, 0.0])
    ball = field.ball[:, None]
    # All planar vectors are turned into the body frame together.
    velocity = field.ball_velocity[:, None].expand(*position.shape[:2], 3)
    planar = torch.stack(
        [ball[..., :2] - position, velocity[..., :2], goal - position, -goal - position], dim=2
    )
    planar = torch.cat([planar, seen.offset, seen.velocity], dim=2)
    planar = rotated(planar, yaw[..., None])
    height = ball[..., 2:].expand(*position.shape[:2], 1)
    heading = team.sign * torch.stack([torch.cos(yaw), torch.sin(yaw)], dim=-1)
    parts = [felt, planar[:, :, 0], height, planar[:, :, 1], velocity[..., 2:]]
    parts += [planar[:, :, 2], planar[:, :, 3], team.sign * position, heading]
    for slot in range(OTHERS):
        parts += [seen.present[..., slot : slot + 1]]
        parts += [planar[:, :, 4 + slot], planar[:, :, 4 + OTHERS + slot]]
    parts += [motion] if motion is not None else []
    return torch.cat(parts, dim=-1)
