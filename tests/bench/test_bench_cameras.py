"""The cameras' benchmark: what it says, of which task, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robo_ts.bench import cameras as bench
from robo_ts.bench.cameras import run_cameras
from robo_ts.cli import main
from robo_ts.env import registry
from robo_ts.errors import RoboTSError
from robo_ts.sim import EngineConfig
from robo_ts.sim.cameras import CameraConfig
from tests.camera_task import TASK


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = {"tiny": (CameraConfig("fixed", ["depth", "rgb"], 8, 8), 0)}
    monkeypatch.setattr(bench, "SCENES", scenes)


def test_raw_and_ours_are_measured_in_every_round() -> None:
    found = run_cameras(2, EngineConfig(threads=1), seconds=0.02, rounds=2)
    one = found["scenes"]["tiny"]
    assert one["raw"] > 0 and one["ours"] > 0
    ratios = [b / a for a, b in zip(one["rounds"]["raw"], one["rounds"]["ours"], strict=True)]
    assert len(ratios) == 2 and min(ratios) <= one["ours_over_raw"] <= max(ratios)
    assert {"hardware", "versions", "commit", "seed", "engine"} <= set(found)


def test_raw_draws_the_very_images_that_ours_draws() -> None:
    camera, splats = bench.SCENES["tiny"]
    made, close = bench._built_in(3, EngineConfig(threads=1), 0, camera, splats)
    made.read()
    before = made.renderer.depth.numpy().copy()
    made.renderer.depth.zero_()
    bench._raw(made)()
    assert before.any() and (made.renderer.depth.numpy() == before).all()
    assert len({row.tobytes() for row in before}) == 3  # no two worlds look alike
    close()


def test_the_command_measures_a_task_with_cameras_and_writes_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class Point:
        def load(self) -> object:
            return TASK

    monkeypatch.setattr(registry, "foreign_tasks", lambda: {"seek": Point()})
    short = run_cameras
    monkeypatch.setattr(
        bench, "run_cameras", lambda *a, **k: short(*a, **k, seconds=0.02, rounds=1)
    )
    path = tmp_path / "cameras.json"
    words = ["bench", "cameras", "task=seek", "num_envs=2", "threads=1", "--json", str(path)]
    assert main(words) == 0
    assert "cameras of seek, 2 worlds" in capsys.readouterr().out
    found = json.loads(path.read_text())
    assert found["scenes"]["task"]["ours_over_raw"] > 0


def test_a_task_without_cameras_is_refused() -> None:
    with pytest.raises(RoboTSError, match="has cameras"):
        run_cameras(2, task="quadrotor")
