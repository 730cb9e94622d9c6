"""The reward: come near, touch from two sides, lift, hold at the goal."""

from __future__ import annotations

import torch
from torch import Tensor

from robo_ts.envs.grasp.config import RewardConfig
from robo_ts.envs.grasp.layout import Layout
from robo_ts.envs.grasp.scene import Scene

_LIFTED = 0.02  # m


def reward_terms(
    scene: Scene,
    layout: Layout,
    goal: Tensor,
    height: Tensor,
    goal_height: float,
    success_distance: float,
    action: Tensor,
    change: Tensor,
    failed: Tensor,
    weights: RewardConfig,
) -> dict[str, Tensor]:
    """Reward of a control step by term, named as in :class:`RewardConfig`, ``(n,)`` each.

    Shaping by surface distances and by contact of thumb and fingers follows DexPoint and
    RobustDexGrasp; lifting and holding count only while the object is touched from two sides, so
    that throwing it pays nothing.

    Args:
        scene: the worlds.
        layout: of the model.
        goal: of the object's middle, ``(n, 3)`` m.
        height: of the object above its start, ``(n,)`` m.
        goal_height: m.
        success_distance: m.
        action: ``(n, a)``.
        change: of the action since the last step, ``(n, a)``.
        failed: which episodes end early, ``(n,)`` bool.
        weights: of the terms.
    """
    fingers = len(layout.fingers)
    gap = (scene.distance[:, :fingers] - layout.tip_radius).clamp_min(0.0)
    near = 1.0 - torch.tanh(10.0 * gap)
    reach = 0.4 * near[:, 0] + 0.6 * near[:, 1:].mean(dim=-1)
    away = torch.linalg.vector_norm(scene.position - scene.grasp_point, dim=-1)
    to_goal = torch.linalg.vector_norm(goal - scene.position, dim=-1)
    held = scene.held.float()
    firmly = held * (scene.touching[:, 1:-1].sum(dim=-1) >= 2)
    lift = (1.0 - (height - goal_height).abs() / goal_height).clamp_min(0.0)
    lifted = (height > _LIFTED).float()
    success = (to_goal < success_distance) * (1.0 - 0.5 * to_goal / success_distance)
    pushing = torch.linalg.vector_norm(scene.velocity[:, :2], dim=-1).clamp_max(1.0)
    on_table = torch.linalg.vector_norm(scene.force[:, -1], dim=-1).clamp_max(50.0)
    terms = {
        "reach": weights.reach * reach,
        "approach": weights.approach * (1.0 - torch.tanh(4.0 * away)),
        "contact": weights.contact * (held + firmly),
        "lift": weights.lift * held * lift,
        "goal": weights.goal * held * lifted * (1.0 - torch.tanh(5.0 * to_goal)),
        "success": weights.success * held * success,
        "action": -weights.action * action.square().sum(dim=-1),
        "action_rate": -weights.action_rate * change.square().sum(dim=-1),
        "push": -weights.push * (1.0 - lifted) * pushing,
        "table": -weights.table * 0.1 * on_table,
        "failed": -weights.failed * failed.float(),
    }
    return {name: weights.scale * term for name, term in terms.items()}
