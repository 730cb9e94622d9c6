"""One self-contained HTML page per run, finished or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from robo_ts.files import atomic_path, read_json
from robo_ts.progress import read_metrics
from robo_ts.view import ladder, plots
from robo_ts.view.gallery import INDEX
from robo_ts.view.html import (
    anchor,
    file_image,
    image,
    interval,
    measured,
    number,
    page,
    percent,
    section,
    table,
    text,
)
from robo_ts.view.trained import trained

TITLES = {
    "results": "How well they do, in the same unseen worlds",
    "ladder": "Where the student loses success",
    "trained": "What was trained",
    "learning": "Learning",
    "saw": "What the distiller saw",
    "failures": "What goes wrong, and where",
    "memory": "What the memory is worth",
    "images": "What the cameras are worth",
    "trials": "Trials",
    "export": "The exported file",
    "origin": "Where this comes from",
}


def write_report(
    folder: Path,
    run: dict[str, Any],
    summary: dict[str, Any],
    results: dict[str, Any],
    error_metric: str = "",
) -> Path:
    """Write ``report.html`` into the run's folder and return its path.

    Args:
        folder: the run directory.
        run: task, recipe and settings as plain data.
        summary: the content of ``summary.json``; empty while the run goes on.
        results: every finished stage's result, by the pipeline's names.
        error_metric: the metric that says how far off a policy is; empty for none.
    """
    manifest = read_json(folder / "manifest.json") if (folder / "manifest.json").is_file() else {}
    stages = {n: read_metrics(folder / n / "metrics.jsonl") for n in _LEARNING}
    policies = measured_policies(results)
    parts = {
        "results": _results(policies, results, error_metric),
        "ladder": ladder.section_of(folder),
        "trained": trained(folder, run, results),
        "learning": image(plots.curves(stages)) + _still_learning(stages, results),
        "saw": _diagnostics(stages["student"]),
        "failures": _failures(folder, policies),
        "memory": _memory(results.get("evaluate", {}).get("memory_cleared_every", {})),
        "images": _images(results.get("evaluate", {}).get("images", {})),
        "trials": _trials(results.get("evaluate", {}).get("trials", {}), error_metric),
        "export": _export(results.get("export", {})),
        "origin": _origin(folder, run, manifest, results),
    }
    links = "".join(
        f"<a href='#{anchor(TITLES[n])}'>{text(TITLES[n])}</a>" for n, p in parts.items() if p
    )
    body = [
        f"<h1>{text(run['task'])}: teacher, student, ONNX</h1>",
        f"<p class='sub'>{_headline(run, summary, manifest)}</p>",
        f"<nav>{links}</nav>",
        *(section(TITLES[name], part) for name, part in parts.items()),
    ]
    path = folder / "report.html"
    with atomic_path(path) as temporary:
        temporary.write_text(page(f"robo_ts: {run['task']} {run['recipe']}", body))
    return path


_LEARNING = ("teacher", "student", "finetune")


def measured_policies(results: dict[str, Any]) -> dict[str, Any]:
    """What was measured of teacher, student and ONNX file, as far as it was."""
    evaluated, exported = results.get("evaluate", {}), results.get("export", {})
    found = {name: evaluated.get(name) for name in ("teacher", "student")}
    for name in tuple(found):
        found[f"{name} in MuJoCo"] = evaluated.get(f"{name}_in_mujoco")
    found["onnx"] = exported.get("onnx")
    return {name: report for name, report in found.items() if report}


def _headline(run: dict[str, Any], summary: dict[str, Any], manifest: dict[str, Any]) -> str:
    config, hardware = run["config"], manifest.get("hardware", {})
    words = [
        f"recipe {run['recipe']}",
        f"seed {config.get('seed', 0)}",
        f"engine {config.get('engine', {}).get('name', '')}",
    ]
    if summary:
        words.append(f"{summary['seconds']['total']:.0f} s")
    else:
        words.append("not finished")
    if hardware:
        words.append(f"{hardware.get('cpu')}, {hardware.get('cores')} cores")
    if hardware.get("gpu"):
        words.append(str(hardware["gpu"]))
    return text(", ".join(words))


def _results(policies: dict[str, Any], results: dict[str, Any], error_metric: str) -> str:
    if not policies:
        return "<p>Nothing is measured yet; this page shows what there is.</p>"
    first = next(iter(policies.values()))
    metric = error_metric if error_metric in first else ""
    seconds = {"teacher": "teach", "student": "distill", "onnx": "export"}
    rows = []
    for name, report in policies.items():
        success, error = report["success"], report.get(metric, {})
        row = [name, percent(success["mean"]), interval(success["ci95"]), success["episodes"]]
        if metric:
            row += [measured(error.get(k), metric) for k in ("median", "mean")]
        length = report.get("length", {}).get("mean")
        took = results.get(seconds.get(name, ""), {}).get("seconds")
        rows.append([*row, number(length), f"{took:.0f}" if took is not None else ""])
    heads = ["", "success", "95% interval", "episodes"]
    if metric:
        words = metric.rsplit("_", 1)[0].replace("_", " ")
        heads += [f"{words}, median", "mean"]
    pairs = results.get("evaluate", {}).get("teacher_to_student")
    drawn = image(plots.intervals(policies))
    return table([*heads, "steps", "seconds"], rows) + drawn + (_pairs(pairs) if pairs else "")


def _pairs(pairs: dict[str, Any]) -> str:
    return (
        f"<p>Of the same worlds, {pairs['both']} were managed by both, {pairs['only_first']} only "
        f"by the teacher, {pairs['only_second']} only by the student, {pairs['neither']} by none "
        f"(McNemar p = {pairs['mcnemar_p']:.2g}).</p>"
    )


def _still_learning(stages: dict[str, list[dict[str, Any]]], results: dict[str, Any]) -> str:
    names = {"teacher": "teach", "student": "distill"}
    going = [n for n, done in names.items() if stages[n] and done not in results]
    lines = [f"{n}: round {stages[n][-1]['iteration']}, not finished" for n in going]
    return f"<p>{text('; '.join(lines))}</p>" if lines else ""


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
    found = [[_DIAGNOSTICS[name], *(number(row.get(name)) for row in moments)] for name in names]
    alarms = [str(row["iteration"]) for row in rows if row.get("alarm")]
    quiet = "<p>No alarm: the loss never fell while success fell.</p>"
    said = (
        f"<p class='alarm'><b>Alarm</b> in rounds {', '.join(alarms[:20])}: the loss fell while "
        "success fell. The student fits the teacher better and does worse.</p>"
        if alarms
        else (quiet if any("success" in row for row in rows) else "")
    )
    heads = ["", *(f"round {row['iteration']}" for row in moments)]
    return table(heads, found) + said + image(plots.action_errors(rows))


def _failures(folder: Path, policies: dict[str, Any]) -> str:
    if not policies:
        return ""
    first = next(iter(policies.values()))
    classes = [name for name in first["failures"] if name != "none"]
    rows = [
        [name, *(percent(r["failures"].get(c, 0) / r["success"]["episodes"]) for c in classes)]
        for name, r in policies.items()
    ]
    return table(["", *classes], rows) + image(plots.bins(policies)) + _gallery(folder)


def _gallery(folder: Path) -> str:
    where = folder / "eval" / "failures"
    if not (where / INDEX).is_file():
        return ""
    index = read_json(where / INDEX)
    said = (
        f"<h3>Failures of the student</h3><p>It failed in {index['failed']} of "
        f"{index['episodes']} further worlds. Start, two moments between, end; the line is the "
        "way so far.</p>"
    )
    shown = []
    for picture in index["pictures"]:
        numbers = ", ".join(
            f"{name.replace('_', ' ')} {number(value)}"
            for name, value in picture["metrics"].items()
            if value is not None
        )
        caption = f"{picture['failure']}, {picture['length']} steps; {numbers}"
        shown.append(file_image(where / picture["file"], caption))
    return said + "".join(shown)


def _memory(ablation: dict[str, Any]) -> str:
    if not ablation:
        return ""
    return (
        "<p>The student's memory is cleared every k steps.</p>"
        + _ablation("every", ablation)
        + image(plots.ablation(ablation))
    )


def _images(ablation: dict[str, Any]) -> str:
    if not ablation:
        return ""
    return (
        "<p>The student sees true images, blank ones, the episode's first one for ever, or those "
        "of another world.</p>" + _ablation("images", ablation)
    )


def _ablation(what: str, ablation: dict[str, Any]) -> str:
    rows = [
        [
            name,
            percent(report["success"]["mean"]),
            interval(report["success"]["ci95"]),
            report["success"]["episodes"],
        ]
        for name, report in ablation.items()
    ]
    return table([what, "success", "95% interval", "episodes"], rows)


def _trials(found: dict[str, Any], error_metric: str) -> str:
    """Every condition that was tried: numbers, and pictures of shares, errors and bins."""
    if not found:
        return ""
    first = next(iter(next(iter(found.values()))["policies"].values()))
    metrics = [n for n, value in first.items() if isinstance(value, dict) and "mean" in value]
    shares = [n for n in metrics if "ci95" in first[n] and n != "success_ever"]
    rows = [
        [name, who, *(number(report.get(metric, {}).get("mean")) for metric in metrics)]
        for name, trial in found.items()
        for who, report in trial["policies"].items()
    ]
    heads = ["trial", "policy", *(name.replace("_", " ") for name in metrics)]
    drawn = image(plots.trials(found, [*shares, *([error_metric] if error_metric else [])]))
    return f"<p>Means over all episodes.</p>{table(heads, rows)}{drawn}" + "".join(
        f"<h3>{text(name)}: {text(trial['text'])}</h3>{pictures}"
        for name, trial in found.items()
        if (pictures := "".join(image(plots.bins(trial["policies"], share)) for share in shares))
    )


def _export(exported: dict[str, Any]) -> str:
    if not exported:
        return ""
    speed = exported.get("microseconds_per_step") or {}
    said = ", ".join(f"{name} {value:.0f} µs a step" for name, value in speed.items())
    return (
        f"<p>export/{text(exported['file'])}, {exported['bytes'] / 1024:.0f} KiB. It differs from "
        f"torch by at most {exported['max_abs_diff_vs_torch']:.1e} over "
        f"{exported['steps_compared']} closed-loop steps. {text(said)}</p>"
    )


def _origin(
    folder: Path, run: dict[str, Any], manifest: dict[str, Any], results: dict[str, Any]
) -> str:
    if not manifest:
        return ""
    chain = [
        [name, str(results[stage]["digest"])[:16], str(folder / name / "bundle")]
        for name, stage in (("teacher", "teach"), ("student", "distill"))
        if results.get(stage, {}).get("digest")
    ]
    for who in ("teacher", "student"):
        given = run["config"].get(f"{who}_bundle")
        if given:
            digest = manifest.get("inputs", {}).get(f"{who}_bundle", "")
            chain.append([f"{who} given", digest[:16], given])
    hardware = manifest.get("hardware", {})
    facts = [
        ["commit", manifest.get("commit") or "not in a checkout"],
        ["settings", manifest.get("config_digest", "")],
        *([name, value] for name, value in hardware.items() if value is not None),
    ]
    inputs = {key: manifest.get(key, {}) for key in ("versions", "inputs")}
    settings = text(yaml.safe_dump(run, sort_keys=False))
    return (
        "<p>The same again:</p>"
        f"<pre>{text(manifest['command'])}</pre>"
        + (table(["policy", "digest", "where"], chain, kind="left") if chain else "")
        + table(["", ""], facts, kind="left")
        + "<details><summary>Versions and inputs</summary>"
        f"<pre>{text(json.dumps(inputs, indent=2))}</pre></details>"
        + f"<details><summary>Every setting</summary><pre>{settings}</pre></details>"
    )
