"""Runs side by side: on the terminal and as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from robo_ts.files import atomic_path
from robo_ts.view import plots
from robo_ts.view.html import image, interval, measured, page, percent, section, table, text


def show_comparison(found: dict[str, Any]) -> None:
    """One row per run and policy; below, the settings in which runs differ."""
    console = Console()
    results = Table(title="runs side by side")
    heads, rows = _rows(found)
    for head in heads:
        left = head in ("run", "policy")
        results.add_column(head, justify="left" if left else "right", overflow="fold")
    for row in rows:
        results.add_row(*(str(cell) for cell in row))
    console.print(results)
    if found["differences"]:
        settings = Table(title="settings in which they differ")
        settings.add_column("setting", overflow="fold")
        for name in found["runs"]:
            settings.add_column(name, overflow="fold")
        for name, values in found["differences"].items():
            settings.add_row(name, *(str(value) for value in values))
        console.print(settings)
    for name, run in found["runs"].items():
        if run["verdict"]:
            print(f"{name}: {run['verdict']}")


def _rows(found: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    metric = found["error_metric"]
    heads = ["run", "policy", "success", "95% interval", "episodes"]
    heads += [f"{metric.rsplit('_', 1)[0].replace('_', ' ')}, median"] if metric else []
    rows: list[list[Any]] = []
    for name, run in found["runs"].items():
        if not run["policies"]:
            rows.append([name, "not measured yet", *[""] * (len(heads) - 1)])
        for who, report in run["policies"].items():
            success = report["success"]
            row = [name, who, percent(success["mean"]), interval(success["ci95"])]
            row.append(success["episodes"])
            if metric:
                row.append(measured(report.get(metric, {}).get("median"), metric))
            stage = {"teacher": "teach", "student": "distill", "onnx": "export"}[who]
            seconds = run["seconds"].get(stage)
            rows.append([*row, f"{seconds:.0f}" if seconds is not None else ""])
    return [*heads, "seconds"], rows


def write_comparison(path: Path, found: dict[str, Any]) -> Path:
    """The same as a page, with intervals and curves."""
    heads, rows = _rows(found)
    students = {
        name: run["policies"]["student"]
        for name, run in found["runs"].items()
        if "student" in run["policies"]
    }
    logs = {name: run["student"] for name, run in found["runs"].items()}
    verdicts = [[n, run["verdict"]] for n, run in found["runs"].items() if run["verdict"]]
    names = list(found["runs"])
    changed = [[name, *values] for name, values in found["differences"].items()]
    facts = [
        [name, run["task"], run["recipe"], run["parameters"] or "", run["hardware"].get("cpu", "")]
        for name, run in found["runs"].items()
    ]
    body = [
        "<h1>Runs side by side</h1>",
        f"<p class='sub'>{text(', '.join(names))}</p>",
        section("Results", table(heads, rows, kind="left"), _students(students)),
        section("How the students learnt", image(plots.compared_curves(logs))),
        section(
            "Settings in which they differ",
            table(["setting", *names], changed, kind="left") if changed else "<p>None.</p>",
        ),
        section(
            "Where success is lost",
            table(["run", "verdict of robo-ts explain"], verdicts, kind="left") if verdicts else "",
        ),
        section(
            "What they are",
            table(["run", "task", "recipe", "student's parameters", "made on"], facts, kind="left"),
        ),
    ]
    with atomic_path(path) as temporary:
        temporary.write_text(page("robo_ts: runs side by side", body))
    return path


def _students(students: dict[str, Any]) -> str:
    """The students' intervals on one axis."""
    return image(plots.intervals(students), "students") if students else ""
