"""A recipe with several seeds: what its students reach in a task's trials, and what that took."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from robo_ts.files import read_json
from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.saved import results
from robo_ts.pipeline.trials import compare
from robo_ts.progress import read_metrics

STAGES = ("teacher", "student", "finetune")
_POINTS = 60  # of a curve
_KEPT = ("iteration", "samples", "seconds", "loss", "cost", "success", "grad_norm")


def run_pipeline(words: Sequence[str]) -> None:
    """``robo-ts pipeline`` in a process of its own, so that every seed pays for its start.

    Raises:
        subprocess.CalledProcessError: when it fails.
    """
    subprocess.run([sys.executable, "-m", "robo_ts.cli", "pipeline", *words], check=True)


def measure(
    words: Sequence[str],
    seeds: Sequence[int],
    trials: Sequence[str] = (),
    beside: Sequence[str] = (),
    pipeline: Callable[[Sequence[str]], None] = run_pipeline,
) -> dict[str, Any]:
    """Run a recipe with every seed and fly its students; finished runs are not run again.

    Args:
        words: of ``robo-ts pipeline``: task, recipe, further settings.
        seeds: of the runs.
        trials: names of trials or groups of trials; all of them when empty.
        beside: other policies to measure in the same worlds, ``name=path``.
        pipeline: how a run is made.

    Returns:
        Plain data: per seed the seconds of every stage and its curve; per trial and policy its
        figures; those of the students also summed up over the seeds.
    """
    runs = {seed: compose_run([*words, f"seed={seed}"]) for seed in seeds}
    for seed in seeds:
        pipeline([*words, f"seed={seed}"])
    first = runs[seeds[0]]
    students = {f"seed {seed}": runs[seed].run_dir for seed in seeds}
    given = [f"{name}={path}" for name, path in students.items()]
    teacher = f"teacher of seed {seeds[0]}={first.run_dir}/teacher/bundle"
    found = compare([*given, teacher, *beside], first.task, trials, first.config.engine, seed=0)
    flown = {
        name: {
            "group": trial["group"],
            "text": trial["text"],
            "policies": {who: _brief(report) for who, report in trial["policies"].items()},
        }
        for name, trial in found.pop("trials").items()
    }
    for trial in flown.values():
        rows = [trial["policies"][name] for name in students]
        trial["students"] = {name: _summed([row[name] for row in rows]) for name in rows[0]}
    return {
        **found,
        "command": " ".join(["robo-ts pipeline", *words]),
        "recipe": first.recipe,
        "seeds": list(seeds),
        "runs": [_spent(runs[seed].run_dir) | {"seed": seed} for seed in seeds],
        "trials": flown,
    }


def _spent(run_dir: Path) -> dict[str, Any]:
    summary = read_json(run_dir / "summary.json")
    return {
        "seconds": summary["seconds"],
        "parameters": summary["student"].get("parameters"),
        "microseconds_per_step": results(run_dir).get("export", {}).get("microseconds_per_step"),
        "manifest": read_json(run_dir / "manifest.json"),
        "curves": {stage: _curve(run_dir / stage) for stage in STAGES},
    }


def _curve(stage: Path) -> list[dict[str, float]]:
    """Thinned; every point is the mean of what lies between it and the last."""
    rows = read_metrics(stage / "metrics.jsonl")
    found = []
    for part in np.array_split(np.arange(len(rows)), min(_POINTS, max(len(rows), 1))):
        if not len(part):
            continue
        last = rows[part[-1]]
        point = {name: last[name] for name in _KEPT[:3] if name in last}
        for name in _KEPT[3:]:
            values = [rows[i][name] for i in part if name in rows[i]]
            if values:
                point[name] = float(np.mean(values))
        found.append(point)
    return found


def _brief(report: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a trial, with those of its bins as ``name[low, high]``."""
    found: dict[str, float] = {}
    for name, value in report.items():
        if not isinstance(value, Mapping):
            continue
        if "ci95" in value:
            found[name] = value["mean"]
        elif set(value) == {"median", "mean"}:
            found |= {f"{name} {kind}": number for kind, number in value.items()}
    for metric, bins in report.get("bins", {}).items():
        for part in bins:
            where = f"[{metric} {part['low']:g}-{part['high']:g}]"
            found |= {
                f"{name} {where}": value["mean"]
                for name, value in part.items()
                if isinstance(value, Mapping)
            }
    return found


def _summed(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean": float(np.mean(values)),
        "lowest": float(np.min(values)),
        "highest": float(np.max(values)),
    }


# Which numbers are shown: their heading, factor and unit.
SHOWN = {
    "within_limits": ("never terminated", 100.0, "%"),
    "survived": ("survived", 100.0, "%"),
    "return mean": ("return", 1.0, ""),
    "position_error_m median": ("error median", 100.0, "cm"),
    "position_error_m mean": ("error mean", 100.0, "cm"),
    "tracking_rmse_m mean": ("tracking", 100.0, "cm"),
}


def show(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what :func:`measure` found: the students' mean, lowest to highest over the seeds."""
    minutes = [run["seconds"]["total"] / 60.0 for run in figures["runs"]]
    table = Table(
        title=f"{figures['command']}: {len(figures['seeds'])} seeds, "
        f"{min(minutes):.1f} to {max(minutes):.1f} minutes each"
    )
    table.add_column("trial", no_wrap=True)
    table.add_column("policy", no_wrap=True)
    shown = [
        name
        for name in SHOWN
        if any(name in trial["students"] for trial in figures["trials"].values())
    ]
    for name in shown:
        label, _, unit = SHOWN[name]
        table.add_column(f"{label}, {unit}" if unit else label, justify="right")
    own = {f"seed {seed}" for seed in figures["seeds"]}
    for trial_name, trial in figures["trials"].items():
        table.add_row(
            trial_name, "students", *(over_seeds(trial["students"], name) for name in shown)
        )
        for who, values in trial["policies"].items():
            if who not in own:
                cells = (shown_as(values.get(name), name) for name in shown)
                table.add_row("", who, *cells)
    wide = console or Console()
    wide.width = max(wide.width, 200)
    wide.print(table)


def over_seeds(
    students: Mapping[str, Mapping[str, float]], name: str, kind: str | None = None
) -> str:
    """One number over the seeds: mean, lowest to highest; in the unit of ``kind``, of ``name`` when
    left out."""
    found, unit = students.get(name, {}), kind or name
    mean, low, high = (shown_as(found.get(end), unit) for end in ("mean", "lowest", "highest"))
    return f"{mean} ({low} to {high})" if mean else ""


def shown_as(value: float | None, name: str) -> str:
    """A number in its unit; empty for what is undefined where no episode came to its end."""
    return "" if value is None or math.isnan(value) else f"{SHOWN[name][1] * value:.2f}"
