"""Runs that cannot be explained are told why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from robo_ts.cli import main
from robo_ts.explain.student import find_student
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.saved import load_run
from robo_ts.policies import PolicyBundle

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "quadrotor"


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run with a teacher whose student has not begun."""
    from robo_ts.pipeline.config import compose_run

    folder = tmp_path / "runs" / "begun"
    run = compose_run(["recipe=smoke", f"run_dir={folder}"])
    RunDir(folder).open(run)
    shutil.copytree(ARTIFACTS / "teacher", folder / "teacher" / "bundle")
    return folder


def _said(words: list[str], capsys: pytest.CaptureFixture) -> str:
    assert main(words) == 2
    return capsys.readouterr().err


def test_a_missing_run_names_its_neighbours(begun: Path, capsys: pytest.CaptureFixture):
    for verb in ("explain", "report"):
        said = _said([verb, str(begun.parent / "other")], capsys)
        assert "no such folder" in said and "beside it lie begun" in said


def test_a_run_without_a_student_yet_is_told(begun: Path, capsys: pytest.CaptureFixture):
    said = _said(["explain", str(begun)], capsys)
    assert "student has begun to learn" in said and "robo-ts distill" in said


def test_a_run_without_a_teacher_yet_is_told(begun: Path, capsys: pytest.CaptureFixture):
    shutil.rmtree(begun / "teacher")
    assert "whose teacher is done" in _said(["explain", str(begun)], capsys)


def test_damaged_settings_are_told(begun: Path, capsys: pytest.CaptureFixture):
    (begun / "config.yaml").write_text("task: [quadrotor")
    assert "the settings of a run" in _said(["explain", str(begun)], capsys)


def test_settings_of_another_version_are_told(begun: Path, capsys: pytest.CaptureFixture):
    kept = yaml.safe_load((begun / "config.yaml").read_text())
    kept["config"]["distill"]["colour"] = "red"
    (begun / "config.yaml").write_text(yaml.safe_dump(kept))
    said = _said(["explain", str(begun)], capsys)
    assert "colour" in said and "this version" in said


def test_a_damaged_teacher_is_told(begun: Path, capsys: pytest.CaptureFixture):
    (begun / "teacher" / "bundle" / "policy.json").write_text("{}")
    assert "undamaged policy bundle" in _said(["explain", str(begun)], capsys)


def test_a_run_is_read_back_as_it_was_begun(begun: Path):
    from robo_ts.pipeline.config import compose_run

    again = load_run(begun)
    assert again.digest() == compose_run(["recipe=smoke"]).digest()


def test_a_student_that_still_learns_is_taken_from_its_checkpoint(begun: Path):
    run, folder = load_run(begun), RunDir(begun)
    teacher = PolicyBundle.load(ARTIFACTS / "teacher").policy
    from robo_ts.pipeline.stages import env_maker

    env = env_maker(run, training=False)(1, 0)
    made = run.config.student.build(env.spec.select(["proprioception"]), teacher, 4)
    env.close()
    learner = {"student": made.state_dict(), "averaged": None, "iteration": 3}
    (begun / "student").mkdir()
    folder.save_checkpoint("student", {"learner": learner, "seconds": 1.0})
    student, state = find_student(run, folder, teacher)
    assert state == "student checkpoint, round 3"
    weights = student.state_dict()
    assert all((weights[name] == value).all() for name, value in made.state_dict().items())
