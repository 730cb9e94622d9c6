"""Results on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_summary(summary: dict[str, Any]) -> None:
    """The summary of a whole run as a table."""
    table = Table(title=f"{summary['task']}, recipe {summary['recipe']}, seed {summary['seed']}")
    for column in ("", "success", "95% interval", "episodes", "error median / mean", "seconds"):
        table.add_column(column, justify="left" if not column else "right")
    for name in ("teacher", "student", "onnx"):
        seconds = summary["seconds"]["export" if name == "onnx" else name]
        table.add_row(name, *_cells(summary[name]), f"{seconds:.0f}")
        if f"{name}_in_mujoco" in summary:
            table.add_row(f"{name} in MuJoCo", *_cells(summary[f"{name}_in_mujoco"]), "")
    Console().print(table)
    if "members" in summary["teacher"]:
        print(_members(summary["teacher"]["members"]))
    onnx = summary["onnx"]
    print(
        f"onnx differs from torch by at most {onnx['max_abs_diff_vs_torch']:.1e} "
        f"over {onnx['steps_compared']} steps; {onnx['bytes'] / 1024:.0f} KiB; "
        f"the run took {summary['seconds']['total']:.0f} s"
    )


def print_result(stage: str, result: dict[str, Any]) -> None:
    """What one stage found."""
    table = Table(title=stage)
    for column in ("", "success", "95% interval", "episodes", "error median / mean"):
        table.add_column(column, justify="left" if not column else "right")
    for name, report in result.items():
        if isinstance(report, dict) and isinstance(report.get("success"), dict):
            table.add_row(name, *_cells(report))
    if isinstance(result.get("gate"), dict):
        table.add_row("gate", *_cells({"success": result["gate"]}))
    if table.row_count:
        Console().print(table)
    if "members" in result:
        print(_members(result["members"]))
    for key in ("seconds", "samples", "parameters", "max_abs_diff_vs_torch", "bytes"):
        if key in result:
            print(f"{key}: {result[key]:.6g}")


def _members(members: dict[str, Any]) -> str:
    worst = ", ".join(f"{row['member']} ({row['success']:.0%})" for row in members["worst"])
    return f"members: {members['kept']} of {members['count']} kept; weakest: {worst}"


def _cells(report: dict[str, Any]) -> list[str]:
    success = report["success"]
    error = report.get("position_error_m")
    return [
        f"{success['mean']:.1%}",
        f"{success['ci95'][0]:.1%} to {success['ci95'][1]:.1%}",
        str(success["episodes"]),
        f"{_cm(error['median'])} / {_cm(error['mean'])}" if error else "",
    ]


def _cm(metres: float | None) -> str:
    """Metres as centimetres; a dash when no episode lasted long enough to say."""
    return "-" if metres is None or metres != metres else f"{100 * metres:.1f} cm"
