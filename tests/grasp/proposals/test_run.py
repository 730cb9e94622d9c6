"""The whole line in small: every stage leaves its file, and is not done again."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from robo_ts.envs.grasp.proposals.config import (
    ModelConfig,
    ProposalsConfig,
    RefineConfig,
    SynthesisConfig,
    TrialConfig,
)
from robo_ts.envs.grasp.proposals.grasps import load_grasps
from robo_ts.envs.grasp.proposals.run import run
from robo_ts.errors import RoboTSError
from robo_ts.files import read_json
from robo_ts.sim import EngineConfig

pytest.importorskip("zuko", reason="needs robo_ts[proposals]")

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "grasp_proposals.py"
# Everything counts as held: what is tested is the line, not the grasps.
TINY = ProposalsConfig(
    objects=2,
    unseen=1,
    families=["cube", "slab"],
    each=6,
    rounds=2,
    samples=2,
    resolution=12,
    synthesis=SynthesisConfig(iterations=2, polish=2),
    trial=TrialConfig(seconds=0.02, settle=0.01, moved=100.0, penetration=1.0, table=1.0),
    model=ModelConfig(8, transforms=1, queries=8, grid=32, points=16, batch=4, iterations=2),
    refine=RefineConfig(iterations=2),
)
ONE = EngineConfig(threads=1)


def test_the_line_leaves_every_file_and_resumes(tmp_path: Path) -> None:
    figures = run(TINY, tmp_path, ONE)
    assert figures["synthesised"]["grasps"] == 24
    assert figures["valid_per_object"] == {"cube/0": "12 of 12", "slab/0": "12 of 12"}
    assert set(figures["unseen"]) == {"random", "proposed", "random_refined", "proposed_refined"}
    assert figures["log_density"]["kept_out"]["count"] == 2
    assert read_json(tmp_path / "figures.json")["synthesised"] == figures["synthesised"]
    grasps, about, _ = load_grasps(tmp_path / "valid.safetensors")
    assert len(grasps) == 24 and about["objects"] == ["cube/0", "slab/0"]
    # As if the run had died after the first round, and later after training.
    slow = [
        tmp_path / name
        for name in ("made-0.safetensors", "made-1.safetensors", "model.safetensors")
    ]
    before = [path.stat().st_mtime_ns for path in slow]
    slow[1].unlink()
    assert run(TINY, tmp_path, ONE) == figures
    after = [path.stat().st_mtime_ns for path in slow]
    assert (before[0], before[2]) == (after[0], after[2])
    assert before[1] != after[1]


def test_a_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RoboTSError, match="the settings that"):
        run(TINY, tmp_path, ONE)


def test_nothing_that_held_is_nothing_to_learn_from(tmp_path: Path) -> None:
    strict = replace(TINY, rounds=1, trial=replace(TINY.trial, moved=1e-9))
    with pytest.raises(RoboTSError, match="grasps that held"):
        run(strict, tmp_path, ONE)


@pytest.mark.parametrize(
    ("word", "said"),
    [("objekts=2", "objekts"), ("synthesis.iterations=0", "iterations"), ("each=many", "each")],
)
def test_wrong_words_are_refused_by_name(
    word: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), word, "--run-dir", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert stopped.value.code == 2
    shown = capsys.readouterr().err
    assert said in shown and "fix" in shown
    assert not (tmp_path / "run" / "config.json").exists()
