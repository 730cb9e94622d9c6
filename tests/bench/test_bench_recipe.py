"""A recipe measured with several seeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from robo_ts.bench.recipe import measure, show
from robo_ts.files import write_json
from robo_ts.pipeline.config import compose_run
from robo_ts.policies import PolicyBundle

WORDS = ["task=quadrotor", "recipe=smoke"]
KEPT = Path(__file__).parents[2] / "artifacts" / "quadrotor-ppo"


def finished(words: Sequence[str]) -> None:
    """What a run leaves, from committed policies; the student of another seed is another one."""
    run = compose_run(list(words))
    shutil.copytree(KEPT / "teacher", run.run_dir / "teacher" / "bundle")
    student = PolicyBundle.load(KEPT / "student")
    with torch.no_grad():
        next(student.policy.parameters()).mul_(1.0 + 0.01 * run.config.seed)
    student.save(run.run_dir / "student" / "bundle")
    rows = [{"iteration": i, "seconds": float(i), "loss": 1.0 / i} for i in range(1, 200)]
    (run.run_dir / "student" / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    seconds = {"student": 60.0, "total": 90.0 + run.config.seed}
    write_json(run.run_dir / "summary.json", {"seconds": seconds, "student": {"parameters": 7}})
    write_json(run.run_dir / "manifest.json", {"seed": run.config.seed})
    write_json(run.run_dir / "export" / "done.json", {"microseconds_per_step": {"c": 1.5}})


def test_students_of_two_seeds_are_flown_beside_each_other_and_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    figures = measure(WORDS, [0, 1], ["vehicle_crazyflie"], [f"kept={KEPT}/student"], finished)
    trial = json.loads(json.dumps(figures))["trials"]["vehicle_crazyflie"]
    assert list(trial["policies"]) == ["seed 0", "seed 1", "teacher of seed 0", "kept"]
    assert trial["policies"]["seed 0"] == trial["policies"]["kept"]
    one, two = (trial["policies"][f"seed {seed}"]["return mean"] for seed in (0, 1))
    assert one != two
    summed = trial["students"]["return mean"]
    assert summed["mean"] == pytest.approx((one + two) / 2)
    assert (summed["lowest"], summed["highest"]) == (min(one, two), max(one, two))
    assert [run["seconds"]["total"] for run in figures["runs"]] == [90.0, 91.0]
    assert figures["runs"][1]["microseconds_per_step"] == {"c": 1.5}
    curve = figures["runs"][0]["curves"]["student"]
    assert 50 <= len(curve) <= 60 and curve[-1]["iteration"] == 199
    assert curve[0]["loss"] == pytest.approx((1.0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    show(figures)
    assert "crazyflie" in capsys.readouterr().out
