"""What a player is paid for."""

from __future__ import annotations

import torch
from torch import Tensor

from robo_ts.envs.soccer.config import RewardConfig
from robo_ts.envs.soccer.referee import Ruling


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
        approach: by how much each came nearer to the ball, ``(worlds, players)`` m.
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
