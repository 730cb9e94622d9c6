"""The measurement gives every figure it promises. How large they are is no test's business."""

from __future__ import annotations

import functools
import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from robo_ts.bench import engines, print_report, run_bench
from robo_ts.cli import main
from robo_ts.errors import RoboTSError
from robo_ts.files import write_json
from robo_ts.sim import EngineConfig


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than these tests."""
    monkeypatch.setattr("robo_ts.envs.quadrotor.twin.compiled", lambda function, *_, **__: function)


def test_a_measurement_holds_rates_ratios_and_where_they_come_from(tmp_path: Path) -> None:
    engine = EngineConfig(threads=1)
    found = run_bench(["sim", "env"], num_envs=4, engine=engine, seconds=0.02, seed=3, rounds=2)
    assert set(found["rates"]) == {"raw", "sim", "env"}
    for name, rate in found["rates"].items():
        assert rate > 0 and math.isfinite(rate)
        assert len(found["rounds"][name]) == 2
    assert found["analytic"]["rate"] > 0 and len(found["analytic"]["rounds"]) == 20
    assert found["sim_over_raw"] > 0 and found["env_over_raw"] > 0
    assert (found["task"], found["num_envs"], found["substeps"]) == ("quadrotor", 4, 1)
    assert (found["seed"], found["threads"], found["device"]) == (3, 1, "cpu")
    assert {"cpu", "cores", "gpu"} <= set(found["hardware"])
    packages = {"python", "torch", "mujoco", "mujoco-warp", "robo_ts"}
    assert packages <= set(found["versions"])
    assert "commit" in found

    write_json(tmp_path / "bench.json", found)
    assert json.loads((tmp_path / "bench.json").read_text()) == found

    console = Console(file=io.StringIO(), width=100)
    print_report(found, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "formulas and observations, 1024 worlds" in text
    assert "raw engine" in text and "BatchSim" in text and "whole task" in text


def test_every_engine_stands_beside_the_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robo_ts.sim.analytic.compiled", lambda function, *_, **__: function)
    names = ("cpu", "warp", "analytic")
    small = functools.partial(engines.run_engines, num_envs=3)
    monkeypatch.setattr("robo_ts.bench.run.run_engines", small)
    one = EngineConfig(threads=1)
    found = run_bench(["sim"], 2, one, seconds=0.01, rounds=1, beside=names)
    assert list(found["engines"]) == list(names)
    for measured in found["engines"].values():
        assert measured["rate"] > 0 and measured["num_envs"] == 3 and measured["threads"] == 1
    console = Console(file=io.StringIO(), width=120)
    print_report(found, console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    for label in ("MuJoCo: whole task", "MuJoCo Warp: whole task", "analytic engine: whole task"):
        assert f"{label}, 3 worlds" in said


def test_only_what_was_asked_for_is_measured_beside_the_raw_engine() -> None:
    found = run_bench(["env"], num_envs=2, engine=EngineConfig(threads=1), seconds=0.01, rounds=1)
    assert set(found["rates"]) == {"raw", "env"}
    assert "sim_over_raw" not in found and "analytic" not in found


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [({"what": ["evn"]}, "env"), ({"rounds": 0}, "more"), ({"seconds": 0}, "more")],
)
def test_impossible_measurements_are_refused(wrong: dict, hint: str) -> None:
    with pytest.raises(RoboTSError) as failure:
        run_bench(**wrong)
    assert hint in failure.value.fix


def test_tasks_without_formulas_have_no_row_for_them() -> None:
    found = run_bench(["sim"], 2, EngineConfig(threads=1), seconds=0.01, rounds=1, task="reacher")
    assert "analytic" not in found


def test_words_with_an_equals_sign_are_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def measure(what: list[str], num_envs: int, engine: EngineConfig, seed: int, task: str) -> dict:
        asked.append((what, num_envs, engine.threads, seed, task))
        return run_bench(what, 2, engine, seconds=0.01, rounds=1, task=task)

    monkeypatch.setattr("robo_ts.bench.run.run_bench", measure)
    words = ["bench", "sim", "task=reacher", "num_envs=3", "threads=1", "seed=4"]
    assert main([*words, "--json", str(tmp_path / "a.json")]) == 0
    assert asked == [(["sim"], 3, 1, 4, "reacher")]
    for wrong in ("colour=red", "num_envs=many"):
        assert main(["bench", "sim", wrong, "--json", str(tmp_path / "b.json")]) == 2
