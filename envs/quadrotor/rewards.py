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
    yaw_component: Tensor,
    action: Tensor,
    action_change: Tensor,
    terminated: Tensor,
) -> Tensor:
    """RAPTOR's reward and two optional terms, ``(n,)``.

    Args:
        distance: to the reference, ``(n,)`` m.
        velocity: ``(3, n)`` m/s, world frame.
        speed_limit: beyond it an episode is terminated, m/s per axis.
        yaw_component: z of the quaternion, ``(n,)``.
        action: as the policy emitted it, ``(4, n)``.
        action_change: norm of its change since the last step, ``(n,)``.
        terminated: ``(n,)`` bool.
    """
    yaw = 2.0 * torch.acos((1.0 - yaw_component.abs()).clamp(0.0, 1.0))
    total = (
        weights.alive
        - weights.position * distance
        - weights.yaw * yaw
        - weights.action_rate * action_change
    )
    if weights.speeding:
        excess = (velocity.abs() - weights.soft_limit * speed_limit).clamp_min(0.0).sum(dim=0)
        total = total - weights.speeding * excess
    if weights.saturation:
        total = total - weights.saturation * (action.abs() - 1.0).clamp_min(0.0).sum(dim=0)
    return weights.scale * (total - weights.termination * terminated)


def terms(
    weights: RewardWeights,
    distance: Tensor,
    velocity: Tensor,
    speed_limit: float,
    yaw_component: Tensor,
    action: Tensor,
    action_change: Tensor,
) -> dict[str, Tensor]:
    """The parts whose sum :func:`reward` is where no limit is broken, ``(n,)`` each.

    The arguments are those of :func:`reward`.
    """
    yaw = 2.0 * torch.acos((1.0 - yaw_component.abs()).clamp(0.0, 1.0))
    found = {
        "alive": torch.full_like(distance, weights.alive),
        "position": -weights.position * distance,
        "yaw": -weights.yaw * yaw,
        "action rate": -weights.action_rate * action_change,
    }
    if weights.speeding:
        excess = (velocity.abs() - weights.soft_limit * speed_limit).clamp_min(0.0).sum(dim=0)
        found["speeding"] = -weights.speeding * excess
    if weights.saturation:
        beyond = (action.abs() - 1.0).clamp_min(0.0).sum(dim=0)
        found["saturation"] = -weights.saturation * beyond
    return {name: weights.scale * value for name, value in found.items()}
