"""Forward kinematics and distances against MuJoCo."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from robo_ts.envs.grasp.hands import HANDS, Hand, get_hand
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.kinematics import Kinematics
from robo_ts.envs.grasp.proposals.rotations import uniform
from robo_ts.errors import RoboTSError
from robo_ts.paths import asset


def draw(kinematics: Kinematics, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    low, high = kinematics.length_range.T
    lengths = low + (high - low) * torch.rand(n, len(low), generator=rng)
    return uniform(n, rng), torch.randn(n, 3, generator=rng), lengths


@pytest.mark.parametrize("name", HANDS)
def test_links_are_where_mujoco_has_them(name: str) -> None:
    kinematics = Kinematics(get_hand(name))
    rotation, translation, lengths = draw(kinematics, 4)
    found = kinematics.bodies(rotation, translation, lengths)
    data = mujoco.MjData(kinematics.model)
    for row in range(4):
        data.qpos[:] = kinematics.joints(lengths)[row].numpy()
        mujoco.mj_kinematics(kinematics.model, data)
        turn = rotation[row].numpy()
        place = (data.xpos[1:] - kinematics.palm.numpy()) @ turn.T + translation[row].numpy()
        np.testing.assert_allclose(found.translation[row], place, atol=2e-6)
        turns = turn @ data.xmat[1:].reshape(-1, 3, 3)
        np.testing.assert_allclose(found.rotation[row], turns, atol=2e-6)


def test_slopes_are_those_of_finite_differences(shape: HandShape) -> None:
    kinematics = shape.kinematics
    rotation, translation, lengths = draw(kinematics, 1)

    def height(q: torch.Tensor) -> torch.Tensor:
        return kinematics.bodies(rotation, translation, q).translation[:, :, 2].sum()

    lengths.requires_grad_()
    (slope,) = torch.autograd.grad(height(lengths), lengths)
    with torch.no_grad():
        step = 1e-2 * torch.eye(lengths.shape[1])
        around = [(height(lengths + s) - height(lengths - s)) / 2e-2 for s in step]
    torch.testing.assert_close(slope[0], torch.stack(around), atol=2e-4, rtol=1e-2)


@pytest.mark.parametrize("name", HANDS)
def test_distances_to_the_hand_are_mujocos(name: str) -> None:
    hand = HandShape(Kinematics(get_hand(name)))
    kinematics = hand.kinematics
    spec = kinematics.hand.spec()
    ball = spec.worldbody.add_body(name="ball", mocap=True)
    ball.add_geom(name="ball", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[1e-4, 0, 0])
    model = spec.compile()
    data = mujoco.MjData(model)
    _, _, lengths = draw(kinematics, 1)
    data.qpos[:] = kinematics.joints(lengths)[0].numpy()
    points = 0.1 * torch.randn(1, 20, 3, generator=torch.Generator().manual_seed(2))
    frames = hand.frames(torch.eye(3)[None], kinematics.palm[None], lengths)
    found = hand.distance(frames, points)[0]
    geoms = [g for g in range(model.ngeom - 1) if model.geom_contype[g] | model.geom_conaffinity[g]]
    geoms = [g for g in geoms if model.geom(g).name != "ball"]
    assert found.shape == (20, len(geoms))
    way = np.empty(6)
    for point, row in zip(points[0], found, strict=True):
        data.mocap_pos[0] = point.numpy()
        mujoco.mj_kinematics(model, data)
        number = model.geom("ball").id
        exact = [mujoco.mj_geomDistance(model, data, g, number, 1.0, way) + 1e-4 for g in geoms]
        np.testing.assert_allclose(row, exact, atol=2e-4)


@pytest.mark.parametrize("name", HANDS)
def test_candidates_lie_on_the_surface_of_every_finger(name: str) -> None:
    hand = HandShape(Kinematics(get_hand(name)))
    kinematics = hand.kinematics
    _, _, lengths = draw(kinematics, 1)
    frames = hand.frames(torch.eye(3)[None], kinematics.palm[None], lengths)
    patch = hand.candidates
    points, normals = hand.points(frames, patch)
    own = torch.arange(len(patch.geom))
    assert float(hand.distance(frames, points)[0, own, patch.geom].abs().max()) < 1e-6
    outside = hand.distance(frames, points + 0.001 * normals)[0, own, patch.geom]
    torch.testing.assert_close(outside, torch.full_like(outside, 0.001), atol=1e-5, rtol=0.0)
    fingers = set(hand.finger[patch.geom].tolist())
    assert fingers == {-1, *range(len(kinematics.hand.fingers))}


def test_fingers_through_each_other_are_found(shape: HandShape) -> None:
    kinematics = shape.kinematics
    place, turn = kinematics.palm[None], torch.eye(3)[None]
    usual = kinematics.hand.pose(kinematics.hand.open, kinematics.actuators)
    opened = torch.as_tensor(usual, dtype=torch.float32)[None]
    assert float(shape.self_penetration(shape.frames(turn, place, opened))) == 0.0
    names = kinematics.actuators
    crossed = opened.clone()
    crossed[0, names.index("index_abduction")] = -0.47
    crossed[0, names.index("middle_abduction")] = 0.47
    assert float(shape.self_penetration(shape.frames(turn, place, crossed))) > 0.005


def test_a_hand_of_other_geoms_is_refused(tmp_path: Path) -> None:
    text = asset("robots/allegro/allegro.xml").read_text()
    path = tmp_path / "hand.xml"
    path.write_text(
        text.replace('<geom name="palm" size', '<geom name="palm" type="ellipsoid" size')
    )
    hand = Hand("mine", str(path), ("thumb", "index", "middle", "ring"))
    with pytest.raises(RoboTSError, match="boxes, capsules and spheres"):
        HandShape(Kinematics(hand))


def test_a_hand_with_a_ball_joint_is_refused(tmp_path: Path) -> None:
    text = asset("robots/allegro/allegro.xml").read_text()
    path = tmp_path / "hand.xml"
    old = '<body name="thumb_distal" pos="0 0 0.0514">'
    assert old in text
    path.write_text(
        text.replace(
            old,
            old + '<body><joint type="ball" name="odd"/>'
            '<geom size="0.002" type="sphere" contype="0"/></body>',
        )
    )
    hand = Hand("mine", str(path), ("thumb", "index", "middle", "ring"))
    with pytest.raises(RoboTSError, match="odd"):
        Kinematics(hand)
