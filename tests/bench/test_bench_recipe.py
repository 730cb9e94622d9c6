"""A recipe measured with several seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from robo_ts.bench.recipe import measure, show
from robo_ts.cli import main

WORDS = ["task=quadrotor", "recipe=smoke", "evaluate.episodes=16", "export.steps=20"]


def pipeline(words: Sequence[str]) -> None:
    assert main(["pipeline", *words]) == 0


@pytest.mark.slow
def test_students_of_two_seeds_are_flown_beside_each_other_and_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    figures = measure(WORDS, [0, 1], ["vehicle_crazyflie"], pipeline=pipeline)
    figures = json.loads(json.dumps(figures))
    trial = figures["trials"]["vehicle_crazyflie"]
    assert list(trial["policies"]) == ["seed 0", "seed 1", "teacher of seed 0"]
    one, two = (trial["policies"][f"seed {seed}"]["return mean"] for seed in (0, 1))
    assert one != two
    summed = trial["students"]["return mean"]
    assert summed["mean"] == pytest.approx((one + two) / 2)
    assert (summed["lowest"], summed["highest"]) == (min(one, two), max(one, two))
    for run in figures["runs"]:
        assert run["seconds"]["total"] > run["seconds"]["student"] > 0.0
        assert [point["iteration"] for point in run["curves"]["student"]] == [1, 2, 3, 4]
    show(figures)
    assert "crazyflie" in capsys.readouterr().out

    before = (tmp_path / "runs/quadrotor-smoke-cpu-seed0/student/metrics.jsonl").read_text()
    again = measure(WORDS, [0], ["vehicle_crazyflie"], pipeline=pipeline)
    assert (tmp_path / "runs/quadrotor-smoke-cpu-seed0/student/metrics.jsonl").read_text() == before
    assert again["trials"]["vehicle_crazyflie"]["policies"]["seed 0"]["return mean"] == one
