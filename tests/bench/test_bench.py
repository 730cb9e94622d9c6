"""The measurement gives every figure it promises. How large they are is no test's business."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from robo_ts.bench import print_report, run_bench
from robo_ts.errors import RoboTSError
from robo_ts.files import write_json
from robo_ts.sim import EngineConfig


def test_a_measurement_holds_rates_ratios_and_where_they_come_from(tmp_path: Path) -> None:
    engine = EngineConfig(threads=1)
    found = run_bench(["sim", "env"], num_envs=4, engine=engine, seconds=0.02, seed=3, rounds=2)
    assert set(found["rates"]) == {"raw", "sim", "env"}
    for name, rate in found["rates"].items():
        assert rate > 0 and math.isfinite(rate)
        assert len(found["rounds"][name]) == 2
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
    assert "raw engine" in text and "BatchSim" in text and "whole task" in text


def test_only_what_was_asked_for_is_measured_beside_the_raw_engine() -> None:
    found = run_bench(["env"], num_envs=2, engine=EngineConfig(threads=1), seconds=0.01, rounds=1)
    assert set(found["rates"]) == {"raw", "env"}
    assert "sim_over_raw" not in found


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [({"what": ["evn"]}, "env"), ({"rounds": 0}, "more"), ({"seconds": 0}, "more")],
)
def test_impossible_measurements_are_refused(wrong: dict, hint: str) -> None:
    with pytest.raises(RoboTSError) as failure:
        run_bench(**wrong)
    assert hint in failure.value.fix
