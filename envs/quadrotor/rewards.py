"""The quadrotor's reward. Metrics (success, position error) live in the task, not here."""

from __future__ import annotations

import torch
from torch import Tensor

from robo_ts.envs.quadrotor.config import RewardWeights


def reward(
    weights: RewardWeights,
    distance: Tensor,
    velocity: Tensor,
    speed_limit: float,
    quaternion: Tensor,
    action: Tensor,
    action_change: Tensor,
    terminated: Tensor,
) -> Tensor:
    """RAPTOR's reward and two optional terms, ``(n,)``.

    Args:
        distance: to the reference, ``(n,)`` m.
        velocity: ``(n, 3)`` m/s, world frame.
        speed_limit: beyond it an episode is terminated, m/s per axis.
        quaternion: ``(n, 4)``, w first.
        action: as the policy emitted it, ``(n, 4)``.
        action_change: norm of its change since the last step, ``(n,)``.
        terminated: ``(n,)`` bool.
    """
    yaw = 2.0 * torch.acos((1.0 - quaternion[:, 3].abs()).clamp(0.0, 1.0))
    total = (
        weights.alive
        - weights.position * distance
        - weights.yaw * yaw
        - weights.action_rate * action_change
    )
    if weights.speeding:
        excess = (velocity.abs() - weights.soft_limit * speed_limit).clamp_min(0.0).sum(dim=-1)
        total = total - weights.speeding * excess
    if weights.saturation:
        total = total - weights.saturation * (action.abs() - 1.0).clamp_min(0.0).sum(dim=-1)
    return weights.scale * (total - weights.termination * terminated)
