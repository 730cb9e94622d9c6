"""What a user may get wrong: one message, a status, no traceback, nothing lost."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
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


@pytest.fixture
def done_run(smoke_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to be damaged."""
    return Path(shutil.copytree(smoke_run, tmp_path / "done"))


def _pipeline_fails(run: Path, capsys: pytest.CaptureFixture) -> str:
    return _fails(["pipeline", "recipe=smoke", f"run_dir={run}"], capsys)


@pytest.mark.parametrize(
    "file", ["teacher/bundle", "student/bundle", "eval/student.json", "export/policy.onnx"]
)
def test_a_finished_stage_whose_files_are_missing(
    done_run: Path, capsys: pytest.CaptureFixture, file: str
):
    shutil.move(done_run / file, done_run / "elsewhere")
    said = _pipeline_fails(done_run, capsys)
    assert str(done_run / file) in said
    assert f"delete {done_run / file.partition('/')[0] / 'done.json'}" in said


def test_a_finished_stage_whose_policy_was_replaced(done_run: Path, capsys: pytest.CaptureFixture):
    shutil.rmtree(done_run / "teacher" / "bundle")
    shutil.copytree(done_run / "student" / "bundle", done_run / "teacher" / "bundle")
    said = _pipeline_fails(done_run, capsys)
    digest = json.loads((done_run / "teacher" / "done.json").read_text())["digest"]
    assert digest[:16] in said
    assert "student, eval, export" in said


@pytest.mark.parametrize(
    ("stage", "content"),
    [("teacher", "{}"), ("student", "[]"), ("eval", '{"seconds": 1}'), ("export", "null")],
)
def test_a_done_file_with_other_content(
    done_run: Path, capsys: pytest.CaptureFixture, stage: str, content: str
):
    path = done_run / stage / "done.json"
    path.write_text(content)
    assert str(path) in _pipeline_fails(done_run, capsys)


@pytest.mark.parametrize(
    "content", [{}, [1], {"learner": {}, "seconds": 1.0}, {"learner": 3, "seconds": 1.0}]
)
def test_a_checkpoint_with_other_content(
    done_run: Path, capsys: pytest.CaptureFixture, content: object
):
    (done_run / "student" / "done.json").unlink()
    path = done_run / "student" / "checkpoint.pt"
    torch.save(content, path)
    said = _pipeline_fails(done_run, capsys)
    assert str(path) in said
    assert "delete the file" in said


def _card_edit(bundle: Path, edit: Callable[[dict], object]) -> None:
    card = json.loads((bundle / "policy.json").read_text())
    edit(card)
    (bundle / "policy.json").write_text(json.dumps(card))


@pytest.mark.parametrize("name", ["lineage", "action", "task_config", "task"])
@pytest.mark.parametrize("value", [None, []])
def test_a_bundle_card_with_entries_of_another_kind(
    done_run: Path, capsys: pytest.CaptureFixture, name: str, value: object
):
    bundle = done_run / "student" / "bundle"
    _card_edit(bundle, lambda card: card.update({name: value}))
    assert repr(name) in _fails(["evaluate", "recipe=smoke", f"bundle={bundle}"], capsys)


def test_a_damaged_card_is_told_of_once(done_run: Path, capsys: pytest.CaptureFixture):
    bundle = done_run / "student" / "bundle"
    (bundle / "policy.json").write_text("{")
    said = _fails(["evaluate", "recipe=smoke", f"bundle={bundle}"], capsys)
    assert [said.count(word) for word in ("expected ", "got ", "fix ")] == [1, 1, 1]


def test_an_empty_bundle_or_a_report_of_none(tmp_path: Path, capsys: pytest.CaptureFixture):
    for words in (["bundle="], [f"out={tmp_path}/x.json"], ["bundle=", f"out={tmp_path}/x"]):
        for command in ("evaluate", "export"):
            assert "bundle=DIR" in _fails([command, "recipe=smoke", *words], capsys)
    assert not list(tmp_path.iterdir())


def test_figures_that_could_not_be_written_are_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("robo_ts.bench.run_bench", lambda *_, **__: pytest.fail("measured"))
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "x.json"):
        assert str(path) in _fails(["bench", "--json", str(path)], capsys)


def test_a_run_that_left_nothing_may_begin_anew_with_other_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    run = [f"run_dir={tmp_path}/r", "recipe=smoke"]
    _fails(["distill", *run, "distill.loss=mse"], capsys)
    assert "finished stage" in _fails(["distill", *run, "distill.loss=huber", "seed=4"], capsys)
    kept = yaml.safe_load((tmp_path / "r" / "config.yaml").read_text())
    assert (kept["config"]["distill"]["loss"], kept["config"]["seed"]) == ("huber", 4)
    assert json.loads((tmp_path / "r" / "manifest.json").read_text())["seed"] == 4
    (tmp_path / "r" / "teacher").mkdir()
    torch.save({}, tmp_path / "r" / "teacher" / "checkpoint.pt")
    assert "others: seed" in _fails(["distill", *run, "distill.loss=huber", "seed=5"], capsys)


def test_only_settings_that_decide_results_are_named_as_different(
    smoke_run: Path, capsys: pytest.CaptureFixture
):
    words = ["recipe=smoke", "seed=3", "torch_threads=2", "engine.threads=3"]
    said = _fails(["pipeline", *words, f"run_dir={smoke_run}/../run"], capsys)
    assert "others: seed\n" in said
