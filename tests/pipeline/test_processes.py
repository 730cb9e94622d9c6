"""Several processes of one machine train one policy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from robo_ts.distributed import all_sum, rank, world_size
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.pipeline import run_pipeline, run_stage
from robo_ts.pipeline.processes import together
from robo_ts.policies import PolicyBundle


def count_up() -> float:
    return float(all_sum(torch.tensor(float(rank() + 1)))) * world_size()


def die_in_the_second() -> None:
    if rank() == 1:
        raise SystemExit(3)
    all_sum(torch.zeros(1))


def refuse() -> None:
    raise RoboTSError("this", "that", "those")


def test_the_first_process_returns_what_all_made_together() -> None:
    assert together(2, count_up) == 6.0
    assert world_size() == 1


def test_one_process_needs_no_other() -> None:
    assert together(1, count_up) == 1.0


def test_a_process_that_died_is_named() -> None:
    with pytest.raises(RoboTSError, match="exit code 3"):
        together(2, die_in_the_second)


def test_an_error_of_the_first_process_stays_what_it_is() -> None:
    with pytest.raises(RoboTSError, match="expected this"):
        together(2, refuse)


def small(path: Path, *words: str) -> list[str]:
    return [
        "recipe=raptor",
        f"run_dir={path}",
        "apg.num_envs=8",
        "apg.iterations=4",
        "apg.window=4",
        "apg.first_window=4",
        "gate.success=0",
        "gate.episodes=4",
        "evaluate.num_envs=4",
        *words,
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("uncompiled")
def test_a_teacher_of_two_processes_is_saved_once_and_learns_from_both(tmp_path: Path) -> None:
    made = {}
    for count in (1, 2):
        run = compose_run(small(tmp_path / str(count), f"processes={count}"))
        result = run_stage(run, "teach")
        made[count] = PolicyBundle.load(tmp_path / str(count) / "teacher" / "bundle").digest()
        assert result["samples"] == count * 8 * 4 * 4
    assert made[1] != made[2]


@pytest.mark.slow
@pytest.mark.usefixtures("uncompiled")
def test_the_whole_line_runs_through_formulas_and_ends_in_a_checked_file(tmp_path: Path) -> None:
    words = small(
        tmp_path,
        "windows.num_envs=8",
        "windows.iterations=4",
        "windows.window=4",
        "windows.first_window=4",
        "processes=2",
        "windows.warmup_iterations=1",
        "tune.num_envs=8",
        "tune.iterations=3",
        "tune.window=4",
        "tune.first_window=4",
        "evaluate.episodes=8",
        "evaluate.ablation_episodes=4",
        "evaluate.trials=[]",
    )
    run_pipeline(compose_run(words))
    assert (tmp_path / "export" / "policy.onnx").is_file()
    done = json.loads((tmp_path / "student" / "done.json").read_text())
    assert done["samples"] == 2 * 8 * 4 * (4 + 3)


def test_no_processes_are_refused() -> None:
    with pytest.raises(RoboTSError, match="processes >= 1"):
        compose_run(["processes=0"])
