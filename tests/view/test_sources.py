"""What a word of the command line names."""

import os
import shutil
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml

from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import Run, compose_run
from robo_ts.pipeline.unfinished import open_run
from robo_ts.policies import PolicyBundle
from robo_ts.view.session import Session
from robo_ts.view.sources import open_sources

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "quadrotor"


def test_a_task_is_its_committed_policies():
    offer = open_sources(["quadrotor"])
    assert list(offer.players) == ["student", "teacher", "onnx"]
    assert offer.teacher == "teacher"


def test_a_task_without_policies_is_shown_all_the_same():
    assert not open_sources(["reacher"]).players


def test_a_bundle_brings_the_teacher_beside_it_and_its_own_settings():
    offer = open_sources([str(ARTIFACTS / "student")])
    assert list(offer.players) == ["student", "teacher"]
    kept = PolicyBundle.load(ARTIFACTS / "student").task_config
    assert _filled(kept, asdict(QuadrotorConfig())) == asdict(offer.config)


def _filled(kept: dict, defaults: dict) -> dict:
    """What a bundle says, and the defaults of settings that are younger than it."""
    return {
        name: _filled(kept.get(name, {}), value)
        if isinstance(value, dict)
        else kept.get(name, value)
        for name, value in defaults.items()
    }


def test_an_onnx_file_is_a_policy_of_the_task_it_names():
    for word in (ARTIFACTS / "export" / "policy.onnx", ARTIFACTS / "export"):
        offer = open_sources([str(word)])
        assert offer.task == "quadrotor"
        assert next(iter(offer.players)) == "onnx"


def test_several_words_put_policies_together(tmp_path: Path):
    shutil.copytree(ARTIFACTS / "student", tmp_path / "mine")
    offer = open_sources(["quadrotor", str(tmp_path / "mine")])
    assert "mine/student" in offer.players
    assert "quadrotor/teacher" in offer.players
    with pytest.raises(RoboTSError, match="one task"):
        open_sources(["quadrotor", "reacher"])


@pytest.mark.parametrize("word", ["quadrotr", "runs/nowhere", "nowhere.onnx"])
def test_what_is_not_there_is_named(word: str):
    with pytest.raises(RoboTSError, match=word):
        open_sources([word])


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(RoboTSError, match="neither"):
        open_sources([str(tmp_path)])


def test_a_damaged_bundle_is_named(tmp_path: Path):
    copy = tmp_path / "student"
    shutil.copytree(ARTIFACTS / "student", copy)
    weights = copy / "policy.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7] + b"garbage")
    with pytest.raises(RoboTSError, match="hash"):
        open_sources([str(copy)])


def test_a_damaged_onnx_file_is_named(tmp_path: Path):
    (tmp_path / "policy.onnx").write_bytes(b"not an ONNX file")
    with pytest.raises(RoboTSError, match="undamaged ONNX"):
        open_sources([str(tmp_path / "policy.onnx")])


def test_a_policy_of_another_version_of_the_task_is_refused(tmp_path: Path):
    bundle = PolicyBundle.load(ARTIFACTS / "student")
    bundle.task_config["no_such_setting"] = 1
    bundle.save(tmp_path / "student")
    with pytest.raises(RoboTSError, match="no_such_setting"):
        open_sources([str(tmp_path / "student")])


def test_a_bundle_that_is_written_anew_is_noticed(tmp_path: Path):
    shutil.copytree(ARTIFACTS, tmp_path / "run")
    offer = open_sources([str(tmp_path / "run")])
    session = Session(offer, 1)
    assert session.refresh() == []
    student = PolicyBundle.load(tmp_path / "run" / "student")
    with torch.no_grad():
        student.policy.head.bias.fill_(5.0)
    student.save(tmp_path / "run" / "student")
    assert session.refresh() == ["student"]
    session.step()
    action = session.snapshot().chosen[0].action
    assert action is not None and min(action) > 1.0


# -- a run that is still training ------------------------------------------------------------------


@cache
def smoke() -> Run:
    """The settings of a small run."""
    return compose_run(["task=quadrotor", "recipe=smoke"])


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A run whose teacher is finished and whose student has a checkpoint."""
    run, folder = smoke(), tmp_path / "run"
    shutil.copytree(ARTIFACTS / "teacher", folder / "teacher" / "bundle")
    settings = {**run.to_dict(), "digest": run.digest()}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    save_checkpoint(folder, 3, 5.0)
    return folder


def save_checkpoint(folder: Path, iteration: int, bias: float) -> None:
    """As the distiller writes it: a student that always does the same."""
    teacher = PolicyBundle.load(folder / "teacher" / "bundle").policy
    spec = PolicyBundle.load(ARTIFACTS / "student").policy.spec
    student = smoke().config.student.build(spec, teacher, 4)
    with torch.no_grad():
        student.head.bias.fill_(bias)
        student.head.weight.zero_()
    learner = {"iteration": iteration, "student": student.state_dict(), "averaged": None}
    path = folder / "student" / "checkpoint.pt"
    path.parent.mkdir(exist_ok=True)
    torch.save({"learner": learner, "seconds": 1.0}, path)
    os.utime(path, ns=(iteration * 10**9, iteration * 10**9))


def test_a_run_still_training_shows_its_newest_checkpoint(training: Path):
    session = Session(open_sources([str(training)], open_run), 1)
    assert session.players == ["student"]
    assert "round 3" in session.snapshot().lanes[0].text
    session.step()
    assert session.snapshot().chosen[0].action == pytest.approx([1.0] * 4)
    save_checkpoint(training, 9, -5.0)
    assert session.refresh() == ["student"]
    assert "round 9" in session.snapshot().lanes[0].text
    session.step()
    assert session.snapshot().chosen[0].action == pytest.approx([-1.0] * 4)


def test_a_run_without_any_policy_yet_says_to_wait(training: Path):
    shutil.rmtree(training / "student")
    shutil.rmtree(training / "teacher")
    with pytest.raises(RoboTSError, match="first checkpoint"):
        open_sources([str(training)], open_run)


def test_a_damaged_checkpoint_or_config_is_named(training: Path):
    (training / "student" / "checkpoint.pt").write_bytes(b"cut off")
    with pytest.raises(RoboTSError, match=r"checkpoint\.pt"):
        open_sources([str(training)], open_run)
    (training / "config.yaml").write_text("task: [")
    with pytest.raises(RoboTSError, match=r"config\.yaml"):
        open_sources([str(training)], open_run)
