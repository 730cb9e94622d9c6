"""The whole line in one function."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from robo_ts.distributed import rank, started
from robo_ts.errors import RoboTSError
from robo_ts.files import write_json
from robo_ts.pipeline import measure, stages
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.manifest import manifest
from robo_ts.pipeline.page import make_gallery, rewrite_report
from robo_ts.pipeline.processes import together
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.progress import set_threads
from robo_ts.sim.api import available_cores

STAGES: dict[str, Callable[[Run, RunDir], dict[str, Any]]] = {
    "teach": stages.teach,
    "distill": stages.distill,
    "evaluate": measure.evaluate,
    "export": measure.export,
}


def run_stage(run: Run, name: str) -> dict[str, Any]:
    """One stage of a run; the stages before it must be done."""
    if not _shared(run, name):
        _alone(name)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        with started():
            return STAGES[name](run, begin(run))
    return _carry_out(run, begin(run), name)


def _carry_out(run: Run, folder: RunDir, name: str) -> dict[str, Any]:
    count = run.config.processes if _shared(run, name) else 1
    if count == 1 or folder.is_done(_FOLDERS.get(name, name)):
        return STAGES[name](run, folder)
    return together(count, partial(_work, run, name))


def _work(run: Run, name: str) -> dict[str, Any]:
    set_threads(run.config.torch_threads or max(1, available_cores() // run.config.processes))
    return STAGES[name](run, RunDir(run.run_dir))


_FOLDERS = {"teach": "teacher", "distill": "student"}


def _shared(run: Run, name: str) -> bool:
    """Whether several processes can carry out a stage together."""
    gradients = run.config.method == "apg" and not run.config.teacher_bundle
    here = gradients and run.config.launcher == "local"
    return name == "distill" or (name == "teach" and here)


def run_pipeline(run: Run) -> tuple[Path, dict[str, Any]]:
    """All stages, resuming what an earlier attempt left.

    Returns:
        The report's path and the summary.
    """
    begun = time.monotonic()
    _alone("pipeline")
    folder = begin(run)
    opened = time.monotonic() - begun
    results = {name: _carry_out(run, folder, name) for name in STAGES}
    summary = summarise_run(run, results, opened)
    write_json(folder.path / "summary.json", summary)
    make_gallery(run, folder)
    return rewrite_report(folder.path), summary


def _alone(name: str) -> None:
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        raise RoboTSError(
            "one process for every stage but 'distill' (and 'teach' with method=apg)",
            f"{processes} processes for {name!r}",
            "run 'robo-ts teach', then 'torchrun --no-python robo-ts distill', then the rest",
        )


def begin(run: Run) -> RunDir:
    """Open the run's folder and write down where its results come from."""
    set_threads(run.config.torch_threads)
    folder = RunDir(run.run_dir)
    folder.open(run)
    if rank() == 0 and not (folder.path / "manifest.json").exists():
        write_json(folder.path / "manifest.json", manifest(run))
    return folder


def summarise_run(
    run: Run, results: dict[str, dict[str, Any]], opened: float = 0.0
) -> dict[str, Any]:
    """The few numbers others read; keys are kept stable. ``opened``: seconds before the stages."""
    evaluated, exported = results["evaluate"], results["export"]
    seconds = {
        "teacher": results["teach"]["seconds"],
        "student": results["distill"]["seconds"],
        "evaluate": evaluated["seconds"],
        "export": exported["seconds"],
    }
    seconds["total"] = opened + sum(seconds.values())

    def measured(report: dict[str, Any]) -> dict[str, Any]:
        kept = {"success": report["success"]}
        if "position_error_m" in report:
            kept["position_error_m"] = report["position_error_m"]
        return kept

    # A population flies the robots of its pool, the student robots nobody has seen.
    members = {k: v for k, v in results["teach"].items() if k == "members"}
    checked = {k: measured(v) for k, v in evaluated.items() if k.endswith("_in_mujoco")}
    return {
        "task": run.task,
        "recipe": run.recipe,
        "engine": run.config.engine.name,
        "seed": run.config.seed,
        "seconds": seconds,
        "teacher": measured(evaluated["teacher"]) | members,
        "student": {
            **measured(evaluated["student"]),
            "parameters": results["distill"]["parameters"],
        },
        **checked,
        "onnx": {
            **measured(exported["onnx"]),
            "max_abs_diff_vs_torch": exported["max_abs_diff_vs_torch"],
            "steps_compared": exported["steps_compared"],
            "file": f"export/{exported['file']}",
            "bytes": exported["bytes"],
        },
    }
