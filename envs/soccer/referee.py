"""The rules: goals, balls out of play, who touched the ball."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robo_ts.envs.soccer.pitch import (
    BALL_RADIUS,
    GOAL_HALF_WIDTH,
    GOAL_HEIGHT,
    HALF_LENGTH,
    HALF_WIDTH,
    RAMP_WIDTH,
)

# A ball that left the pitch comes back at this share of where it left it (dm_control throws it in
# at 0.7 to 0.9).
THROW_IN = 0.8


class Ruling(NamedTuple):
    """What happened, per world, bool.

    Attributes:
        scored: the ball is in the goal at +x, which the home team attacks.
        conceded: the ball is in the goal at -x.
        out: the ball is over the ramps.
    """

    scored: Tensor
    conceded: Tensor
    out: Tensor


def ruling(ball: Tensor) -> Ruling:
    """What the place of the ball, ``(worlds, 3)`` m, means."""
    x, y, z = ball.unbind(-1)
    # The whole of the ball has to cross the line.
    mouth = (y.abs() < GOAL_HALF_WIDTH) & (z < GOAL_HEIGHT)
    past = HALF_LENGTH + BALL_RADIUS
    scored, conceded = mouth & (x > past), mouth & (x < -past)
    out = (x.abs() > HALF_LENGTH + RAMP_WIDTH) | (y.abs() > HALF_WIDTH + RAMP_WIDTH)
    return Ruling(scored, conceded, out & ~scored & ~conceded)


def thrown_in(ball: Tensor) -> Tensor:
    """Where a ball that left at ``ball (n, 3)`` m is put, ``(n, 3)``."""
    limit = ball.new_tensor([HALF_LENGTH, HALF_WIDTH])
    inside = torch.minimum(torch.maximum(ball[:, :2], -limit), limit) * THROW_IN
    return torch.cat([inside, torch.full_like(ball[:, 2:], BALL_RADIUS)], dim=-1)
