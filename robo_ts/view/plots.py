"""Figures of the report, as base64 PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robo_ts.env.metrics import words_and_unit

_COLOURS = {"teacher": "#d9822b", "student": "#2965cc", "onnx": "#29a634"}


def curves(stages: dict[str, list[dict[str, Any]]]) -> str:
    """How every training stage went: closed-loop success and the imitation loss beside it, or the
    cost where gradients went down one.

    Args:
        stages: rows of each stage's ``metrics.jsonl``, by the stage's name.
    """
    stages = {name: rows for name, rows in stages.items() if rows}
    if not stages:
        return ""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    panels = figure.subplots(1, len(stages), squeeze=False)[0]
    for axes, (name, rows) in zip(panels, stages.items(), strict=True):
        axes.set(title=name, xlabel="seconds")
        axes.grid(alpha=0.3)
        alone = next((key for key in _ALONE if key in rows[-1]), "")
        if alone and not any("success" in row for row in rows):
            axes.semilogy(*_points(rows, alone), color=_COLOURS.get(name, "#2965cc"), lw=1)
            axes.set_ylabel(_ALONE[alone])
        else:
            _successes(axes, name, rows)
    measured = [axes for axes in panels if len(axes.lines) > 1]
    if measured:
        _legend(figure, measured[0])
    return _encode(figure)


# What stages that count no episodes on their way go down on.
_ALONE = {"cost": "cost of a step", "loss": "imitation loss"}


def _legend(figure: Figure, axes: Any) -> None:
    """Below everything, where it hides neither lines nor numbers of an axis."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=9, frameon=False)


def _successes(axes: Any, name: str, rows: list[dict[str, Any]]) -> None:
    colour = _COLOURS.get(name, "#2965cc")
    axes.plot(*_points(rows, "success"), color=colour, label="success while training")
    axes.set(ylim=(0, 1.02), ylabel="success while training")
    if any("evaluated_success" in row for row in rows):
        measured = _points(rows, "evaluated_success")
        axes.plot(*measured, "o", ms=4, color="#1d2430", label="success in whole episodes")
    if any("loss" in row for row in rows):
        loss = axes.twinx()
        loss.semilogy(*_points(rows, "loss"), color="#8a94a3", lw=1)
        loss.set_ylabel("imitation loss")


def _points(rows: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    seen = [row for row in rows if key in row]
    return [row["seconds"] for row in seen], [row[key] for row in seen]


def bins(measured: dict[str, Any], share: str = "success") -> str:
    """Success, or another share, in each bin of each binned metric; empty when there are none."""
    names = [n for n, rows in next(iter(measured.values())).get("bins", {}).items() if rows]
    if not names:
        return ""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        for shift, (who, report) in enumerate(measured.items()):
            rows = report["bins"].get(name, [])
            middle = [k + 0.08 * (shift - 1) for k in range(len(rows))]
            _bars(axes, middle, [row if share == "success" else row[share] for row in rows], who)
            axes.set_xticks(
                range(len(rows)), [f"{row['low']:g} to\n{row['high']:g}" for row in rows]
            )
        axes.set(title=name.replace("_", " "), ylabel=share.replace("_", " "), ylim=(-0.02, 1.03))
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(alpha=0.3)
    _legend(figure, panels[0])
    return _encode(figure)


def _bars(axes: Any, at: list[float], rows: list[dict[str, Any]], who: str) -> None:
    """Means with their 95% intervals."""
    mean = [row["mean"] for row in rows]
    low = [row["mean"] - row["ci95"][0] for row in rows]
    high = [row["ci95"][1] - row["mean"] for row in rows]
    colour = _COLOURS.get(who, "#2965cc")
    axes.errorbar(at, mean, [low, high], label=who, color=colour, marker="o", capsize=2)


def intervals(measured: dict[str, Any]) -> str:
    """Success of every policy with its 95% interval, on an axis that shows the difference."""
    figure = Figure(figsize=(10, 0.45 * len(measured) + 0.7), layout="constrained")
    axes = figure.subplots()
    _lying(axes, {name: report["success"] for name, report in measured.items()})
    lowest = min(report["success"]["ci95"][0] for report in measured.values())
    axes.set(xlim=(max(0.0, lowest - 0.03), 1.0), xlabel="success, 95% interval")
    return _encode(figure)


def ladder(rungs: list[dict[str, Any]]) -> str:
    """Success of every rung that was measured, from the teacher down."""
    found = {rung["name"]: rung["success"] for rung in rungs if rung.get("success")}
    figure = Figure(figsize=(10, 0.42 * len(found) + 0.7), layout="constrained")
    axes = figure.subplots()
    _lying(axes, found)
    axes.set(xlim=(-0.01, 1.01), xlabel="success, 95% interval")
    return _encode(figure)


def _lying(axes: Any, found: dict[str, dict[str, Any]]) -> None:
    """One line per name, the first on top."""
    for k, (name, success) in enumerate(found.items()):
        mean, (low, high) = success["mean"], success["ci95"]
        colour = _COLOURS.get(name, "#2965cc")
        axes.errorbar(mean, k, xerr=[[mean - low], [high - mean]], fmt="o", color=colour, capsize=3)
        axes.annotate(f"{mean:.1%}", (mean, k), (0, 6), textcoords="offset points", fontsize=8)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.7)
    axes.grid(alpha=0.3)


def ablation(found: dict[str, Any]) -> str:
    """Success with the memory cleared every so many steps."""
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes, names = figure.subplots(), list(found)
    _bars(axes, list(range(len(names))), [found[n]["success"] for n in names], "student")
    axes.set_xticks(range(len(names)), [n if n == "never" else f"every {n}" for n in names])
    axes.set(ylabel="success", ylim=(-0.02, 1.03), xlabel="memory cleared")
    axes.grid(alpha=0.3)
    return _encode(figure)


def action_errors(rows: list[dict[str, Any]]) -> str:
    """Mean error of every action over the rounds; empty for students without such a record."""
    names = [n for n in rows[-1] if n.startswith("action_error_")]
    if not names or len(rows) < 2:
        return ""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots()
    for name in names[:12]:
        seen = [row for row in rows if name in row]
        label = f"action {name.removeprefix('action_error_')}"
        axes.semilogy([row["iteration"] for row in seen], [row[name] for row in seen], lw=1.2)
        axes.lines[-1].set_label(label)
    axes.set(xlabel="round", ylabel="mean error of the action")
    axes.grid(alpha=0.3)
    _legend(figure, axes)
    return _encode(figure)


def compared_curves(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Success and loss of several students over time."""
    runs = {name: rows for name, rows in runs.items() if rows}
    if not runs:
        return ""
    texts = {"success": "success while training", "loss": "imitation loss"}
    keys = [key for key in texts if any(key in row for rows in runs.values() for row in rows)]
    if not keys:
        return ""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    panels = figure.subplots(1, len(keys), squeeze=False)[0]
    for axes, key in zip(panels, keys, strict=True):
        for name, rows in runs.items():
            axes.plot(*_points(rows, key), label=name, lw=1.3)
        axes.set(xlabel="seconds", ylabel=texts[key])
        axes.grid(alpha=0.3)
        axes.set(ylim=(0, 1.02)) if key == "success" else axes.set_yscale("log")
    _legend(figure, panels[0])
    return _encode(figure)


def trials(found: dict[str, Any], metrics: Sequence[str]) -> str:
    """Shares and middle errors in every trial: a row of panels per group, a column per metric;
    empty when no trial has any of them.

    Args:
        found: trials by name, with ``group`` and ``policies``.
        metrics: the columns; what is no proportion by its median, on a logarithmic axis.
    """
    groups: dict[str, list[str]] = {}
    for name, trial in found.items():
        groups.setdefault(trial["group"], []).append(name)
    shown = [m for m in metrics if any(_middles(found, found, m).values())]
    if not shown:
        return ""
    height = sum(0.3 * len(names) + 0.7 for names in groups.values())
    figure = Figure(figsize=(10, max(height + 0.6, 1.8)), layout="constrained")
    ratios = [len(names) + 1.5 for names in groups.values()]
    shape: dict[str, Any] = {"squeeze": False, "height_ratios": ratios, "sharex": "col"}
    rows = figure.subplots(len(groups), len(shown), **shape)
    for row, (group, names) in zip(rows, groups.items(), strict=True):
        for axes, metric in zip(row, shown, strict=True):
            for who, points in _middles(found, names, metric).items():
                middles, places = list(points.values()), [names.index(name) for name in points]
                axes.plot(middles, places, "o", label=who, color=_COLOURS.get(who))
            axes.set_yticks(range(len(names)), names if axes is row[0] else [""] * len(names))
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.grid(alpha=0.3)
        row[0].set_title(group, loc="left", fontsize=10)
    for axes, metric in zip(rows[-1], shown, strict=True):
        words, unit = words_and_unit(metric)
        axes.set_xlabel(f"{words}, {unit}" if unit else words)
        if not _is_share(found, metric):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
    _legend(figure, rows[0][0])
    return _encode(figure)


def _middles(
    found: dict[str, Any], names: Iterable[str], metric: str
) -> dict[str, dict[str, float]]:
    """By policy and trial: the share, or the median of what is no share, where there is one."""
    middles: dict[str, dict[str, float]] = {}
    for name in names:
        for who, report in found[name]["policies"].items():
            value = report.get(metric, {})
            middle = value.get("median", value.get("mean"))
            if middle is not None and middle == middle:
                middles.setdefault(who, {})[name] = middle
    return middles


def _is_share(found: dict[str, Any], metric: str) -> bool:
    reports = (report for trial in found.values() for report in trial["policies"].values())
    return any("ci95" in report.get(metric, {}) for report in reports)


def _encode(figure: Figure) -> str:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return base64.b64encode(buffer.getvalue()).decode()
