"""The comparison of teachers runs whole, small, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robo_ts.bench import ablations, teachers
from robo_ts.bench.budget import from_nothing, steps_of
from robo_ts.cli import main
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import Run, compose_run

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


def test_a_student_without_a_teacher_may_begin_as_one_that_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Run] = []

    def tuned(run: Run, *_: object) -> dict[str, float]:
        begun.append(run)
        return {"within_limits": 0.0, "seconds": 1.0, "samples": 0.0}

    monkeypatch.setattr(teachers, "_tuned", tuned)
    teachers.compare([0], 10_000_000, 2, tmp_path, ("torch_threads=1",), names=["none"])
    (run,) = begun
    tune = run.config.tune
    # Short windows first, and the statistics of its inputs: nobody has gathered them before.
    assert tune.first_window == 30 < tune.window and tune.normalizer_iterations == 20
    assert steps_of(tune) == pytest.approx(30_000_000, rel=0.01)
    recipe = compose_run(["recipe=raptor"]).config
    assert set(from_nothing(recipe.tune)) <= set(ablations.arms(recipe)["no-teacher"].student)


def test_what_another_commit_made_is_not_taken_for_this_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[Path] = []

    def one(arm: teachers.Arm, steps: int, folder: Path, *_: object) -> dict[str, Any]:
        places.append(folder)
        return {"tuned": {"within_limits": 0.0, "seconds": 1.0}}

    monkeypatch.setattr(teachers, "_one", one)
    for made_by, pool in (("a", 2), ("b", 2), ("a", 4)):
        monkeypatch.setattr(teachers, "commit", lambda made_by=made_by: made_by)
        teachers.compare([0], 100, pool, tmp_path, names=["none"])
    assert len(set(places)) == 3
