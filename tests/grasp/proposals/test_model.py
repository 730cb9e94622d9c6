"""The flow, the contact map, the whole model, and refinement."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import ModelConfig, RefineConfig
from robo_ts.envs.grasp.proposals.contact_map import contact_map
from robo_ts.envs.grasp.proposals.energy import penetration
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps, load_grasps, save_grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.refine import refine
from robo_ts.envs.grasp.proposals.rotations import about_z, angle_between, exponential
from robo_ts.errors import RoboTSError

pytest.importorskip("zuko", reason="needs robo_ts[proposals]")

from robo_ts.envs.grasp.proposals.flow import PoseFlow
from robo_ts.envs.grasp.proposals.model import ProposalModel
from robo_ts.envs.grasp.proposals.training import densities, train

TINY = ModelConfig(
    width=16, transforms=2, queries=32, grid=256, points=64, iterations=60, rate=0.01
)


def small_model(shape: HandShape) -> ProposalModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ProposalModel("allegro", len(shape.kinematics.actuators), TINY).eval()


def test_the_flow_integrates_to_one_whatever_was_standardised() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flow = PoseFlow(2, 1, transforms=2, hidden=16)
    rng = torch.Generator().manual_seed(1)
    flow.standardise(
        torch.tensor([0.3, -1.0]) + torch.tensor([0.2, 2.0]) * torch.randn(500, 2, generator=rng)
    )
    line = torch.linspace(-1.0, 1.0, 161)
    x, y = 0.3 + 2.0 * line, -1.0 + 20.0 * line
    points = torch.cartesian_prod(x, y)
    with torch.no_grad():
        density = flow.log_prob(points, torch.ones(len(points), 1)).exp()
    assert abs(float(density.sum() * (x[1] - x[0]) * (y[1] - y[0])) - 1.0) < 0.02


def test_samples_of_the_flow_match_its_density() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        flow = PoseFlow(2, 1, transforms=2, hidden=16)
    rng = torch.Generator().manual_seed(1)
    context = torch.ones(4000, 1)
    drawn = flow.sample(context, rng)
    line = torch.linspace(-6.0, 6.0, 121)
    points = torch.cartesian_prod(line, line)
    with torch.no_grad():
        density = flow.log_prob(points, torch.ones(len(points), 1)).exp()
    expected = (density / density.sum()) @ points
    torch.testing.assert_close(drawn.mean(dim=0), expected, atol=0.08, rtol=0.0)


def test_the_contact_map_is_one_at_the_hand_and_falls_off(
    shape: HandShape, open_hands: Grasps
) -> None:
    hand = open_hands.rows(slice(1, 2))
    frames = shape.frames(hand.rotation, hand.translation, hand.lengths)
    # Before the palm's face; the site palm lies on it.
    points = hand.translation + torch.tensor([[0.0, 0, 0], [0.01, 0, 0], [0.4, 0, 0]])
    found = contact_map(shape, frames, points[None])[0]
    torch.testing.assert_close(found, torch.tensor([1.0, 0.7087, 0.0]), atol=1e-3, rtol=0.0)


def test_turning_the_whole_scene_leaves_fingers_likelihood_alone(
    shape: HandShape, cube: ObjectSet, open_hands: Grasps
) -> None:
    model = small_model(shape)
    cloud = torch.as_tensor(cube.points, dtype=torch.float32).expand(3, -1, 3)
    height = torch.full((3,), 0.03)
    turn = about_z(torch.tensor([0.3, 1.0, -2.0]))
    hand = open_hands
    with torch.no_grad():
        plain = model.log_prob(cloud, height, hand.rotation, hand.translation, hand.lengths)
        turned = model.log_prob(
            cloud @ turn.transpose(1, 2),
            height,
            turn @ hand.rotation,
            (turn @ hand.translation[..., None])[..., 0],
            hand.lengths,
        )
    torch.testing.assert_close(plain[1], turned[1], atol=1e-2, rtol=1e-4)


def test_training_finds_the_grasp_it_was_shown(
    shape: HandShape, cube: ObjectSet, open_hands: Grasps, rng: torch.Generator
) -> None:
    one = open_hands.rows(torch.ones(40, dtype=torch.long))
    shown = replace(
        one,
        rotation=one.rotation @ exponential(0.05 * torch.randn(40, 3, generator=rng)),
        translation=one.translation + 0.003 * torch.randn(40, 3, generator=rng),
        lengths=one.lengths + 0.02 * torch.randn(one.lengths.shape, generator=rng),
    )
    before = densities(small_model(shape), cube, shown)
    model = train(shape, cube, shown, TINY, rng)
    after = densities(model, cube, shown)
    assert after["rotation"] > before["rotation"] + 0.5
    assert after["pose"] > before["pose"] + 5.0
    ids = torch.zeros(60, dtype=torch.long)
    drawn = model.sample(cube, ids, ids, rng)
    # Depth along the palm is the same whatever yaw was drawn.
    way = (drawn.rotation.transpose(1, 2) @ drawn.translation[..., None])[..., 0]
    assert abs(float(way[:, 0].median()) - float(one.translation[0, 0])) < 0.01


def test_a_saved_model_proposes_the_same(shape: HandShape, cube: ObjectSet, tmp_path: Path) -> None:
    model, ids = small_model(shape), torch.zeros(5, dtype=torch.long)
    model.save(tmp_path / "model.safetensors")
    again = ProposalModel.load(tmp_path / "model.safetensors")

    def drawn(source: ProposalModel) -> Grasps:
        return source.sample(cube, ids, ids, torch.Generator().manual_seed(4))

    for name, value in vars(drawn(model)).items():
        assert torch.equal(value, vars(drawn(again))[name]), name


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"none")
    with pytest.raises(RoboTSError, match="a proposal model at"):
        ProposalModel.load(tmp_path / "model.safetensors")


def test_refinement_moves_a_hand_out_of_the_object(
    shape: HandShape, cube: ObjectSet, fields: Fields, open_hands: Grasps
) -> None:
    deep = open_hands.rows(slice(1, 2))
    deep.translation[0, 0] = -0.018

    def depth(grasps: Grasps) -> float:
        frames = shape.frames(grasps.rotation, grasps.translation, grasps.lengths)
        return float(penetration(shape, frames, fields, grasps.ids))

    settings = RefineConfig(iterations=25)
    done = refine(small_model(shape), shape, fields, cube, deep, settings)
    assert depth(deep) > 0.02
    assert depth(done) < 0.3 * depth(deep)
    assert float(angle_between(done.rotation, deep.rotation)) < 0.3


def test_grasps_survive_their_file(open_hands: Grasps, tmp_path: Path) -> None:
    path = tmp_path / "grasps.safetensors"
    save_grasps(path, open_hands, {"hand": "allegro"}, q1=torch.arange(3.0))
    found, about, more = load_grasps(path)
    assert about["hand"] == "allegro"
    assert more["q1"].tolist() == [0.0, 1.0, 2.0]
    for name, value in vars(open_hands).items():
        assert torch.equal(vars(found)[name], value)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RoboTSError, match="a file of grasps"):
        load_grasps(path)
