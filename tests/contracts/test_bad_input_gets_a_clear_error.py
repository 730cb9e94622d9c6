"""What a user may get wrong: one message, a status, no traceback, nothing lost."""

import shutil
from pathlib import Path

import pytest
import yaml

from robo_ts.cli import main


def _fails(words: list[str], capsys: pytest.CaptureFixture) -> str:
    status = main(words)
    said = capsys.readouterr().err
    assert status == 2
    assert all(part in said for part in ("expected", "got", "fix"))
    assert "Traceback" not in said
    return said


def test_unknown_task_and_unknown_key(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert "quadrotor" in _fails(["pipeline", "task=quadcopter"], capsys)
    said = _fails(["pipeline", "distill.los=mse", f"run_dir={tmp_path}/r"], capsys)
    assert "distill.loss" in said
    assert not (tmp_path / "r").exists()


def test_missing_bundle(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert "does not exist" in _fails(["evaluate", f"bundle={tmp_path}/none"], capsys)


def test_stage_before_its_time(tmp_path: Path, capsys: pytest.CaptureFixture):
    said = _fails(["distill", "recipe=smoke", f"run_dir={tmp_path}/r"], capsys)
    assert "finished stage 'teacher'" in said


@pytest.mark.parametrize("damage", ["truncate", "flip", "card"])
def test_damaged_bundle(
    smoke_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, damage: str
):
    bundle = tmp_path / "bundle"
    shutil.copytree(smoke_run / "student" / "bundle", bundle)
    weights, card = bundle / "policy.safetensors", bundle / "policy.json"
    if damage == "truncate":
        weights.write_bytes(weights.read_bytes()[:100])
    elif damage == "flip":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 0xFF
        weights.write_bytes(bytes(content))
    else:
        card.write_text(card.read_text()[:200])
    _fails(["evaluate", "recipe=smoke", f"bundle={bundle}"], capsys)
    _fails(["export", "recipe=smoke", f"bundle={bundle}", f"out={tmp_path}/out"], capsys)
    assert not (tmp_path / "out" / "policy.onnx").exists()


def test_run_dir_of_another_task(smoke_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = tmp_path / "run"
    folder.mkdir()
    kept = yaml.safe_load((smoke_run / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**kept, "task": "soccer"}))
    said = _fails(["pipeline", "recipe=smoke", f"run_dir={folder}"], capsys)
    assert "soccer" in said


def test_run_dir_of_other_settings_names_them(smoke_run: Path, capsys: pytest.CaptureFixture):
    said = _fails(
        ["pipeline", "recipe=smoke", "distill.loss=huber", f"run_dir={smoke_run}"], capsys
    )
    assert "distill.loss" in said


def test_run_dir_with_foreign_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "thesis.tex").write_text("years of work")
    _fails(["pipeline", "recipe=smoke", f"run_dir={tmp_path}"], capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_bundle_that_never_saw_this_task_is_refused(
    smoke_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    bundle = tmp_path / "bundle"
    shutil.copytree(smoke_run / "student" / "bundle", bundle)
    card = bundle / "policy.json"
    card.write_text(card.read_text().replace('"angular_velocity"', '"angular_rate"'))
    said = _fails(["evaluate", "recipe=smoke", f"bundle={bundle}"], capsys)
    assert "proprioception" in said
