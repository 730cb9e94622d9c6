"""Gravity in six directions tells grasps from what only looks like them."""

from __future__ import annotations

import pytest
import torch

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import TrialConfig
from robo_ts.envs.grasp.proposals.contacts import find_contacts, squeeze
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.trial import DIRECTIONS, Trial
from robo_ts.sim import EngineConfig

SHORT = TrialConfig(seconds=0.5, settle=0.2)


@pytest.fixture(scope="module")
def trial(shape: HandShape, cube: ObjectSet, fields: Fields) -> Trial:
    return Trial(shape, cube, fields, SHORT, engine=EngineConfig(threads=1))


def test_an_object_nobody_touches_falls_in_every_direction(
    trial: Trial, open_hands: Grasps
) -> None:
    verdict = trial.run(open_hands.rows(slice(0, 1)))
    assert not bool(verdict.held.any())
    assert float(verdict.penetration) == 0.0
    assert not bool(verdict.valid.any())


def test_depth_is_what_the_pose_says(trial: Trial, open_hands: Grasps) -> None:
    deep = open_hands.rows(slice(1, 2))
    # The palm 3 mm in the cube's face; the fingers are above the cube.
    deep.translation[0] = torch.tensor([-0.022, 0.0, 0.0])
    verdict = trial.run(deep)
    assert abs(float(verdict.penetration) - 0.003) < 1e-4
    assert not bool(verdict.valid.any())


def test_an_open_palm_holds_against_gravity_towards_it_only(
    trial: Trial, open_hands: Grasps
) -> None:
    on_palm = open_hands.rows(slice(1, 2))
    on_palm.translation[0] = torch.tensor([-0.0252, 0.0, 0.0])
    held = trial.run(on_palm).held[0]
    towards = DIRECTIONS[:, 0] == -1.0
    assert bool(held[towards].all())
    assert not bool(held[DIRECTIONS[:, 0] == 1.0].any())


def test_fingers_that_touch_are_told_to_press(
    shape: HandShape, fields: Fields, open_hands: Grasps
) -> None:
    far = open_hands.rows(slice(0, 1))
    assert torch.equal(squeeze(shape, fields, far, 4.0), far.lengths)
    near = open_hands.rows(slice(1, 2))
    near.translation[0] = torch.tensor([-0.08, -0.01, -0.055])
    near.lengths[0, 5:8] = torch.tensor([1.3, 0.4, 0.3])  # the index finger's tip on the cube
    frames = shape.frames(near.rotation, near.translation, near.lengths)
    found = find_contacts(shape, frames, fields, near.ids)
    target = squeeze(shape, fields, near, 4.0)
    touching = set(shape.finger[found.touching[0]].tolist()) - {-1}
    assert touching, "no finger touches: nothing is tested"
    moved = (target - near.lengths)[0].abs() > 1e-4
    names = shape.kinematics.actuators
    fingers = shape.kinematics.hand.fingers
    pressed = {
        f for f in range(len(fingers)) if moved[[n.startswith(fingers[f]) for n in names]].any()
    }
    assert pressed == touching
    # What moves, moves into the object.
    there = shape.frames(near.rotation, near.translation, target)
    after = find_contacts(shape, there, fields, near.ids)
    rows = found.touching[0] & (shape.finger >= 0)
    assert bool((after.distance[0, rows] < found.distance[0, rows]).any())


def test_fingers_that_close_around_a_cube_hold_it_from_all_sides(
    shape: HandShape, trial: Trial, open_hands: Grasps
) -> None:
    kinematics = shape.kinematics
    around = open_hands.rows(slice(0, 1))
    around.translation[0] = torch.tensor([-0.045, -0.02, -0.045])
    opened = kinematics.hand.pose(kinematics.hand.open, kinematics.actuators)
    around.lengths[0] = torch.as_tensor(opened, dtype=torch.float32)
    before, closed = trial.run(around), trial.close(around)
    after = trial.run(closed)
    assert not bool(before.held.all()), "open fingers hold it: closing is not tested"
    assert bool(after.held.all())
    assert 0.0 < float(after.penetration) < 5e-4
