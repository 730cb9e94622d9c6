"""One self-contained HTML page per run."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import yaml

from robo_ts.files import atomic_path, read_json
from robo_ts.progress import read_metrics
from robo_ts.view import plots

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2430; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.sub { color: #5b6675; margin-top: .2rem; }
table { border-collapse: collapse; margin: .8rem 0; }
th, td { padding: .3rem .9rem .3rem 0; text-align: right; border-bottom: 1px solid #e3e7ec; }
th:first-child, td:first-child { text-align: left; } th { color: #5b6675; font-weight: 600; }
img { max-width: 100%; } pre { background: #f4f6f8; padding: .8rem; overflow-x: auto; font-size:
13px; }
"""


def write_report(
    folder: Path, run: dict[str, Any], summary: dict[str, Any], results: dict[str, Any]
) -> Path:
    """Write ``report.html`` into the run's folder and return its path.

    Args:
        folder: the run directory, its stages done.
        run: task, recipe and settings as plain data.
        summary: the content of ``summary.json``.
        results: every stage's result.
    """
    manifest = read_json(folder / "manifest.json")
    evaluated, exported = results["evaluate"], results["export"]
    student_rows = read_metrics(folder / "student" / "metrics.jsonl")
    stages = ("teacher", "student", "finetune")
    curves = plots.curves({s: read_metrics(folder / s / "metrics.jsonl") for s in stages})
    measured = {
        "teacher": evaluated["teacher"],
        "student": evaluated["student"],
        "onnx": exported["onnx"],
    }
    sections = [
        f"<h1>{html.escape(summary['task'])}: teacher, student, ONNX</h1>",
        f"<p class='sub'>recipe {summary['recipe']}, seed {summary['seed']}, engine "
        f"{summary['engine']}, {summary['seconds']['total']:.0f} s on "
        f"{html.escape(str(manifest['hardware']['cpu']))}, "
        f"{manifest['hardware']['cores']} cores</p>",
        "<h2>How well they do, in the same unseen worlds</h2>",
        _results_table(summary, measured),
        _pairs(evaluated["teacher_to_student"]),
        "<h2>Learning</h2>",
        _image(curves),
        _diagnostics(student_rows),
        "<h2>Where success is lost</h2>",
        _failures_table(measured),
        _image(plots.bins(measured)),
    ]
    if evaluated["memory_cleared_every"]:
        sections += [
            "<h2>What the memory is worth</h2>",
            "<p>The student's memory is cleared every k steps.</p>",
            _ablation_table("every", evaluated["memory_cleared_every"]),
        ]
    if evaluated.get("images"):
        sections += [
            "<h2>What the cameras are worth</h2>",
            "<p>The student sees true images, blank ones, the episode's first one for ever, or "
            "those of another world.</p>",
            _ablation_table("images", evaluated["images"]),
        ]
    sections += [
        _trials(evaluated.get("trials", {})),
        "<h2>The exported file</h2>",
        f"<p>{summary['onnx']['file']}, {summary['onnx']['bytes'] / 1024:.0f} KiB. It differs from "
        f"torch by at most {summary['onnx']['max_abs_diff_vs_torch']:.1e} over "
        f"{summary['onnx']['steps_compared']} closed-loop steps.</p>",
        "<h2>Where this comes from</h2>",
        f"<pre>{html.escape(manifest['command'])}</pre>",
        f"<pre>{html.escape(json.dumps({k: manifest[k] for k in _SHOWN}, indent=2))}</pre>",
        f"<details><summary>Every setting</summary><pre>"
        f"{html.escape(yaml.safe_dump(run, sort_keys=False))}</pre></details>",
    ]
    page = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>robo_ts: {html.escape(summary['task'])}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(sections)}</body></html>"
    )
    path = folder / "report.html"
    with atomic_path(path) as temporary:
        temporary.write_text(page)
    return path


_SHOWN = ("commit", "config_digest", "versions", "hardware")


# What the distiller measures in every round, in words.
_DIAGNOSTICS = {
    "loss": "imitation loss",
    "action_error": "mean error of the action",
    "teacher_acts": "share of steps the teacher acted",
    "overridden": "share of steps the gate gave to the teacher",
    "labelled": "share of steps that were labelled",
    "coverage_90": "teacher's actions inside the student's 90% interval",
    "imitation_gap": "variance the student's sensors leave open (imitation gap)",
    "hidden_norm": "norm of the memory",
    "grad_norm": "norm of the gradient",
}


def _diagnostics(rows: list[dict[str, Any]]) -> str:
    """The student's training at three moments, and when the alarm rang."""
    if not rows:
        return ""
    moments = [rows[0], rows[len(rows) // 2], rows[-1]]
    names = [name for name in _DIAGNOSTICS if name in rows[-1]]
    found = [[_DIAGNOSTICS[name], *(_number(row.get(name)) for row in moments)] for name in names]
    actions = sorted(name for name in rows[-1] if name.startswith("action_error_"))
    for name in actions:
        label = f"error of action {name.removeprefix('action_error_')}"
        found.append([label, *(_number(row.get(name)) for row in moments)])
    alarms = [str(row["iteration"]) for row in rows if row.get("alarm")]
    text = (
        f"<p><b>Alarm</b> in rounds {', '.join(alarms[:20])}: the loss fell while success fell.</p>"
        if alarms
        else "<p>No alarm: the loss never fell while success fell.</p>"
    )
    heads = ["", *(f"round {row['iteration']}" for row in moments)]
    return f"<h2>What the distiller saw</h2>{_table(heads, found)}{text}"


def _trials(found: dict[str, Any]) -> str:
    """Every condition that was tried: numbers, and pictures of the share of successes."""
    if not found:
        return ""
    metrics = [
        name
        for name, value in next(iter(next(iter(found.values()))["policies"].values())).items()
        if isinstance(value, dict) and "mean" in value
    ]
    rows = [
        [name, who, *(_number(report.get(metric, {}).get("mean")) for metric in metrics)]
        for name, trial in found.items()
        for who, report in trial["policies"].items()
    ]
    heads = ["trial", "policy", *(name.replace("_", " ") for name in metrics)]
    return (
        f"<h2>Trials</h2><p>Means over all episodes.</p>{_table(heads, rows)}"
        f"{_image(plots.trials(found, 'success'))}"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _results_table(summary: dict[str, Any], measured: dict[str, Any]) -> str:
    rows = []
    for name, report in measured.items():
        success, error = report["success"], report.get("position_error_m")
        seconds = summary["seconds"]["export" if name == "onnx" else name]
        rows.append(
            [
                name,
                _percent(success["mean"]),
                f"{_percent(success['ci95'][0])} to {_percent(success['ci95'][1])}",
                success["episodes"],
                _cm(error["median"]) if error else "",
                _cm(error["mean"]) if error else "",
                f"{report['length']['mean']:.0f}",
                f"{seconds:.0f}",
            ]
        )
    heads = [
        "",
        "success",
        "95% interval",
        "episodes",
        "error, median",
        "error, mean",
        "steps",
        "seconds",
    ]
    return _table(heads, rows)


def _pairs(pairs: dict[str, Any]) -> str:
    return (
        f"<p>Of the same worlds, {pairs['both']} were managed by both, {pairs['only_first']} only "
        f"by the teacher, {pairs['only_second']} only by the student, {pairs['neither']} by none "
        f"(McNemar p = {pairs['mcnemar_p']:.2g}).</p>"
    )


def _failures_table(measured: dict[str, Any]) -> str:
    classes = [name for name in measured["teacher"]["failures"] if name != "none"]
    rows = [
        [name, *[_percent(r["failures"][c] / r["success"]["episodes"]) for c in classes]]
        for name, r in measured.items()
    ]
    return _table(["", *classes], rows)


def _ablation_table(what: str, ablation: dict[str, Any]) -> str:
    rows = [
        [
            name,
            _percent(report["success"]["mean"]),
            report["success"]["episodes"],
            _cm(report["position_error_m"]["median"]) if "position_error_m" in report else "",
        ]
        for name, report in ablation.items()
    ]
    return _table([what, "success", "episodes", "error, median"], rows)


def _table(heads: list[str], rows: list[list[Any]]) -> str:
    head = "".join(f"<th>{html.escape(str(h))}</th>" for h in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _image(encoded: str) -> str:
    return f"<img alt='' src='data:image/png;base64,{encoded}'>" if encoded else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _cm(metres: float | None) -> str:
    return "-" if metres is None or metres != metres else f"{100 * metres:.1f} cm"
