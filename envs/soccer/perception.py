"""Virtual perception: what a head camera and a detector would tell of ball, goals and players."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from robo_ts.env.observations import ObservationGroup, Term
from robo_ts.envs.soccer.config import MAX_TEAM, PerceptionConfig
from robo_ts.envs.soccer.field import Field, distance, rotated
from robo_ts.envs.soccer.pitch import GOAL_HEIGHT, HALF_LENGTH
from robo_ts.envs.soccer.views import OTHERS, Seen, Team
from robo_ts.envs.soccer.walkers import Walker

_THINGS = (
    "ball",
    "attacked_goal",
    "own_goal",
    "teammate",
    *(f"opponent_{i}" for i in range(MAX_TEAM)),
)
THINGS = len(_THINGS)

PERCEPTION = ObservationGroup(
    "perception",
    tuple(
        term
        for name in _THINGS
        for term in (Term(f"{name}_detected", 1), Term(f"{name}_position", 2, "m", "body"))
    ),
    deployable=True,
)

# Whether the ball is in the head camera's picture, and whether it was of late, so that a student
# with a memory can know what a teacher acts upon.
SIGHT = ObservationGroup(
    "sight",
    (Term("ball_in_view", 1), Term("ball_known", 1)),
    deployable=False,
)
_OF_LATE = 0.51  # s: half a second, whatever the rounding


class Scene(NamedTuple):
    """What could be detected, from every player of a team; ``(worlds, viewers, THINGS, ...)``.

    Attributes:
        position: over the floor, in the body frame, m.
        in_view: whether it is there and its middle lies in the picture.
    """

    position: Tensor
    in_view: Tensor

    @property
    def ball_in_view(self) -> Tensor:
        """``(worlds, viewers)`` bool."""
        return self.in_view[..., 0]


def scene(walker: Walker, field: Field, team: Team, seen: Seen, sight: float) -> Scene:
    """Where things are, and whether they are in the picture of the head camera.

    Args:
        walker: what the players are.
        field: the worlds.
        team: who looks.
        seen: the other players.
        sight: how far it sees, m.
    """
    position, yaw = team.of(field.players.position), team.of(field.players.yaw)
    eye = walker.eye(team.of(field.qpos))
    worlds, viewers = yaw.shape
    goal = position.new_tensor([team.sign * HALF_LENGTH, 0.0])
    points = torch.empty(worlds, viewers, THINGS, 2, device=yaw.device)
    points[:, :, 0] = field.ball[:, None, :2]
    points[:, :, 1], points[:, :, 2] = goal, -goal
    points[:, :, 3:] = position[:, :, None] + seen.offset
    height = torch.full((worlds, viewers, THINGS), 0.5 * walker.height, device=yaw.device)
    height[:, :, 0] = field.ball[:, None, 2]
    height[:, :, 1:3] = 0.5 * GOAL_HEIGHT
    there = torch.ones(worlds, viewers, THINGS, dtype=torch.bool, device=yaw.device)
    there[:, :, THINGS - OTHERS :] = seen.present > 0.0

    ahead, left = rotated(points - eye.position[:, :, None, :2], eye.yaw[..., None]).unbind(-1)
    over = height - eye.position[:, :, None, 2]
    cos, sin = torch.cos(eye.pitch)[..., None], torch.sin(eye.pitch)[..., None]
    depth, up = cos * ahead - sin * over, sin * ahead + cos * over
    rise = math.tan(0.5 * walker.fovy)
    in_view = (
        there
        & (depth > 0.02)
        & (left.abs() < depth * rise * walker.aspect)
        & (up.abs() < depth * rise)
        & (depth < sight)
    )
    return Scene(rotated(points - position[:, :, None], yaw[..., None]), in_view)


def facing(walker: Walker, field: Field, team: Team) -> Tensor:
    """Cosine between line of sight and ball, seen from above, ``(worlds, viewers)``."""
    eye = walker.eye(team.of(field.qpos))
    offset = rotated(field.ball[:, None, :2] - eye.position[..., :2], eye.yaw)
    return offset[..., 0] / distance(offset).clamp_min(1e-6)


def sight(unseen: Tensor) -> Tensor:
    """The group ``sight`` from the time since the ball was in view, ``(worlds, viewers)`` s."""
    return torch.stack([unseen == 0.0, unseen <= _OF_LATE], dim=-1).float()


def exact(view: Scene) -> Tensor:
    """The group ``perception`` of a perfect detector, ``(worlds, viewers, size)``."""
    detected = view.in_view.float()[..., None]
    return torch.cat([detected, view.position * detected], dim=-1).flatten(2)


def detected(view: Scene, config: PerceptionConfig, generator: torch.Generator) -> Tensor:
    """The group ``perception`` with misses and noise, ``(worlds, viewers, size)``."""
    device = generator.device
    missed = torch.rand(view.in_view.shape, generator=generator, device=device) < config.dropout
    noise = torch.randn(view.position.shape, generator=generator, device=device)
    spread = config.noise + config.noise_per_m * distance(view.position)[..., None]
    there = (view.in_view & ~missed).float()[..., None]
    return torch.cat([there, (view.position + spread * noise) * there], dim=-1).flatten(2)
