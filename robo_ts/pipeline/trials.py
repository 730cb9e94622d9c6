"""``robo-ts trials``: policies of any kind side by side, in every condition a task knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from robo_ts.env import get_task, make_env
from robo_ts.env.metrics import words_and_unit
from robo_ts.errors import RoboTSError
from robo_ts.evaluate import Actor, PolicyActor
from robo_ts.evaluate.actors import OnnxActor
from robo_ts.evaluate.trials import choose_trials, count_episodes, run_trials
from robo_ts.export import load
from robo_ts.lineage import commit, hardware, versions
from robo_ts.pipeline.stages import load_for
from robo_ts.policies.player import mute_constant_inputs
from robo_ts.progress import Progress, set_threads
from robo_ts.sim import EngineConfig


def compare(
    paths: Sequence[str],
    task: str,
    words: Sequence[str] = (),
    engine: EngineConfig | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Every policy in the chosen trials.

    Args:
        paths: folders of bundles, folders of runs (their student), or ``.onnx`` files; a label may
            stand before, ``name=path``.
        task: the task.
        words: names of trials or of groups; all of them when empty.
        engine: what steps the worlds.
        seed: of the worlds.

    Raises:
        RoboTSError: for a path that holds no policy of the task, or an unknown word.
    """
    set_threads(0)
    spec, engine = get_task(task), engine or EngineConfig()
    chosen = choose_trials(spec, words)
    actors = named_actors(paths, task, engine)
    bar = Progress("trials", count_episodes(chosen, actors, engine), "episode")
    try:
        found = run_trials(spec, spec.config(), actors, chosen, engine, seed, progress=bar.update)
    finally:
        bar.close()
    return {
        "task": task,
        "engine": {"name": engine.name, "device": engine.resolved_device()},
        "seed": seed,
        "policies": {_split(given)[0]: _split(given)[1] for given in paths},
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
        "trials": found,
    }


def named_actors(paths: Sequence[str], task: str, engine: EngineConfig) -> dict[str, Actor]:
    """Policies of a task by label; see :func:`compare` for what a path may be.

    Raises:
        RoboTSError: for a path that holds none, or a label given twice.
    """
    actors: dict[str, Actor] = {}
    for given in paths:
        label, path = _split(given)
        if label in actors:
            raise RoboTSError(
                "policies with names of their own", f"{label!r} twice", "write name=path"
            )
        actors[label] = _actor(Path(path), task, engine)
    return actors


def _split(given: str) -> tuple[str, str]:
    label, equals, path = given.partition("=")
    if equals:
        return label, path
    plain = Path(given)
    # The folder of a run's student says less than the run's name.
    shown = plain.parent if plain.name in ("bundle", "policy.onnx", "export") else plain
    return str(shown), given


def _actor(path: Path, task: str, engine: EngineConfig) -> Actor:
    env = make_env(task, 1, engine=engine)
    try:
        if path.suffix == ".onnx":
            runtime = load(path)
            missing = sorted(set(runtime.groups) - set(env.spec))
            if missing:
                raise RoboTSError(
                    f"an ONNX policy over the groups {sorted(env.spec)} of {task}",
                    f"{path}, which reads {', '.join(missing)}",
                    "give one of this task",
                )
            return OnnxActor(runtime, env.device)
        if (path / "student" / "bundle").is_dir():
            path = path / "student" / "bundle"
        # Trials change what was constant in training: a teacher that learnt alone meets opponents.
        return PolicyActor(mute_constant_inputs(load_for(env, task, path).policy))
    finally:
        env.close()


def show(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what :func:`compare` found, one table per group, with what its task reports."""
    trials = figures["trials"]
    console = console or Console()
    console.width = max(console.width, 160)
    for group in dict.fromkeys(trial["group"] for trial in trials.values()):
        rows = [
            (name, label, report)
            for name, trial in trials.items()
            if trial["group"] == group
            for label, report in trial["policies"].items()
        ]
        columns = columns_of([report for _, _, report in rows])
        table = Table(title=f"{figures['task']}: {group}")
        table.add_column("trial", no_wrap=True)
        table.add_column("policy", no_wrap=True)
        for head in columns:
            table.add_column(head, justify="right", no_wrap=head == "success")
        for name, label, report in rows:
            table.add_row(name, label, *(cell(report) for cell in columns.values()))
        console.print(table)


_Cell = Callable[[Mapping[str, Any]], str]


def columns_of(reports: Sequence[Mapping[str, Any]]) -> dict[str, _Cell]:
    """Headings, and what stands below them for a report: shares, the return, what has a unit."""
    found: dict[str, _Cell] = {}
    metrics = {name: value for report in reports for name, value in report.items()}
    for name, value in metrics.items():
        if _has(value, "mean", "ci95", "episodes"):
            found[name.replace("_", " ")] = partial(_share, name)
    found["return"] = lambda report: f"{report['return']['mean']:.1f}"
    for name, value in metrics.items():
        words, unit = words_and_unit(name)
        if unit and _has(value, "median", "mean"):
            # Errors of millimetres and distances across a pitch.
            small = unit == "m" and all(_below_a_metre(report.get(name)) for report in reports)
            unit, scale = ("cm", 100.0) if small else (unit, 1.0)
            found[f"{words}, {unit}, median / mean"] = partial(_middle, name, scale)
    return found


def _has(value: Any, *keys: str) -> bool:
    return isinstance(value, Mapping) and set(value) == set(keys)


def _share(name: str, report: Mapping[str, Any]) -> str:
    if name not in report:
        return ""
    mean, (low, high) = report[name]["mean"], report[name]["ci95"]
    return f"{mean:.1%}" + (f" ({100 * low:.1f} to {100 * high:.1f})" if name == "success" else "")


def _middle(name: str, scale: float, report: Mapping[str, Any]) -> str:
    parts = [report.get(name, {}).get(kind) for kind in ("median", "mean")]
    # None where no episode lasted long enough to say.
    shown = ["-" if x is None or x != x else f"{scale * x:.2f}" for x in parts]
    return " / ".join(shown) if name in report else ""


def _below_a_metre(value: Mapping[str, float | None] | None) -> bool:
    return value is None or not (value["mean"] or 0.0) >= 1.0
