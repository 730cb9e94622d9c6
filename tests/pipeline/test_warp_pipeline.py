"""The same line on the other engine."""

import json
from pathlib import Path

import pytest

from robo_ts.cli import main


@pytest.mark.slow
def test_smoke_runs_unchanged_on_the_warp_engine(tmp_path: Path, smoke_run: Path):
    words = ["task=quadrotor", "recipe=smoke", "engine=warp", f"run_dir={tmp_path}/r"]
    assert main(["pipeline", *words]) == 0
    warp = json.loads((tmp_path / "r" / "summary.json").read_text())
    cpu = json.loads((smoke_run / "summary.json").read_text())
    assert warp["engine"] == "warp"
    assert warp.keys() == cpu.keys()
    assert warp["onnx"]["max_abs_diff_vs_torch"] <= 1e-4
