"""The ladder of ``robo-ts explain`` as a part of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robo_ts.files import read_json
from robo_ts.view import plots
from robo_ts.view.html import image, interval, measured, percent, table, text

# Where robo_ts.explain leaves its result in a run's folder.
FILE = "explain/ladder.json"


def section_of(folder: Path) -> str:
    """The ladder of a run that was explained; empty for others."""
    if not (folder / FILE).is_file():
        return ""
    found = read_json(folder / FILE)
    budget, errors = found["budget"], found["errors"]
    said = (
        f"<p class='verdict'>{text(found['verdict']['sentence'])}</p>"
        f"<p>From the teacher down, each rung adds one difficulty. Distillations of their own had "
        f"{budget['rounds']} rounds of {budget['steps_per_round']} steps in {budget['num_envs']} "
        f"worlds; every rung was measured in the same {budget['episodes']} worlds. What a later "
        "rung reached counts for the ones above it. Student: "
        f"{text(found['student'])}. It took {found['seconds']:.0f} s.</p>"
    )
    return said + image(plots.ladder(found["rungs"])) + _rungs(found) + _errors(errors)


def _rungs(found: dict[str, Any]) -> str:
    losses, worst, loud, rows = found["verdict"]["losses"], found["verdict"]["rung"], None, []
    for k, rung in enumerate(found["rungs"]):
        if rung["name"] == worst:
            loud = k
        if "skipped" in rung:
            rows.append([rung["name"], rung["title"], "-", rung["skipped"], "", ""])
            continue
        error, lost = rung.get("error"), losses.get(rung["name"], 0.0)
        rows.append(
            [
                rung["name"],
                rung["title"] + _teacher_there(rung),
                percent(rung["success"]["mean"]),
                interval(rung["success"]["ci95"]),
                f"{100 * lost:.0f} points" if round(100 * lost) else "",
                measured(error["median"], error["metric"]) if error else "",
            ]
        )
    heads = ["rung", "what", "success", "95% interval", "lost", "error, median"]
    return table(heads, rows, loud, "left")


def _teacher_there(rung: dict[str, Any]) -> str:
    """What the teacher makes of the same worlds, where that was measured."""
    there = rung.get("teacher")
    return f" (the teacher there: {percent(there['mean'])})" if there else ""


def _errors(errors: dict[str, Any]) -> str:
    rows = [
        [
            one["action"],
            f"{one['error']:.3f}",
            f"{other['error']:.3f}",
            percent(one["unexplained"]),
        ]
        for one, other in zip(errors["student_acts"], errors["teacher_acts"], strict=True)
    ]
    heads = ["action", "error, student acts", "error, teacher acts", "unexplained, student acts"]
    terms = [[t["term"], percent(t["explains"])] for t in errors["worst_terms"]]
    gap = errors.get("imitation_gap")
    said = (
        f"<p>Imitation gap: the sensors leave open {percent(gap)} of the variance of the teacher's "
        "actions, beyond what the network could not learn.</p>"
        if gap is not None
        else ""
    )
    return (
        f"<h3>Error against the teacher, by action</h3>{table(heads, rows)}{said}"
        "<h3>Terms that foretell the student's error</h3>"
        f"{table(['term', 'of its variance'], terms, kind='left')}"
    )
