"""The comparison of teachers runs whole, small, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robo_ts.bench import teachers
from robo_ts.cli import main
from robo_ts.errors import RoboTSError

TINY = (
    "torch_threads=1",
    "engine.threads=1",
    "apg.num_envs=4",
    "apg.window=4",
    "apg.first_window=4",
    "windows.num_envs=4",
    "windows.window=4",
    "windows.first_window=4",
    "windows.minibatches=1",
    "tune.num_envs=4",
    "tune.window=4",
    "tune.first_window=4",
    "teacher.num_envs=4",
    "teacher.steps_per_iteration=4",
    "teacher.minibatches=1",
    "gate.episodes=4",
    "evaluate.num_envs=4",
    "task.episode_steps=20",
)


pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.mark.slow
def test_every_teacher_is_compared_at_one_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    found = teachers.compare([3], 32, 2, tmp_path, TINY, episodes=4)
    assert set(found["arms"]) == set(teachers.arms())
    for name, arm in found["arms"].items():
        row = arm["seeds"][0]
        if name == "none":
            assert set(row) == {"tuned"} and row["tuned"]["samples"] == 96
        else:
            assert {stage: row[stage]["samples"] for stage in row} == {
                "teacher": 32,
                "distilled": 32,
                "tuned": 32,
            }
        assert 0.0 <= arm["figures"]["tuned"]["within_limits"]["iqm"] <= 1.0
    teachers.show(found)
    said = capsys.readouterr().out
    assert "population" in said and "32 steps each" in said
    monkeypatch.setattr(teachers, "run_trials", None)  # everything is there already
    names = ["population", "none"]
    again = teachers.compare([3], 32, 2, tmp_path, TINY, episodes=4, names=names)
    for name in names:
        now, before = (timeless(one["arms"][name]["seeds"]) for one in (again, found))
        assert now == before


def timeless(rows: list[dict[str, dict[str, Any]]]) -> list[dict[str, dict[str, Any]]]:
    """Without the seconds: opening a finished stage again takes some."""
    return [
        {stage: {k: v for k, v in one.items() if k != "seconds"} for stage, one in row.items()}
        for row in rows
    ]


def test_stages_are_sized_by_their_control_steps(tmp_path: Path) -> None:
    for name, arm in teachers.arms(64).items():
        for words in (arm.teacher, arm.student):
            if not words:
                continue
            config = teachers._composed(words, tmp_path, 10_000_000, 30_000_000).config
            assert config.apg.iterations == round(1e7 / (512 * 60))
            assert config.tune.iterations == round(3e7 / (config.tune.num_envs * 125))
            assert config.windows.iterations == round(1e7 / (512 * 100))
            steps = config.teacher.num_envs * config.teacher.steps_per_iteration
            assert config.teacher.iterations == round(1e7 / steps)
            assert config.population == (64 if name == "population" else 0)


def test_the_command_passes_the_budget_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = {}

    def run(
        seeds: object = None, threads: int = 0, steps: int = 0, episodes: int = 0
    ) -> dict[str, int]:
        seen.update(seeds=seeds, steps=steps, episodes=episodes)
        return {}

    monkeypatch.setattr(teachers, "run", run)
    monkeypatch.setattr(teachers, "show", lambda figures: None)
    out = tmp_path / "t.json"
    words = ["teachers", "steps=5000", "episodes=64", "seeds=2"]
    assert main(["bench", *words, "--json", str(out)]) == 0
    assert (
        seen["steps"] == 5000
        and seen["episodes"] == 64
        and list(seen["seeds"]) == [0, 1]
        and out.is_file()
    )
    assert main(["bench", "reacher", "steps=5000"]) == 2
    assert main(["bench", "sim", "--steps", "5"]) == 2


def test_no_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RoboTSError, match="at least one control step"):
        teachers.compare([0], 0, 2, tmp_path)
