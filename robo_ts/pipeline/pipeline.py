"""The whole line in one function."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robo_ts.distributed import rank, started
from robo_ts.errors import RoboTSError
from robo_ts.files import write_json
from robo_ts.pipeline import measure, stages
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.manifest import manifest
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.progress import set_threads
from robo_ts.view.report import write_report

STAGES: dict[str, Callable[[Run, RunDir], dict[str, Any]]] = {
    "teach": stages.teach,
    "distill": stages.distill,
    "evaluate": measure.evaluate,
    "export": measure.export,
}


def run_stage(run: Run, name: str) -> dict[str, Any]:
    """One stage of a run; the stages before it must be done."""
    if name != "distill":
        _alone(name)
    with started():
        folder = begin(run)
        return STAGES[name](run, folder)


def run_pipeline(run: Run) -> tuple[Path, dict[str, Any]]:
    """All stages, resuming what an earlier attempt left.

    Returns:
        The report's path and the summary.
    """
    begun = time.monotonic()
    _alone("pipeline")
    folder = begin(run)
    opened = time.monotonic() - begun
    results = {name: stage(run, folder) for name, stage in STAGES.items()}
    summary = summarise_run(run, results, opened)
    write_json(folder.path / "summary.json", summary)
    report = write_report(folder.path, run.to_dict(), summary, results)
    return report, summary


def _alone(name: str) -> None:
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        raise RoboTSError(
            "one process for every stage but 'distill'",
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

    return {
        "task": run.task,
        "recipe": run.recipe,
        "engine": run.config.engine.name,
        "seed": run.config.seed,
        "seconds": seconds,
        "teacher": measured(evaluated["teacher"]),
        "student": {
            **measured(evaluated["student"]),
            "parameters": results["distill"]["parameters"],
        },
        "onnx": {
            **measured(exported["onnx"]),
            "max_abs_diff_vs_torch": exported["max_abs_diff_vs_torch"],
            "steps_compared": exported["steps_compared"],
            "file": f"export/{exported['file']}",
            "bytes": exported["bytes"],
        },
    }
