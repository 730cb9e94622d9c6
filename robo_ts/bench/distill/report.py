"""The figures of the distiller's measurement, for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

_LABELS = {"rsl_rl": "rsl_rl", "ours": "robo_ts, same steps", "recommended": "robo_ts, as advised"}


def print_distill(figures: dict[str, Any], console: Console | None = None) -> None:
    """Print what :func:`robo_ts.bench.distill.run_bench_distill` returned as two tables."""
    console = console or Console()
    console.print(_speed(figures))
    console.print(_memory(figures["memory"]))


def _speed(figures: dict[str, Any]) -> Table:
    hardware, version = figures["hardware"], figures["versions"].get("rsl-rl-lib", "")
    table = Table(
        title=f"one update, {figures['network']}, {figures['steps']} steps, back-propagation "
        f"through {figures['bptt_length']}",
        caption=f"rsl_rl {version}; {hardware['cpu']}, {figures['torch_threads']} threads; samples "
        "per second of processor time; interquartile mean of the rounds' ratios (95% interval)",
    )
    for head in ("worlds", "", "minibatches", "samples/s", "of rsl_rl"):
        table.add_column(head, justify="right" if head else "left")
    for cell in figures["cells"]:
        for name, rate in cell["rates"].items():
            worlds = str(cell["num_envs"]) if name == "rsl_rl" else ""
            ratio = _interval(cell.get(f"{name}_over_rsl_rl"))
            minibatches = str(figures["minibatches"][name])
            table.add_row(worlds, _LABELS[name], minibatches, f"{rate:,.0f}", ratio)
        table.add_section()
    return table


def _interval(ratio: dict[str, Any] | None) -> str:
    if ratio is None:
        return ""
    low, high = ratio["ci95"]
    return f"{ratio['iqm']:.2f} ({low:.2f} to {high:.2f})"


def _memory(measured: list[dict[str, Any]]) -> Table:
    first = measured[0]
    kind = first["rsl_rl_dtype"].removeprefix("torch.")
    shape = " x ".join(map(str, first["image"]))
    table = Table(
        title=f"memory, images {shape}",
        caption=f"robo_ts: data set and one whole update, peak; rsl_rl: its storage alone ({kind})",
    )
    heads = ("worlds x steps", "minibatches", "robo_ts, MiB", "its data set", "rsl_rl, MiB")
    for head in (*heads, "of rsl_rl"):
        table.add_column(head, justify="right")
    for row in measured:
        names = ("ours_bytes", "ours_dataset_bytes", "rsl_rl_storage_bytes")
        sizes = [f"{row[name] / 2**20:,.0f}" for name in names]
        ratio = f"{row['ours_over_rsl_rl']:.3f}"
        worlds = f"{row['num_envs']} x {row['steps']}"
        table.add_row(worlds, str(row["minibatches"]), *sizes, ratio)
    return table
