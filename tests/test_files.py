"""Whole files or none."""

import json
from pathlib import Path

import pytest

from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path, read_json, sha256, write_json
from robo_ts.progress import MetricsLog, read_metrics


def test_a_write_that_fails_keeps_the_old_content(tmp_path: Path):
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]


def test_a_write_error_says_what_to_do(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RoboTSError, match="run the same command again"):
        write_json(blocked / "below" / "x.json", {})


def test_a_folder_is_replaced_whole(tmp_path: Path):
    folder = tmp_path / "bundle"
    for content in ("one", "two"):
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [p.name for p in folder.iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_not_a_number_becomes_null_in_json(tmp_path: Path):
    write_json(tmp_path / "x.json", {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [None, 1.5]}


def test_damaged_json_is_named(tmp_path: Path):
    (tmp_path / "x.json").write_text('{"a": ')
    with pytest.raises(RoboTSError, match=r"x\.json"):
        read_json(tmp_path / "x.json")


def test_hash_depends_on_names_and_content(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    first = sha256(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert sha256(tmp_path) != first


def test_rounds_after_the_checkpoint_are_recorded_once(tmp_path: Path):
    log = MetricsLog(tmp_path, tmp_path / "tb")
    for iteration in (1, 2, 3):
        log.write(iteration, 10 * iteration, {"loss": 1.0 / iteration})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 4, "los')  # killed in the middle of a line
    log = MetricsLog(tmp_path, tmp_path / "tb", keep=2)
    log.write(3, 30, {"loss": 0.5})
    log.close()
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert rows[2]["loss"] == 0.5


def test_tensorboard_can_read_what_was_logged(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path, tmp_path / "tb")
    log.write(1, 10, {"loss": 0.25})
    log.close()
    events = EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 0.25)]
