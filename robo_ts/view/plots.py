"""Figures of the report, as base64 PNG."""

from __future__ import annotations

import base64
import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_COLOURS = {"teacher": "#d9822b", "student": "#2965cc", "onnx": "#29a634"}


def curves(teacher: list[dict[str, Any]], student: list[dict[str, Any]]) -> str:
    """Closed-loop success of both trainings, and the imitation loss beside the student's."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, rows, name in ((left, teacher, "teacher"), (right, student, "student")):
        seen = [row for row in rows if "success" in row]
        axes.plot(
            [row["seconds"] for row in seen],
            [row["success"] for row in seen],
            color=_COLOURS[name],
            label="success while training",
        )
        measured = [row for row in rows if "evaluated_success" in row]
        if measured:
            axes.plot(
                [row["seconds"] for row in measured],
                [row["evaluated_success"] for row in measured],
                "o",
                ms=4,
                color="#1d2430",
                label="success in whole episodes",
            )
            axes.legend(loc="lower right")
        axes.set(title=name, xlabel="seconds", ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    loss = right.twinx()
    rows = [row for row in student if "loss" in row]
    loss.semilogy(
        [row["seconds"] for row in rows], [row["loss"] for row in rows], color="#8a94a3", lw=1
    )
    loss.set_ylabel("imitation loss")
    left.set_ylabel("success while training")
    return _encode(figure)


def bins(measured: dict[str, Any]) -> str:
    """Success in each bin of each binned metric; an empty string when there are none."""
    names = list(measured["teacher"]["bins"])
    if not names:
        return ""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for shift, (who, report) in enumerate(measured.items()):
            rows = report["bins"][name]
            middle = [k + 0.08 * (shift - 1) for k in range(len(rows))]
            mean = [row["mean"] for row in rows]
            low = [row["mean"] - row["ci95"][0] for row in rows]
            high = [row["ci95"][1] - row["mean"] for row in rows]
            axes.errorbar(
                middle, mean, [low, high], label=who, color=_COLOURS[who], marker="o", capsize=2
            )
            axes.set_xticks(
                range(len(rows)), [f"{row['low']:g} to {row['high']:g}" for row in rows]
            )
        axes.set(title=name.replace("_", " "), ylabel="success")
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(alpha=0.3)
        axes.legend()
    return _encode(figure)


def _encode(figure: Figure) -> str:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return base64.b64encode(buffer.getvalue()).decode()
