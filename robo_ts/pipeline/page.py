"""A run's report, made from what lies in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robo_ts.env import get_task
from robo_ts.errors import RoboTSError
from robo_ts.evaluate import PolicyActor
from robo_ts.files import read_json
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.saved import results, saved_settings
from robo_ts.pipeline.stages import bundle_path, env_maker, load_fitting
from robo_ts.seeds import derive
from robo_ts.view.gallery import INDEX, failure_gallery
from robo_ts.view.report import write_report

GALLERY = "failures"


def rewrite_report(path: str | Path) -> Path:
    """Make ``report.html`` of a run anew from its files, however far the run has come.

    Raises:
        RoboTSError: when there is no run, or a file of it is damaged.
    """
    path = Path(path)
    settings = saved_settings(path)
    summary = path / "summary.json"
    return write_report(
        path,
        {key: settings[key] for key in ("task", "recipe", "config")},
        read_json(summary) if summary.is_file() else {},
        results(path),
        error_metric(settings["task"]),
    )


def error_metric(task: str) -> str:
    """The task's error metric; empty for a task that is not installed here."""
    try:
        return get_task(task).error_metric
    except RoboTSError:
        return ""


def make_gallery(run: Run, folder: RunDir) -> dict[str, Any]:
    """Pictures of what the run's student fails at, made once."""
    pictures = folder.stage("eval") / GALLERY
    if (pictures / INDEX).is_file():
        return read_json(pictures / INDEX)
    student = load_fitting(run, bundle_path(folder, "student"))
    seed = derive(run.config.seed, "gallery")
    return failure_gallery(
        PolicyActor(student.policy), env_maker(run, training=False), pictures, seed
    )
