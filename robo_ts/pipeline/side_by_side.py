"""Several runs brought to one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robo_ts.errors import RoboTSError
from robo_ts.files import read_json
from robo_ts.pipeline.page import error_metric
from robo_ts.pipeline.run_dir import setting_differences
from robo_ts.pipeline.saved import results, saved_settings
from robo_ts.progress import read_metrics

# Points of a curve that a page shows at most.
_POINTS = 300


def compare_runs(paths: Sequence[str | Path]) -> dict[str, Any]:
    """What was measured of each run, and the settings in which they differ.

    Returns:
        ``runs``: by name, ``task``, ``recipe``, ``seconds``, ``policies`` (what was measured of
        teacher, student and ONNX file, as far as it was), ``parameters``, ``student`` (its log),
        ``verdict`` of ``robo-ts explain`` and ``hardware``. ``differences``: dotted settings, each
        with one value per run. ``error_metric``: the tasks' common one.

    Raises:
        RoboTSError: for fewer than two runs, or a folder that holds none.
    """
    if len(paths) < 2:
        raise RoboTSError("at least two runs", str(len(paths)), "robo-ts compare RUN RUN ...")
    kept = {str(path): saved_settings(path) for path in paths}
    if len(kept) < len(paths):
        raise RoboTSError("different runs", "one named twice", "name each run once")
    runs = {name: _one(Path(name), settings) for name, settings in kept.items()}
    metrics = {error_metric(run["task"]) for run in runs.values()}
    return {
        "runs": runs,
        "differences": _differences(kept),
        "error_metric": metrics.pop() if len(metrics) == 1 else "",
    }


def _one(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    done = results(path)
    evaluated, exported = done.get("evaluate", {}), done.get("export", {})
    policies = {
        "teacher": evaluated.get("teacher"),
        "student": evaluated.get("student"),
        "onnx": exported.get("onnx"),
    }
    manifest = path / "manifest.json"
    explained = path / "explain" / "ladder.json"
    rows = read_metrics(path / "student" / "metrics.jsonl")
    kept = rows[:: max(1, len(rows) // _POINTS)]
    return {
        "task": settings["task"],
        "recipe": settings["recipe"],
        "seconds": {name: result.get("seconds") for name, result in done.items()},
        "policies": {name: report for name, report in policies.items() if report},
        "parameters": done.get("distill", {}).get("parameters"),
        "student": [
            {k: row[k] for k in ("iteration", "seconds", "success", "loss") if k in row}
            for row in kept
        ],
        "verdict": read_json(explained)["verdict"]["sentence"] if explained.is_file() else "",
        "hardware": read_json(manifest)["hardware"] if manifest.is_file() else {},
    }


def _differences(kept: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """Settings that are not the same in all runs."""
    settings = list(kept.values())
    names: set[str] = set()
    for other in settings[1:]:
        names |= set(setting_differences(settings[0], other))
    return {name: [_value(one, name) for one in settings] for name in sorted(names)}


def _value(settings: dict[str, Any], name: str) -> Any:
    if name in ("task", "recipe"):
        return settings[name]
    place: Any = settings["config"]
    for key in name.split("."):
        place = place.get(key) if isinstance(place, dict) else None
    return place
