"""Objects that differ between worlds, and players that share one, as they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from robo_ts.envs.grasp import GraspConfig
from robo_ts.envs.grasp.config import ObjectsConfig
from robo_ts.view.clip import begin_clip, take
from robo_ts.view.players import Offer
from robo_ts.view.session import Session
from robo_ts.view.shapes import joined, shown_pieces
from robo_ts.view.stage import Camera, Stage


@pytest.fixture
def grasp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Four worlds with different objects."""
    monkeypatch.setenv("ROBO_TS_CACHE", str(tmp_path))
    objects = ObjectsConfig(count=6, families=["superquadric", "hammer"])
    session = Session(Offer("grasp", GraspConfig(objects=objects)), 4, seed=1)
    yield session
    session.close()


def _extent(session: Session, world: int) -> np.ndarray:
    """Of the shown object, along its axes, m."""
    shapes = session.snapshot().lanes[0].shapes
    assert shapes is not None
    (pieces,) = shown_pieces(session.model, shapes[world]).values()
    vertices, triangles = joined(session.model, pieces)
    assert triangles.max() < len(vertices)
    return np.ptp(vertices, axis=0)


def test_every_world_shows_its_own_object(grasp: Session) -> None:
    env = grasp.lanes[0].env
    ids = env.object_ids.tolist()  # type: ignore[attr-defined]
    assert ids[0] != ids[1]
    for world in range(2):
        box = env.objects.table.aabb[ids[world]]  # type: ignore[attr-defined]
        assert 0.03 < _extent(grasp, world).max() < 0.2
        assert box.any()
    assert not np.allclose(_extent(grasp, 0), _extent(grasp, 1), atol=1e-4)


def test_the_object_stays_until_all_episodes_have_ended(grasp: Session) -> None:
    before = grasp.snapshot().lanes[0].shapes
    assert before is not None
    while not grasp.over:
        grasp.step()
    kept = grasp.snapshot().lanes[0].shapes
    np.testing.assert_array_equal(kept, before)
    grasp.step()
    after = grasp.snapshot().lanes[0].shapes
    assert after is not None
    assert not np.array_equal(after, before)


def test_a_video_shows_the_objects_and_changes_with_them(grasp: Session) -> None:
    clip = begin_clip(grasp, 20.0)
    clip.moments.append(take(grasp))
    stage = Stage(clip, Camera(size=(160, 96)))
    used = {int(i) for i in stage.model.geom_dataid if i >= 0}
    shapes = clip.moments[0].states[0]["shapes"]
    pieces = [p for row in shapes for one in shown_pieces(grasp.model, row).values() for p in one]
    assert len(used) == len({p.mesh for p in pieces}) > 0
    grasp.reset(7)
    assert not stage.fits(take(grasp))


def test_a_world_of_two_players_is_shown_once() -> None:
    session = Session(Offer("soccer", None), 2)
    try:
        session.set_condition("chaser_2v2")
        env = session.lanes[0].env
        assert (env.num_envs, env.sim.num_envs) == (4, 2)
        for _ in range(3):
            session.step()
        session.select(1)
        session.push([1.0, 0.0, 0.0])
        snapshot = session.snapshot()
        assert snapshot.lanes[0].positions.shape[0] == 2
        seen = np.concatenate(
            [t.values for t in snapshot.chosen[0].terms if t.group == "privileged"]
        )
        np.testing.assert_allclose(seen, session.lanes[0].obs["privileged"][2].numpy(), atol=1e-6)
    finally:
        session.close()


def test_a_scripted_policy_is_no_teacher() -> None:
    session = Session(Offer("soccer", None), 1)
    try:
        assert session.choices() == ["scripted policy", "untrained"]
        assert session.offer.teacher == ""
    finally:
        session.close()
