"""The figures of a measurement, for people and for files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_ENGINES = {"cpu": "MuJoCo", "warp": "MuJoCo Warp", "analytic": "analytic engine"}
_LABELS = {"raw": "raw engine", "sim": "BatchSim", "env": "whole task"}


def print_report(figures: dict[str, Any], console: Console | None = None) -> None:
    """Print what :func:`robo_ts.bench.run_bench` returned as a small table."""
    hardware = figures["hardware"]
    where = figures["device"] if figures["device"] == "cpu" else hardware["gpu"]
    engine = figures["engine"]["name"]
    table = Table(
        title=f"{figures['task']}, {figures['num_envs']} worlds, {engine} engine",
        caption=f"{hardware['cpu']}, {hardware['cores']} cores, on {where}; "
        f"{100 * figures['resets_per_step']:.1f}% of the worlds reset per step",
    )
    table.add_column("")
    table.add_column("control steps/s", justify="right")
    table.add_column("of raw", justify="right")
    for name, rate in figures["rates"].items():
        share = figures.get(f"{name}_over_raw")
        table.add_row(_LABELS[name], f"{rate:,.0f}", "" if share is None else f"{share:.2f}")
    analytic = figures.get("analytic")
    if analytic:
        table.add_section()
        name = f"analytic: formulas and observations, {analytic['num_envs']} worlds, one core"
        table.add_row(name, f"{analytic['rate']:,.0f}", "")
    for name, one in figures.get("engines", {}).items():
        where = "one core" if one["device"] == "cpu" else one["device"]
        label = f"{_ENGINES.get(name, name)}: whole task, {one['num_envs']} worlds, {where}"
        table.add_row(label, f"{one['rate']:,.0f}", "")
    (console or Console()).print(table)


def print_lines(
    heads: Sequence[str], lines: Sequence[Sequence[str]], title: str, caption: str | None = None
) -> None:
    """Print a table of a name and figures per line, as wide as it needs to be."""
    table = Table(title=title, caption=caption)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index else "left")
    for cells in lines:
        table.add_row(*cells)
    console = Console()
    console.width = max(console.width, 150)
    console.print(table)
