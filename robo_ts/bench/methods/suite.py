"""The method comparisons as ``robo-ts bench`` calls and shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from robo_ts.lineage import commit, hardware, versions

Seeds = Sequence[int] | None


def _measured(module: str, seeds: Seeds, threads: int) -> dict[str, Any]:
    """Run a comparison on few threads: its networks are too small for many."""
    torch.set_num_threads(threads or 1)
    run: Callable[[Sequence[int]], dict[str, Any]]
    run = import_module(f"robo_ts.bench.methods.{module}").run
    found = run(range(5) if seeds is None else seeds)
    sources = {"hardware": hardware(), "versions": versions(), "commit": commit()}
    return {"measurement": module} | sources | found


def reacher(seeds: Seeds = None, threads: int = 0) -> dict[str, Any]:
    """See :mod:`robo_ts.bench.methods.reacher`."""
    return _measured("reacher", seeds, threads)


def hidden_cue(seeds: Seeds = None, threads: int = 0) -> dict[str, Any]:
    """See :mod:`robo_ts.bench.methods.hidden_cue`."""
    return _measured("hidden_cue", seeds, threads)


def coverage(seeds: Seeds = None, threads: int = 0) -> dict[str, Any]:
    """See :mod:`robo_ts.bench.methods.coverage`."""
    return _measured("coverage", seeds, threads)


def gates(seeds: Seeds = None, threads: int = 0) -> dict[str, Any]:
    """See :mod:`robo_ts.bench.methods.gates`."""
    return _measured("gates", seeds, threads)


def adapters(seeds: Seeds = None, threads: int = 0) -> dict[str, Any]:
    """See :mod:`robo_ts.bench.methods.adapters`."""
    return _measured("adapters", seeds, threads)


def sag(seeds: Seeds = None, threads: int = 0) -> dict[str, Any]:
    """See :mod:`robo_ts.bench.methods.sag`."""
    return _measured("sag", seeds, threads)


def show_arms(figures: dict[str, Any]) -> None:
    """One line per arm: success over the seeds, and what else was measured."""
    arms = figures["arms"]
    further = [k for k in next(iter(arms.values())) if k in ("coverage_90", "labels", "saved")]
    seeds = len(figures["seeds"])
    table = Table(title=f"{figures['measurement']}, {seeds} seeds: interquartile mean")
    for head in ("", "success", "95% interval", *further, "s per seed"):
        table.add_column(head, justify="right" if head else "left")
    for name, arm in arms.items():
        low, high = arm["ci95"]
        more = [f"{arm[k]:.3g}" for k in further]
        interval = f"{low:.1%} to {high:.1%}"
        seconds = f"{arm['seconds_per_seed']:.0f}"
        table.add_row(name, f"{arm['success']:.1%}", interval, *more, seconds)
    Console().print(table)


def show_sag(figures: dict[str, Any]) -> None:
    """One line per aim, target and arm: what was realised, and the questions saved."""
    table = Table(title="S-Aware Gating on a drifting novice")
    for head in ("aim", "target", "arm", "realised", "spread", "saved"):
        table.add_column(head, justify="right")
    for row in figures["results"]:
        realised, saved = row[row["aim"]], row["saved"]
        table.add_row(
            row["aim"],
            f"{row['target']:g}",
            row["arm"],
            f"{realised['mean']:.3f}",
            f"{realised['spread']:.3f}",
            f"{saved['mean']:.0%}",
        )
    Console().print(table)
