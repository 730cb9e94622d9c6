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
        dt: length of the step, s.
    """
    team = (
        config.scored * ruling.scored
        - config.conceded * ruling.conceded
        - config.out_of_play * ruling.out
        + config.advance * advance
    )
    own = config.approach * approach * nearest + config.facing * dt * facing
    return (team[:, None] + own).to(torch.float32)
