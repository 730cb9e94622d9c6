"""What a run's log, its export and its folder give away; and the words of the command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robo_ts.cli import main
from robo_ts.doctor import examine, logs
from robo_ts.doctor.patients import examine_all
from robo_ts.env import get_task
from robo_ts.errors import RoboTSError
from robo_ts.policies import PolicyBundle

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "quadrotor"


def _log(**changed: Any) -> list[dict[str, Any]]:
    """A log as it should be, but for what ``changed(round)`` says."""
    return [
        {
            "iteration": k,
            "teacher_acts": float(k < 4),
            "labelled": 1.0,
            "loss": 0.5 * 0.9**k,
            "grad_norm": 0.3,
            "success": k / 40,
            **{name: value(k) for name, value in changed.items()},
        }
        for k in range(40)
    ]


def test_a_sound_log_has_no_findings():
    assert logs.examine(_log(), 1.0) == []


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"teacher_acts": lambda k: 1.0}, "roll-in"),
        ({"loss": lambda k: 3400.0 * 0.9**k}, "loss"),
        ({"loss": lambda k: 0.5}, "loss"),
        ({"loss": lambda k: float("nan")}, "loss"),
        ({"labelled": lambda k: 0.01}, "labels"),
        ({"alarm": lambda k: float(k == 30)}, "alarm"),
        ({"grad_norm": lambda k: 80.0}, "gradients"),
    ],
)
def test_a_fault_in_the_log_is_found(changed: dict[str, Any], check: str):
    assert [f.check for f in logs.examine(_log(**changed), 1.0)] == [check]


def test_a_first_loss_of_thousands_points_at_the_labels():
    finding = logs.examine(_log(loss=lambda k: 3400.0 * 0.9**k), 1.0)[0]
    assert "normaliser" in finding.fix


def test_an_export_of_another_policy_is_found():
    teacher = PolicyBundle.load(ARTIFACTS / "teacher")
    findings = examine.export(ARTIFACTS / "export", teacher).counted
    assert [f.check for f in findings] == ["export is of the student"]


def test_a_folder_of_kept_policies_is_examined_as_a_run_is(capsys: pytest.CaptureFixture):
    assert main(["doctor", str(ARTIFACTS)]) == 0
    said = capsys.readouterr().out
    assert f"{ARTIFACTS / 'teacher'} and {ARTIFACTS / 'student'}: nothing found" in said
    assert f"export {ARTIFACTS / 'export'}: nothing found" in said


def test_a_task_is_examined_with_the_settings_beside_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    built: list[int] = []
    build = get_task("quadrotor").build

    def spied(config: Any, *rest: Any) -> Any:
        built.append(config.episode_steps)
        return build(config, *rest)

    task = replace(get_task("quadrotor"), build=spied)
    monkeypatch.setattr("robo_ts.doctor.patients.get_task", lambda name: task)
    seen, launch = examine_all(["quadrotor", "task.episode_steps=30"])
    assert built == [30]
    assert seen.subject == "task quadrotor, task.episode_steps=30"
    assert launch.subject.startswith("launch of ")
    assert main(["doctor", "quadrotor", "task=soccer"]) == 2
    assert "settings of one task" in capsys.readouterr().err


def test_a_damaged_export_is_found(tmp_path: Path):
    folder = tmp_path / "export"
    shutil.copytree(ARTIFACTS / "export", folder)
    (folder / "policy.onnx").write_bytes(b"not a network")
    assert [f.check for f in examine.export(folder).counted] == ["golden trace"]


def test_the_commands_status_and_json_tell_of_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    folder = tmp_path / "export"
    shutil.copytree(ARTIFACTS / "export", folder)
    figures = tmp_path / "doctor.json"
    assert main(["doctor", str(folder), "--json", str(figures)]) == 0
    (folder / "golden.npz").unlink()
    assert main(["doctor", str(folder), "--json", str(figures)]) == 1
    said = capsys.readouterr().out
    assert "expected" in said and "found" in said and "fix" in said
    (one,) = json.loads(figures.read_text())
    assert one["findings"][0]["check"] == "golden trace"
    assert set(one["findings"][0]) == {"check", "where", "expected", "found", "fix", "severity"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["doctor", "quadroto"], "did you mean quadrotor"),
        (["doctor", "nowhere/run"], "no such file"),
        (["doctor", "task=quadroto"], "did you mean quadrotor"),
    ],
)
def test_a_word_that_names_nothing_is_told(
    words: list[str], said: str, capsys: pytest.CaptureFixture
):
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_a_damaged_bundle_is_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = tmp_path / "bundle"
    shutil.copytree(ARTIFACTS / "student", folder)
    (folder / "policy.safetensors").write_bytes(b"0")
    assert main(["doctor", str(folder)]) == 2
    assert "other bytes" in capsys.readouterr().err


@pytest.mark.slow
def test_a_whole_run_is_examined_part_by_part(smoke_run: Path, tmp_path: Path):
    figures = tmp_path / "doctor.json"
    assert main(["doctor", str(smoke_run), "--json", str(figures)]) in (0, 1)
    subjects = [one["subject"] for one in json.loads(figures.read_text())]
    assert len(subjects) == 3
    assert "teacher" in subjects[0] and "student" in subjects[0]
    assert subjects[1].startswith("log ") and subjects[2].startswith("export ")


def test_nobody_is_examined_before_every_word_is_known(monkeypatch: pytest.MonkeyPatch):
    def asked(*_: Any, **__: Any) -> Any:
        pytest.fail("examined before the words were read")

    for name in ("couple", "bundle", "task", "kept"):
        monkeypatch.setattr(examine, name, asked)
    known = [str(ARTIFACTS / "teacher"), str(ARTIFACTS / "student")]
    with pytest.raises(RoboTSError, match="no such file or folder"):
        examine_all([*known, "extra"])
    with pytest.raises(RoboTSError, match="no such file or folder"):
        examine_all(["quadrotor", "extra"])
