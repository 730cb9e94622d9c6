"""Q1 against a search over directions; diversity of what differs and of what does not."""

from __future__ import annotations

import numpy as np
import torch

from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.quality import (
    _cone_wrenches,
    diversity,
    measure_q1,
    wrench_ball,
)

# Four contacts around a cube of 6 cm, pushing inwards.
POINTS = 0.03 * np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_q1_is_the_least_push_that_a_grasp_can_resist() -> None:
    quality = wrench_ball(POINTS, POINTS / 0.03)
    wrenches = _cone_wrenches(POINTS, POINTS / 0.03)
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(20000, 6))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    # In every direction contacts resist at least Q1, and in the worst hardly more.
    resisted = (ways @ wrenches.T).max(axis=1)
    assert quality > 0.01
    assert resisted.min() >= quality - 1e-9
    for _ in range(200):  # the worst found, made worse by small steps
        tried = ways[resisted.argmin()] + 0.03 * rng.normal(size=(200, 6))
        tried /= np.linalg.norm(tried, axis=1, keepdims=True)
        ways, resisted = (
            np.concatenate([ways, tried]),
            np.concatenate([resisted, (tried @ wrenches.T).max(axis=1)]),
        )
    assert resisted.min() < 1.2 * quality


def test_contacts_on_one_side_resist_nothing() -> None:
    points = POINTS * [1, 1, 0] + [0, 0, 0.03]
    assert wrench_ball(points, np.tile([0.0, 0.0, 1.0], (4, 1))) == 0.0
    assert wrench_ball(POINTS[:1], POINTS[:1] / 0.03) == 0.0
    assert wrench_ball(POINTS[:0], POINTS[:0]) == 0.0


def test_q1_of_a_hand_too_deep_counts_as_zero(
    shape: HandShape, fields: Fields, open_hands: Grasps
) -> None:
    beside = open_hands.rows(torch.tensor([1, 1, 1]))
    beside.translation[:, 0] = -0.026
    beside.lengths[:] = torch.as_tensor(
        shape.kinematics.hand.pose(shape.kinematics.hand.closed, shape.kinematics.actuators)
    )
    depth = torch.tensor([0.0, 0.006, 0.0])
    low = torch.tensor([0.0, 0.0, 0.011])
    found = measure_q1(shape, fields, beside, depth, low)
    assert found[1] == 0.0 and found[2] == 0.0


def test_grasps_that_agree_have_no_diversity(shape: HandShape, open_hands: Grasps) -> None:
    same = open_hands.rows(torch.zeros(3, dtype=torch.long))
    assert max(diversity(shape, same).values()) < 0.1
    assert diversity(shape, open_hands)["translation_cm"] > 10.0
