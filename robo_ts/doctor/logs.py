"""Checks of what a run's student wrote down while it learnt."""

from __future__ import annotations

import math
from typing import Any

from robo_ts.doctor.finding import Finding

CHECKS = ("roll-in", "loss", "labels", "alarm", "gradients", "calibration")
# A loss per action beyond this at the start: labels of another scale than [-1, 1].
_LARGE_LOSS = 10.0


def examine(rows: list[dict[str, Any]], max_grad_norm: float) -> list[Finding]:
    """Everything that the rounds of a distillation give away.

    Args:
        rows: of ``student/metrics.jsonl``.
        max_grad_norm: to which gradients were clipped.
    """
    if len(rows) < 10:
        return []
    found = roll_in(rows) + loss(rows) + labels(rows) + alarm(rows)
    return found + gradients(rows, max_grad_norm) + calibration(rows)


def roll_in(rows: list[dict[str, Any]]) -> list[Finding]:
    """The student acts sometime."""
    acts = [row["teacher_acts"] for row in rows if "teacher_acts" in row]
    if not acts or min(acts) < 0.9:
        return []
    return [
        Finding(
            "roll-in",
            "teacher_acts",
            "a student that acts while data is gathered",
            f"a teacher that acted in {min(acts):.0%} or more of the steps of every round",
            "lower distill.rollin.warmup_iterations or beta: a student that never acts never sees "
            "its own mistakes",
        )
    ]


def loss(rows: list[dict[str, Any]]) -> list[Finding]:
    """The loss is finite and falls."""
    values = [row["loss"] for row in rows if row.get("loss") is not None]
    if not values:
        return []
    if not all(math.isfinite(v) for v in values):
        got, fix = "NaN or Inf", "lower distill.learning_rate or max_grad_norm"
    elif values[0] > _LARGE_LOSS:
        got = f"{values[0]:.3g} in the first round"
        fix = (
            "look at the teacher's normaliser, at the units of its actions and at its clipping: "
            "labels in [-1, 1] give a squared error of at most 4"
        )
    elif _mean(values[-5:]) > 0.95 * _mean(values[:2]):
        got = f"{_mean(values[:2]):.3g} at the start, {_mean(values[-5:]):.3g} at the end"
        fix = "look at the learning rate, at the student's inputs and at what its sensors can tell"
    else:
        return []
    return [Finding("loss", "loss", "an imitation loss that is finite and falls", got, fix)]


def labels(rows: list[dict[str, Any]]) -> list[Finding]:
    """Enough steps are labelled."""
    shares = [row["labelled"] for row in rows if "labelled" in row]
    if not shares or _mean(shares) >= 0.05:
        return []
    return [
        Finding(
            "labels",
            "labelled",
            "a fair share of steps that may be learnt from",
            f"{_mean(shares):.1%}",
            "look at label.valid of the teacher, at distill.episodes and at the gate",
            "warning",
        )
    ]


def alarm(rows: list[dict[str, Any]]) -> list[Finding]:
    """The loss never fell while success fell."""
    rounds = [str(row["iteration"]) for row in rows if row.get("alarm")]
    if not rounds:
        return []
    return [
        Finding(
            "alarm",
            "loss and success",
            "success that rises as the loss falls",
            f"a fall of both in rounds {', '.join(rounds[:8])}",
            "look at the worst action dimensions and at who acts; 'robo-ts explain RUN' says where "
            "success is lost",
            "warning",
        )
    ]


def gradients(rows: list[dict[str, Any]], bound: float) -> list[Finding]:
    """Gradients are not cut off in every round."""
    norms = [row["grad_norm"] for row in rows if "grad_norm" in row]
    cut = [norm for norm in norms[len(norms) // 2 :] if norm > 3.0 * bound]
    if not norms or len(cut) < 0.9 * len(norms[len(norms) // 2 :]):
        return []
    return [
        Finding(
            "gradients",
            "grad_norm",
            f"gradients mostly within distill.max_grad_norm={bound:g}",
            f"norms of {_mean(cut):.3g} in the second half of the run",
            "normalise inputs, lower the loss's scale or raise max_grad_norm",
            "warning",
        )
    ]


def calibration(rows: list[dict[str, Any]]) -> list[Finding]:
    """A student that names its spread names it rightly."""
    last = [row["coverage_90"] for row in rows[-10:] if "coverage_90" in row]
    if not last or 0.75 <= _mean(last) <= 0.99:
        return []
    return [
        Finding(
            "calibration",
            "coverage_90",
            "about 90% of the teacher's actions in the student's 90% interval",
            f"{_mean(last):.0%}",
            "use loss=forward_kl or nll where the spread is to be trusted (gates, KL to a teacher)",
            "note",
        )
    ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
