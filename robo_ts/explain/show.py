"""The ladder on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def show(found: dict[str, Any]) -> None:
    """Rungs, errors, and the sentence."""
    console, budget = Console(), found["budget"]
    console.print(_rungs(found, wide=console.width >= 120))
    for rung in found["rungs"]:
        if "skipped" in rung:
            print(f"not measured: {rung['name']} ({rung['skipped']})")
        if "teacher" in rung:
            print(f"the teacher with the same noise and latency: {rung['teacher']['mean']:.1%}")
    print(
        f"budget of each distillation: {budget['rounds']} rounds of {budget['steps_per_round']} "
        f"steps in {budget['num_envs']} worlds; {budget['episodes']} episodes per rung, the same "
        f"worlds for all; {found['seconds']:.0f} s in all"
    )
    console.print(_actions(found["errors"]))
    for line in _lines(found["errors"]):
        print(line)
    print(found["verdict"]["sentence"])


def _rungs(found: dict[str, Any], wide: bool) -> Table:
    table = Table(title=f"{found['run']}: where success is lost (student: {found['student']})")
    table.add_column("rung", no_wrap=True)
    if wide:
        table.add_column("what")
    for column in ("success", "95% interval", "lost", "error, median"):
        table.add_column(column, justify="right")
    losses = found["verdict"]["losses"]
    for rung in found["rungs"]:
        if "skipped" in rung:
            continue
        success, error = rung["success"], rung.get("error")
        low, high = success["ci95"]
        lost = losses.get(rung["name"], 0.0)
        table.add_row(
            rung["name"],
            *([rung["title"]] if wide else []),
            f"{success['mean']:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{100 * lost:.0f}" if round(100 * lost) else "",
            f"{error['median']:.3g}" if error and error["median"] is not None else "",
        )
    return table


def _actions(errors: dict[str, Any]) -> Table:
    table = Table(title="error of the run's student against its teacher, by action")
    for column in ("action", "student acts", "teacher acts", "unexplained, student acts"):
        table.add_column(column, justify="left" if column == "action" else "right")
    for one, other in zip(errors["student_acts"], errors["teacher_acts"], strict=True):
        table.add_row(
            one["action"],
            f"{one['error']:.3f}",
            f"{other['error']:.3f}",
            f"{one['unexplained']:.0%}",
        )
    return table


def _lines(errors: dict[str, Any]) -> list[str]:
    lines = []
    if "imitation_gap" in errors:
        lines.append(
            f"imitation gap: the sensors leave open {errors['imitation_gap']:.0%} of the variance "
            "of the teacher's actions, beyond what the network cannot learn"
        )
    terms = ", ".join(f"{t['term']} ({t['explains']:.0%})" for t in errors["worst_terms"])
    lines.append(f"terms that foretell the student's error best: {terms}")
    return lines
