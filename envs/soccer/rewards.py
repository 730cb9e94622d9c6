"""What a player is paid for."""

from __future__ import annotations

import torch
from torch import Tensor

from robo_ts.envs.soccer.config import RewardConfig
from robo_ts.envs.soccer.field import distance
from robo_ts.envs.soccer.pitch import HALF_LENGTH
from robo_ts.envs.soccer.referee import Ruling

# From the ball, away from the attacked goal, m.
BEHIND = 0.2


def approached(before: Tensor, after: Tensor, ball: Tensor) -> Tensor:
    """How far players walked towards the place behind the ball, ``(worlds, players)`` m.

    The ball counts as it was before the step: who kicks it away loses nothing.

    Args:
        before: where the players of the home team were, ``(worlds, players, 2)`` m.
        after: where they are.
        ball: where the ball was, ``(worlds, 2)`` m.
    """
    way = ball.new_tensor([HALF_LENGTH, 0.0]) - ball
    place = (ball - BEHIND * way / distance(way).clamp_min(1e-6)[:, None])[:, None]
    return distance(place - before) - distance(place - after)


def reward(
    config: RewardConfig,
    ruling: Ruling,
    approach: Tensor,
    nearest: Tensor,
    advance: Tensor,
    facing: Tensor,
    fallen: Tensor,
    dt: float,
) -> Tensor:
    """Reward of the home team's players for one control step, ``(worlds, players)``.

    Args:
        config: the weights.
        ruling: what happened.
        approach: by how much each walked towards the place behind the ball (:func:`approached`),
            ``(worlds, players)`` m.
        nearest: who was nearest to the ball in its team, ``(worlds, players)`` bool. Only that one
            is paid for coming nearer, so that the others need not crowd the ball.
        advance: by how much the ball came nearer to the attacked goal, ``(worlds,)`` m.
        facing: cosine between line of sight and ball, ``(worlds, players)``.
        fallen: who lies on the floor, ``(worlds, players)`` bool.
        dt: length of the step, s.
    """
    team = (
        config.scored * ruling.scored
        - config.conceded * ruling.conceded
        - config.out_of_play * ruling.out
        + config.advance * advance
    )
    own = config.approach * approach * nearest + config.facing * dt * facing
    earned = team[:, None] + own
    # Nothing good is earned lying down (Haarnoja et al. 2023), or falling would pay.
    lying = earned.clamp_max(0.0) - config.fallen * dt
    return torch.where(fallen, lying, earned).to(torch.float32)
