"""Where ball and players are when an episode begins."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from robo_ts.envs.soccer.config import StartConfig
from robo_ts.envs.soccer.field import distance
from robo_ts.envs.soccer.pitch import HALF_LENGTH, HALF_WIDTH

_MARGIN = 0.2  # m, between players and lines
_APART = 0.45  # m, between two players
_CLEAR = 0.3  # m, between a player and the ball
# Whole line-ups drawn per world, of which the first that fits is taken. More than half do in a set
# piece of 2v2, the hardest case, so that all fail in one of a hundred million worlds.
_CANDIDATES = 24


class Start(NamedTuple):
    """Places in the world frame.

    Attributes:
        ball: ``(n, 2)`` m.
        position: of the players, ``(n, players, 2)`` m.
        yaw: of the players, ``(n, players)`` rad.
    """

    ball: Tensor
    position: Tensor
    yaw: Tensor


def begin(config: StartConfig, n: int, home: int, away: int, generator: torch.Generator) -> Start:
    """Places for ``n`` worlds of ``home`` and ``away`` players."""
    device, players = generator.device, home + away
    shares = torch.tensor([config.kickoff, config.set_piece, config.anywhere]).to(device).float()
    kind = torch.multinomial(shares, n, replacement=True, generator=generator)[:, None]
    draw = torch.rand(n, _CANDIDATES, 2 + 3 * players, generator=generator, device=device)
    spread = torch.tensor([config.ball_x, config.ball_y], device=device)
    ball = spread * (2.0 * draw[..., :2] - 1.0) * (kind != 0)[..., None]
    in_front = torch.stack([ball[..., 0].abs(), ball[..., 1]], dim=-1)
    ball = torch.where((kind == 1)[..., None], in_front, ball)
    place = draw[..., 2 : 2 + 2 * players].unflatten(-1, (players, 2))
    turn = math.pi * (2.0 * draw[..., 2 + 2 * players :] - 1.0)

    limit = torch.tensor([HALF_LENGTH - _MARGIN, HALF_WIDTH - _MARGIN], device=device)
    position = limit * (2.0 * place - 1.0)
    # Own halves at a kick-off: home at negative, away at positive x.
    side = torch.ones(players, device=device)
    side[:home] = -1.0
    own_half = torch.stack(
        [side * (_CLEAR + (limit[0] - _CLEAR) * place[..., 0]), position[..., 1]], -1
    )
    position = torch.where((kind == 0)[..., None, None], own_half, position)
    radius = config.nearest + (config.farthest - config.nearest) * place[..., 0, 0]
    angle = 2.0 * math.pi * place[..., 0, 1]
    near = ball + radius[..., None] * torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
    position[..., 0, :] = torch.where((kind == 1)[..., None], near, position[..., 0, :])

    free = _free(ball, position, limit)
    best = free.float().argmax(dim=1)  # the first one that is free
    rows = torch.arange(n, device=device)
    ball, position, turn = ball[rows, best], position[rows, best], turn[rows, best]
    to_ball = ball[:, None] - position
    looking = torch.atan2(to_ball[..., 1], to_ball[..., 0]) + 0.1 * turn
    return Start(ball, position, torch.where(kind == 0, looking, turn))


def lane(n: int, players: int, generator: torch.Generator) -> Start:
    """Places for a walk along the pitch: all at its rear, looking ahead, the ball in a corner."""
    draw = 2.0 * torch.rand(n, players, 2, generator=generator, device=generator.device) - 1.0
    ball = draw.new_tensor([HALF_LENGTH - 0.2, -HALF_WIDTH + 0.2]).expand(n, 2)
    behind = torch.full_like(draw[..., 0], -HALF_LENGTH + 0.4)
    position = torch.stack([behind, 0.5 * HALF_WIDTH * draw[..., 0]], dim=-1)
    return Start(ball, position, 0.1 * draw[..., 1])


def _free(ball: Tensor, position: Tensor, limit: Tensor) -> Tensor:
    """Which line-ups, ``(n, candidates)``, are on the pitch and touch nothing."""
    inside = (position.abs() <= limit + 1e-6).all(dim=-1).all(dim=-1)
    clear = (distance(position - ball[..., None, :]) >= _CLEAR).all(dim=-1)
    players = position.shape[-2]
    apart = distance(position[..., :, None, :] - position[..., None, :, :])
    apart = apart + 2.0 * _APART * torch.eye(players, device=position.device)
    return inside & clear & (apart >= _APART).flatten(-2).all(dim=-1)
