"""Tables and figures of ``benchmarks/*.json``: files made anew change the pages by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from robo_ts.bench import ablations, teachers
from robo_ts.bench.recipe import SHOWN, over_seeds, shown_as
from robo_ts.pipeline import probe
from robo_ts.pipeline.trials import columns_of
from scripts.docs.markdown import code, table

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"

# Of an arm, not to be shown as a column: lists, and what has a column of its own.
_KNOWN = ("success", "ci95", "seeds", "gain")


def benchmarks() -> str:
    """Every file of the folder: what was measured, by which command, where."""
    return "\n\n".join(_section(path.stem) for path in sorted(FOLDER.glob("*.json")))


def benchmark(name: str) -> str:
    """The table of one file."""
    data = load(name)
    for fits, made in _TABLES:
        if fits(data):
            return made(data)
    return _scalars(data)


def success(name: str, arm: str) -> str:
    """Success of an arm, or of a run's teacher, student or onnx, with its 95% interval."""
    data = load(name)
    return _share(at(data, f"arms/{arm}" if "arms" in data else arm))


def percent(name: str, path: str, digits: str = "1") -> str:
    """A share as a percentage."""
    return f"{100.0 * float(at(load(name), path)):.{digits}f}%"


def number(name: str, path: str, digits: str = "0") -> str:
    """A number, with thousands apart."""
    return f"{float(at(load(name), path)):,.{digits}f}"


def centimetres(name: str, path: str) -> str:
    """A length in m, as centimetres."""
    return f"{100.0 * float(at(load(name), path)):.1f} cm"


def minutes(name: str, path: str) -> str:
    """A time in s, as minutes and seconds."""
    seconds = round(float(at(load(name), path)))
    return f"{seconds // 60} min {seconds % 60} s"


@cache
def load(name: str) -> dict[str, Any]:
    """A file's content, by its name without ``.json``."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def at(data: Any, path: str) -> Any:
    """What lies at ``a/b/0/c``.

    Raises:
        KeyError: where the path leads nowhere.
    """
    for key in path.split("/"):
        try:
            data = data[int(key)] if isinstance(data, list) else data[key]
        except (KeyError, IndexError, ValueError) as error:
            known = ", ".join(data) if isinstance(data, dict) else f"{len(data)} entries"
            raise KeyError(f"{path}: no {key!r} among {known}") from error
    return data


def command(name: str) -> str:
    """How a file was made, as ``benchmarks/README.md`` says; empty where it says nothing."""
    for line in (FOLDER / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == f"`{name}.json`":
            return cells[1]
    return ""


# -- one section ---------------------------------------------------------------------------------


def _section(name: str) -> str:
    data = load(name)
    origin = {**data.get("manifest", {}), **data}
    hardware = origin.get("hardware", {})
    where = f"{hardware.get('cpu')}, {hardware.get('cores')} cores"
    if hardware.get("gpu"):
        where += f", {hardware['gpu']}"
    versions = origin.get("versions", {})
    said = ", ".join(f"{one} {versions[one]}" for one in ("mujoco", "torch") if one in versions)
    made = command(name)
    parts = [f"## {name}", f"Made by {made}." if made else "", benchmark(name)]
    parts.append(f"Measured on {where}; {said}; commit {code(origin.get('commit', 'unknown'))}.")
    return "\n\n".join(part for part in parts if part)


def _arms(data: Mapping[str, Any]) -> str:
    arms: dict[str, dict[str, Any]] = data["arms"]
    extra = list(
        dict.fromkeys(
            name
            for arm in arms.values()
            for name, value in arm.items()
            if isinstance(value, int | float) and name not in _KNOWN
        )
    )
    rows = [
        (name, _share(arm), *(_plain(column, arm.get(column)) for column in extra))
        for name, arm in arms.items()
    ]
    settings = data.get("settings", {})
    said = ", ".join(f"{key.replace('_', ' ')} {_plain('', v)}" for key, v in settings.items())
    note = f"{len(data['seeds'])} seeds; {said}." if said else f"{len(data['seeds'])} seeds."
    head = ("arm", "success (95% interval)", *(name.replace("_", " ") for name in extra))
    return f"{note}\n\n{table(head, rows)}"


def _speed(data: Mapping[str, Any]) -> str:
    labels = {"raw": "raw engine", "sim": "`BatchSim`", "env": "whole task"}
    rows = [
        (labels.get(name, name), f"{rate:,.0f}", _plain("", data.get(f"{name}_over_raw")))
        for name, rate in data["rates"].items()
    ]
    head = f"{data['num_envs']:,} worlds of {data['task']}, engine {data['engine']['name']}"
    return f"{head}; {data['unit']}.\n\n{table(('', 'rate', 'of raw'), rows)}"


def _cameras(data: Mapping[str, Any]) -> str:
    rows = [
        (name, f"{one['raw']:,.0f}", f"{one['ours']:,.0f}", f"{one['ours_over_raw']:.2f}")
        for name, one in data["scenes"].items()
    ]
    body = table(("camera", "raw renderer", "ours", "of raw"), rows)
    return f"{data['num_envs']} worlds; {data['unit']}.\n\n{body}"


def _updates(data: Mapping[str, Any]) -> str:
    rows = []
    for cell in data["cells"]:
        own = cell["ours_over_rsl_rl"]
        more = cell["recommended_over_rsl_rl"]
        rows.append((cell["num_envs"], _spread(own), _spread(more)))
    head = ("worlds", "as many optimiser steps", "our default number of steps")
    speed = f"Speed over rsl_rl's; {data['network']}; {data['unit']}.\n\n{table(head, rows)}"
    kept = [
        (one["minibatches"], f"{one['ours_bytes'] / 2**20:,.0f}", f"{one['ours_over_rsl_rl']:.2f}")
        for one in data["memory"]
    ]
    head = ("minibatches", "MiB", "of rsl_rl's storage")
    return f"{speed}\n\nMemory with images, data set and update:\n\n{table(head, kept)}"


def _gates(data: Mapping[str, Any]) -> str:
    rows = [
        (
            one["aim"],
            f"{one['target']:g}",
            one["arm"],
            *(f"{one[name]['mean']:.3f}" for name in ("sensitivity", "specificity", "saved")),
        )
        for one in data["results"]
    ]
    head = ("aim", "target", "arm", "sensitivity", "specificity", "labels saved")
    return table(head, rows)


def _proposals(data: Mapping[str, Any]) -> str:
    rows = []
    for name, one in {"synthesised": data["synthesised"], **data["unseen"]}.items():
        shares = [f"{100 * one[key]:.1f}%" for key in ("held_per_direction", "valid")]
        deep, low = one["penetration_mm"], one["table_mm"]
        depths = [f"{deep['median']:.2f}", f"{deep['p95']:.2f}", f"{low['mean']:.1f}"]
        kind = name.replace("_", ", ")
        rows.append((kind, one["grasps"], *shares, f"{one['q1']:.4f}", *depths))
    head = ("grasps", "", "held, mean of six directions", "valid", "Q1")
    head += ("depth, median mm", "p95", "in the table, mean mm")
    config, density = data["config"], data["log_density"]
    note = f"Hand {config['hand']}, {len(data['objects'])} objects to synthesise for, "
    note += f"{len(data['unseen_objects'])} unseen ones to propose for. "
    note += f"The model learnt from {density['trained_on']['count']} grasps."
    return f"{note}\n\n{table(head, rows)}"


def _run(data: Mapping[str, Any]) -> str:
    rows = []
    for who in ("teacher", "student", "onnx"):
        one = data[who]
        others = [
            f"{key.removesuffix('_m').replace('_', ' ')} {100 * value['median']:.1f} cm (median)"
            for key, value in one.items()
            if key.endswith("_m") and isinstance(value, dict)
        ]
        rows.append((who, _share(one), one["success"].get("episodes", ""), ", ".join(others)))
    total = sum(data["seconds"][k] for k in data["seconds"] if k != "total")
    times = ", ".join(f"{k} {v:.0f} s" for k, v in data["seconds"].items() if k != "total")
    head = ("policy", "success (95% interval)", "episodes", "")
    body = table(head, rows)
    note = f"Task {data['task']}, recipe {data['recipe']}, seed {data['seed']}, "
    note += f"{total / 60:.1f} minutes in all: {times}."
    cleared = _memory(data.get("evaluation", {}).get("memory_cleared_every", {}))
    return "\n\n".join(part for part in (note, body, cleared) if part)


def _memory(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    rows = [("never" if k == "never" else f"every {k} steps", _share(v)) for k, v in found.items()]
    return "What the student's memory is worth:\n\n" + table(
        ("memory cleared", "success (95% interval)"), rows
    )


def _trials(data: Mapping[str, Any]) -> str:
    """Every policy in every trial, with what its task reports."""
    rows = [
        (name, who, report)
        for name, one in data["trials"].items()
        for who, report in one["policies"].items()
    ]
    columns = columns_of([report for _, _, report in rows])
    head = ("trial", "policy", *columns)
    cells = ([cell(report) for cell in columns.values()] for _, _, report in rows)
    body = [(code(name), who, *shown) for (name, who, _), shown in zip(rows, cells, strict=True)]
    return table(head, body)


def _scalars(data: Mapping[str, Any]) -> str:
    """A file of another shape: every number in it, by its path."""
    skipped = ("hardware", "versions", "commit", "manifest", "settings", "seeds", "curves")
    rest = {key: value for key, value in data.items() if key not in skipped}
    rows = [(code(path), _plain(path, value)) for path, value in _leaves(rest) if value is not None]
    return table(("figure", "value"), rows[:40])


def _leaves(data: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _leaves(value, f"{prefix}/{key}" if prefix else str(key))
    elif isinstance(data, int | float | str):
        yield prefix, data


def _page(data: Mapping[str, Any]) -> str:
    """How soon the viewer's page answers, and how often it moves."""
    said = (
        f"`robo-ts view quadrotor` answers after {data['seconds_to_answer']:.1f} s and shows "
        f"worlds after {data['seconds_to_show']:.1f} s (the best of {len(data['starts'])} starts)."
    )
    rows = [
        (
            name,
            " and ".join(one["players"]),
            f"{one['updates_per_s']:.1f}",
            f"{one['cpu_ms_per_update']:.1f}",
            f"{one['bytes_per_s'] / 1000.0:.0f}",
            f"{one['load_average']:.1f}",
        )
        for name, one in data["updates"].items()
    ]
    head = ("shown", "acts", "updates/s", "CPU ms per update", "kB/s to a visitor")
    return f"{said}\n\n{table((*head, 'load average'), rows)}"


def _recipe(data: Mapping[str, Any]) -> str:
    """Students over seeds in each trial, lowest to highest, beside other policies."""
    seconds = [run["seconds"]["total"] / 60.0 for run in data["runs"]]
    found = data["trials"].values()
    shown = [name for name in SHOWN if any(name in trial["students"] for trial in found)]
    own = {f"seed {seed}" for seed in data["seeds"]}
    rows = []
    for name, trial in data["trials"].items():
        rows.append(
            (code(name), "students", *(over_seeds(trial["students"], one) for one in shown))
        )
        for who, values in trial["policies"].items():
            if who not in own:
                plain = (shown_as(values.get(x), x) for x in shown)
                rows.append(("", who, *plain))
    units = [f"{SHOWN[x][0]}, {SHOWN[x][2]}" if SHOWN[x][2] else SHOWN[x][0] for x in shown]
    said = f"{len(data['seeds'])} seeds, {min(seconds):.0f} to {max(seconds):.0f} minutes each"
    parts = f"{data['runs'][0]['parameters']:,} parameters; mean (lowest to highest)"
    body = table(("trial", "policy", *units), rows)
    return "\n\n".join(part for part in (f"{said}; {parts}.", body, _bins(data)) if part)


def _bins(data: Mapping[str, Any]) -> str:
    """The same students in each bin of what was drawn."""
    rows = []
    for name, trial in data["trials"].items():
        students = trial["students"]
        bins = [key.removeprefix("survived ") for key in students if key.startswith("survived [")]
        for one in bins:
            shares = (over_seeds(students, f"{kind} {one}", kind) for kind in _BINNED)
            rows.append((code(name), one.strip("[]").replace("_", " "), *shares))
    heads = (f"{SHOWN[kind][0]}, {SHOWN[kind][2]}" for kind in _BINNED)
    return "By what was drawn:\n\n" + table(("trial", "drawn", *heads), rows) if rows else ""


_BINNED = ("within_limits", "survived")


def _transfer(data: Mapping[str, Any]) -> str:
    """Every robot in another simulator, and the nearest one in MuJoCo."""
    rows = []
    for robot, places in data["robots"].items():
        for place, label in (("there", data["simulator"]), ("here", "mujoco")):
            for who, one in places[place].items():
                held = [_interval(one[key]) for key in ("within_limits", "survived")]
                error = one["position_error_m"]
                centre = 100.0 * error["median"], [100.0 * x for x in error["median_ci95"]]
                rows.append((code(robot), label, who, *held, _around(*centre)))
    head = ("robot", "simulator", "policy", "never terminated", "survived", "error, median, cm")
    note = f"{data['episodes']} episodes each"
    if data["spread"]:
        note += f"; the other simulator's parameters drawn within {100 * data['spread']:.0f}%"
    return f"{note}.\n\n{table(head, rows)}"


def _interval(found: Mapping[str, Any]) -> str:
    mean, (low, high) = found["mean"], found["ci95"]
    return f"{100 * mean:.1f}% ({100 * low:.1f} to {100 * high:.1f})"


def _around(value: float, ends: Sequence[float]) -> str:
    return f"{value:.2f} ({ends[0]:.2f} to {ends[1]:.2f})"


def _ablations(data: Mapping[str, Any]) -> str:
    """The recipe with one change each."""
    sizes = f"{data['percent']}% of the recipe's iterations, " if data["percent"] != 100 else ""
    flown = f"{data['episodes']:,} flights" if data["episodes"] else "all flights of the trials"
    note = f"{len(data['seeds'])} seeds, {sizes}{flown} per condition."
    return f"{note}\n\n{table(ablations.HEADS, ablations.lines(data))}"


def _teachers(data: Mapping[str, Any]) -> str:
    """Students of different teachers."""
    note = f"{len(data['seeds'])} seeds; {data['budget']['teacher']:,} {data['budget']['unit']}, "
    note += f"for each stage; a pool of {data['pool']} drones."
    return f"{note}\n\n{table(teachers.HEADS, teachers.lines(data))}"


def _probe(data: Mapping[str, Any]) -> str:
    """What a memory knows, and when."""
    note = f"{data['num_envs']:,} worlds; share of variance that a linear reading explains."
    return f"{note}\n\n{table(probe.heads(data), probe.lines(data))}"


_TABLES: list[tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any]], str]]] = [
    (lambda d: d.get("measurement") == "ablations", _ablations),
    (lambda d: d.get("measurement") == "teachers", _teachers),
    (lambda d: "arms" in d, _arms),
    (lambda d: "rates" in d, _speed),
    (lambda d: "seconds_to_answer" in d, _page),
    (lambda d: "scenes" in d, _cameras),
    (lambda d: "cells" in d and "memory" in d, _updates),
    (lambda d: "results" in d and "targets" in d, _gates),
    (lambda d: all(who in d for who in ("teacher", "student", "onnx")), _run),
    (lambda d: "synthesised" in d and "unseen" in d, _proposals),
    (lambda d: "trials" in d and "runs" in d, _recipe),
    (lambda d: "trials" in d and "policies" in d, _trials),
    (lambda d: "r2" in d and "times" in d, _probe),
    (lambda d: "robots" in d and "simulator" in d, _transfer),
]


# -- how numbers look ----------------------------------------------------------------------------


def _share(found: Mapping[str, Any]) -> str:
    """Success with its interval; ``success`` is a number beside ``ci95``, or holds both."""
    value = found.get("success")
    if value is None:
        return ""
    mean, ends = (
        (value["mean"], value["ci95"]) if isinstance(value, dict) else (value, found["ci95"])
    )
    return _interval({"mean": mean, "ci95": ends})


def _spread(found: Mapping[str, Any]) -> str:
    low, high = found["ci95"]
    return f"{found['iqm']:.2f} ({low:.2f} to {high:.2f})"


def _plain(name: str, value: Any) -> str:
    if value is None or isinstance(value, str | bool):
        return "" if value is None else str(value)
    if isinstance(value, list):
        return ", ".join(_plain("", one) for one in value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.0f}" if name.startswith("seconds") or abs(value) >= 1000 else f"{value:.3g}"
