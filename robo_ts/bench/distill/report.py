"""The figures of the distiller's measurement, for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

_LABELS = {"rsl_rl": "rsl_rl", "ours": "robo_ts, same steps", "recommended": "robo_ts, as advised"}


def print_distill(figures: dict[str, Any], console: Console | None = None) -> None:
    """Print what :func:`robo_ts.bench.distill.run_bench_distill` returned as two small tables."""
    console = console or Console()
    console.print(_speed(figures))
    console.print(_memory(figures["memory"]))


def _speed(figures: dict[str, Any]) -> Table:
    hardware, version = figures["hardware"], figures["versions"].get("rsl-rl-lib", "")
    table = Table(
        title=f"one update, {figures['network']}, {figures['num_envs']} worlds x "
        f"{figures['steps']} steps",
        caption=f"rsl_rl {version}, back-propagation through {figures['bptt_length']} steps; "
        f"{hardware['cpu']}, {figures['torch_threads']} threads",
    )
    table.add_column("")
    table.add_column("minibatches", justify="right")
    table.add_column("samples/s", justify="right")
    table.add_column("of rsl_rl", justify="right")
    for name, rate in figures["rates"].items():
        ratio = figures.get(f"{name}_over_rsl_rl")
        minibatches = str(figures["minibatches"][name])
        share = "" if ratio is None else f"{ratio:.2f}"
        table.add_row(_LABELS[name], minibatches, f"{rate:,.0f}", share)
    return table


def _memory(memory: dict[str, Any]) -> Table:
    kind = memory["rsl_rl_dtype"].removeprefix("torch.")
    shape = " x ".join(map(str, memory["image"]))
    table = Table(
        title=f"memory, images {shape}, {memory['num_envs']} worlds x {memory['steps']} steps",
        caption=f"robo_ts with {memory['minibatches']} minibatches; "
        f"ratio {memory['ours_over_rsl_rl']:.2f}",
    )
    table.add_column("")
    table.add_column("MiB", justify="right")
    rows = {
        f"rsl_rl, storage alone ({kind})": "rsl_rl_storage_bytes",
        "robo_ts, data set and update, peak": "ours_bytes",
        "robo_ts, data set alone (uint8)": "ours_dataset_bytes",
    }
    for label, name in rows.items():
        table.add_row(label, f"{memory[name] / 2**20:,.0f}")
    return table
