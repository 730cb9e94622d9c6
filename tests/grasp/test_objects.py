"""The generator: reproducible, honest in size, at rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from robo_ts.envs.grasp.objects.families import FAMILIES, HELD_OUT, MAX_PIECES, SIMPLE, TRAIN
from robo_ts.envs.grasp.objects.generator import DIAMETER, Limits, generate
from robo_ts.envs.grasp.objects.object_set import ObjectSet, collect, generated, load, save
from robo_ts.envs.grasp.objects.pieces import MAX_POINTS, box, reduced
from robo_ts.envs.grasp.objects.shape import hulls, stable_poses, whole_hull
from robo_ts.errors import RoboTSError
from robo_ts.sim.variants import compile_object


@pytest.fixture(scope="module")
def everything() -> ObjectSet:
    """Two objects of every family but the cube."""
    return collect([generate(name, index) for name in (*TRAIN, *HELD_OUT) for index in range(2)])


@pytest.mark.parametrize("family", ["superquadric", "cup", "cluster"])
def test_an_object_is_decided_by_family_index_and_seed(family: str) -> None:
    one, same = generate(family, 3), generate(family, 3)
    for a, b in zip(one.pieces, same.pieces, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.points, same.points)
    for other in (generate(family, 4), generate(family, 3, seed=1)):
        pairs = zip(one.pieces, other.pieces, strict=False)
        assert any(a.shape != b.shape or (a != b).any() for a, b in pairs)


def test_a_set_does_not_depend_on_what_was_asked_for_before(own_cache: Path) -> None:
    few = generated(2, families=["prism"])
    many = generated(5, families=["prism"])
    again = generated(2, families=["prism"])  # now from the larger file
    for other in (many.select([0, 1]), again):
        np.testing.assert_array_equal(few.points, other.points)
        np.testing.assert_array_equal(few.table.aabb, other.table.aabb)
    assert list(own_cache.glob("*prism*"))


def test_splits_share_no_object() -> None:
    assert not set(TRAIN) & set(HELD_OUT)
    train, instance = generated(2, families=["prism"]), generated(2, "instance", families=["prism"])
    assert not set(train.names) & set(instance.names)
    assert not np.isclose(train.diameter[:, None], instance.diameter).any()


def test_sizes_and_pieces_are_within_the_limits(everything: ObjectSet) -> None:
    low, high = DIAMETER
    assert (everything.diameter > 0.98 * low).all() and (everything.diameter < 1.02 * high).all()
    assert everything.table.count.max() <= MAX_PIECES
    assert max(len(p) for pieces in everything.pieces for p in pieces) <= MAX_POINTS
    assert (everything.pose_probability.sum(axis=1) > 0.999).all()


def test_concave_thin_and_many_piece_objects_are_among_them(everything: ObjectSet) -> None:
    fullness = everything.features[:, 3]
    assert (fullness < 0.6).any()
    assert (everything.table.count >= 8).any()
    lowest = np.where(everything.pose_probability > 0, everything.pose_height, 1.0).min(axis=1)
    assert (lowest < 0.015).any()


def test_surface_points_lie_on_the_surface(everything: ObjectSet) -> None:
    for points, pieces in zip(everything.points, everything.pieces, strict=True):
        depth = np.stack([part.depth(points) for part in hulls(compile_object(pieces))])
        assert np.abs(depth.max(axis=0)).max() < 3e-4


def test_objects_stay_where_they_are_laid(everything: ObjectSet) -> None:
    import mujoco

    from robo_ts.envs.grasp.config import PhysicsConfig
    from robo_ts.envs.grasp.hands import get_hand
    from robo_ts.envs.grasp.model import build_model
    from robo_ts.sim import EngineConfig, make_sim
    from robo_ts.sim.variants import Variants

    model = build_model(get_hand("allegro"), everything.pieces, PhysicsConfig())
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
    variants = Variants(model, "object", everything.table)
    num, poses = len(everything), 2
    sim = make_sim(model, num * poses, EngineConfig(threads=1), expand=variants.fields)
    ids = torch.arange(num * poses)
    which, pose = ids // poses, (ids % poses).numpy()
    pose = np.where(everything.pose_probability[which, pose] > 0, pose, 0)
    variants.assign(sim, ids, which, 400.0)
    sim.reset()
    qpos = sim.read("qpos")
    qpos[:, 0] = 0.5  # the hand out of the way
    at = int(model.joint("object").qposadr[0])
    qpos[:, at : at + 2] = 0.0
    qpos[:, at + 2] = torch.tensor(everything.pose_height[which, pose])
    qpos[:, at + 3 : at + 7] = torch.tensor(everything.pose_quat[which, pose])
    qpos[:, 2] = 0.6
    sim.write("qpos", qpos)
    sim.step(200)
    moved = torch.linalg.vector_norm((sim.read("qpos") - qpos)[:, at : at + 3], dim=-1)
    assert float(moved.max()) < 2e-3, everything.names[which[int(moved.argmax())]]
    sim.close()


def test_a_cubes_poses_are_its_six_faces() -> None:
    poses = stable_poses(whole_hull([box([0.05, 0.05, 0.05])]))
    np.testing.assert_allclose(poses.height, 0.025, atol=1e-6)
    np.testing.assert_allclose(poses.probability, 1 / 6, atol=1e-6)
    np.testing.assert_allclose(poses.width, 0.05, atol=1e-4)


def test_a_standing_needle_is_no_pose() -> None:
    tall = stable_poses(whole_hull([box([0.002, 0.05, 0.1])]))
    assert (tall.tall < 0.06).all()


def test_reduced_hulls_keep_their_extent() -> None:
    cloud = np.random.default_rng(0).normal(size=(500, 3))
    kept = reduced(cloud)
    assert len(kept) <= MAX_POINTS
    np.testing.assert_allclose(np.ptp(kept, axis=0), np.ptp(cloud, axis=0), rtol=0.25)
    few = cloud[:20]
    assert {tuple(p) for p in reduced(few)} == {tuple(p) for p in few}


def test_a_saved_set_is_the_same_after_loading(tmp_path: Path) -> None:
    one = collect([generate("ring", 0), generate("slab", 0)])
    save(one, tmp_path / "set.npz")
    other = load(tmp_path / "set.npz")
    for a, b in zip(one.pieces, other.pieces, strict=True):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_array_equal(p, q)
    for name, value in vars(one.table).items():
        np.testing.assert_array_equal(value, getattr(other.table, name))


def test_a_damaged_file_of_objects_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(RoboTSError, match="delete the file"):
        load(path)


def test_too_wide_objects_are_not_offered() -> None:
    wide = Limits(max_width=0.03)
    assert stable_poses(whole_hull([box([0.05] * 3)])).width.min() > wide.max_width
    found = generate("prism", 0, limits=wide)
    assert (found.poses.width <= wide.max_width).all()


def test_unknown_families_and_splits_are_refused() -> None:
    with pytest.raises(RoboTSError, match="did you mean superquadric"):
        generate("superquadrik", 0)
    with pytest.raises(RoboTSError, match="a split among"):
        generated(1, "test")
    assert set(FAMILIES) == {*TRAIN, *HELD_OUT, *SIMPLE}
