"""``robo-ts probe``: what a student's memory knows, in the worlds of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from robo_ts.env import get_task, make_env
from robo_ts.evaluate.probe import probe
from robo_ts.lineage import commit, hardware, versions
from robo_ts.pipeline.stages import load_for
from robo_ts.policies import PolicyBundle
from robo_ts.progress import set_threads
from robo_ts.sim import EngineConfig

TIMES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def probe_bundle(
    path: Path,
    times: Sequence[float] = TIMES,
    num_envs: int = 4096,
    engine: EngineConfig | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Probe a bundle, or the student of a run's folder, in the task it was trained for.

    Args:
        path: the folder.
        times: s after an episode's start.
        num_envs: worlds.
        engine: what steps them.
        seed: of the worlds.
    """
    set_threads(0)
    if (path / "student" / "bundle").is_dir():
        path = path / "student" / "bundle"
    task = PolicyBundle.load(path).task
    env = make_env(task, num_envs, get_task(task).config(), engine or EngineConfig(), seed)
    try:
        bundle = load_for(env, task, path)
        found = probe(env, bundle.policy.eval(), times, seed)
    finally:
        env.close()
    return {
        "task": task,
        "bundle": bundle.digest(),
        "num_envs": num_envs,
        "seed": seed,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
        **found,
    }


def show(figures: Mapping[str, Any]) -> None:
    """Print what :func:`probe_bundle` found, the best known terms first."""
    title = f"{figures['task']}: share of variance a linear reading of the memory explains (R^2)"
    table = Table(title=title)
    for head in heads(figures):
        table.add_column(head, justify="right" if table.columns else "left")
    for row in lines(figures):
        table.add_row(*row)
    table.add_row("worlds left", *map(str, figures["worlds"]), style="dim")
    Console().print(table)


def heads(figures: Mapping[str, Any]) -> list[str]:
    """The table's headings."""
    return ["term", *(f"{time:g} s" for time in figures["times"])]


def lines(figures: Mapping[str, Any]) -> list[list[str]]:
    """The table's cells, a list per term, the best known first."""
    known = {n: row for n, row in figures["r2"].items() if any(v is not None for v in row)}
    ordered = sorted(known.items(), key=lambda item: -_last(item[1]))
    return [[name, *("" if v is None else f"{v:.2f}" for v in row)] for name, row in ordered]


def _last(row: Sequence[float | None]) -> float:
    return next((v for v in reversed(row) if v is not None), float("-inf"))
