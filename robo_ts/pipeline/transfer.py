"""``robo-ts transfer``: policies in other people's simulators, with the task's own beside."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import TaskSpec, get_task
from robo_ts.env.transfer import OtherSimulator, OtherWorlds
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.evaluate import Actor
from robo_ts.evaluate.protocol import run_episodes
from robo_ts.evaluate.report import centre, proportion
from robo_ts.evaluate.statistics import mean_interval, median_interval
from robo_ts.evaluate.trials import with_changes
from robo_ts.lineage import commit, hardware, versions
from robo_ts.pipeline.trials import named_actors
from robo_ts.progress import Progress, set_threads
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig


def transfer(
    paths: Sequence[str],
    task: str,
    simulator: str,
    robots: Sequence[str] = (),
    episodes: int = 256,
    spread: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Every policy with every robot, there and here.

    Args:
        paths: folders of bundles, folders of runs (their student), or ``.onnx`` files; a label may
            stand before, ``name=path``.
        task: the task.
        simulator: a name of its ``simulators``.
        robots: of that simulator; all of them when empty.
        episodes: flown together, each with a start of its own.
        spread: how far the other simulator's parameters are drawn around their values, as a share.
        seed: of the starts.

    Returns:
        Plain data: per robot ``there`` and ``here`` (MuJoCo on the CPU, the robot as close as its
        formulas allow), in each per policy every outcome with its Wilson interval, and
        median and mean of the task's error with intervals; hardware, versions and commit.

    Raises:
        RoboTSError: for an unknown simulator or robot, one that is not installed, or a path without
            a policy of the task.
    """
    set_threads(0)
    spec = get_task(task)
    other, wanted = _simulator(spec, simulator), list(robots)
    for robot in wanted:
        if robot not in other.robots:
            hint = did_you_mean(robot, other.robots)
            raise RoboTSError(f"a robot that {simulator} flies", repr(robot), hint)
    if episodes < 1:
        raise RoboTSError("at least one episode", str(episodes), "raise --episodes")
    other.build(other.robots[0], 1, 0, spread)  # complains before anything is flown
    actors = named_actors(paths, task, EngineConfig())
    robots = wanted or other.robots
    bar = Progress("transfer", 2 * episodes * len(actors) * len(robots), "episode")
    found: dict[str, Any] = {}
    try:
        for robot in robots:
            found[robot] = {"there": {}, "here": {}}
            for label, actor in actors.items():
                begun = time.monotonic()
                worlds = other.build(robot, episodes, derive(seed, "transfer"), spread)
                report = _summary(spec, fly(actor, worlds))
                found[robot]["there"][label] = report | {"seconds": time.monotonic() - begun}
                bar.update(episodes)
                found[robot]["here"][label] = _here(spec, other, robot, actor, episodes, seed)
                bar.update(episodes)
    finally:
        bar.close()
    return {
        "task": task,
        "simulator": {"name": simulator, "text": other.text, "version": _version(other.extra)},
        "episodes": episodes,
        "spread": spread,
        "seed": seed,
        "policies": list(paths),
        "robots": found,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }


@torch.no_grad()
def fly(actor: Actor, worlds: OtherWorlds) -> dict[str, Tensor]:
    """One episode in each of ``worlds``; their metrics, ``(num_envs,)`` each."""
    actor.begin(worlds.num_envs)
    for _ in range(worlds.episode_steps):
        groups = {name: torch.from_numpy(value) for name, value in worlds.observe().items()}
        obs = TensorDict(groups, batch_size=[worlds.num_envs])  # type: ignore[arg-type]
        worlds.step(actor.act(obs).cpu().numpy())
    return {name: torch.from_numpy(value) for name, value in worlds.measured().items()}


def _simulator(spec: TaskSpec, name: str) -> OtherSimulator:
    if not spec.simulators:
        raise RoboTSError(
            "a task whose policies another simulator can fly", spec.name, "quadrotor has one"
        )
    if name not in spec.simulators:
        hint = did_you_mean(name, spec.simulators)
        raise RoboTSError(f"another simulator of {spec.name}", repr(name), hint)
    return spec.simulators[name]


def _here(
    spec: TaskSpec, other: OtherSimulator, robot: str, actor: Actor, episodes: int, seed: int
) -> dict[str, Any]:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        config = with_changes(spec.config(), other.same_here(robot, Path(folder)))

        def make(num: int, world_seed: int) -> Any:
            return spec.build(config, num, EngineConfig(), world_seed)

        flown = run_episodes(actor, make, episodes, episodes, derive(seed, "transfer", robot))
    report = _summary(spec, flown.metrics)
    return report | {"seconds": time.monotonic() - begun}


def _summary(spec: TaskSpec, metrics: Mapping[str, Tensor]) -> dict[str, Any]:
    report: dict[str, Any] = {
        name: proportion(metrics[name]) for name in ("success", *spec.outcomes) if name in metrics
    }
    if spec.error_metric in metrics:
        errors = metrics[spec.error_metric].float()
        finite = errors[torch.isfinite(errors)].tolist()
        report[spec.error_metric] = {
            **centre(errors),
            "median_ci95": list(median_interval(finite)),
            "mean_ci95": list(mean_interval(finite)),
            "episodes": len(finite),
        }
    return report


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def show(figures: dict[str, Any]) -> None:
    """Print what :func:`transfer` found: one line per robot, policy and simulator."""
    simulator = figures["simulator"]["name"]
    spread = f", parameters within {figures['spread']:.0%}" if figures["spread"] else ""
    table = Table(title=f"{figures['task']} in {simulator}, {figures['episodes']} flights{spread}")
    for column in ("robot", "policy", "in"):
        table.add_column(column)
    for column in ("success", "within limits", "survived", "error median", "error mean"):
        table.add_column(column, justify="right")
    for robot, places in figures["robots"].items():
        for label in places["there"]:
            for place, name in (("there", simulator), ("here", "MuJoCo")):
                table.add_row(robot, label, name, *_cells(places[place][label]))
    console = Console()
    console.width = max(console.width, 120)
    console.print(table)


def _cells(report: Mapping[str, Any]) -> list[str]:
    cells = []
    for name in ("success", "within_limits", "survived"):
        low, high = report[name]["ci95"]
        cells.append(f"{report[name]['mean']:.1%} ({100 * low:.1f} to {100 * high:.1f})")
    error = report["position_error_m"]
    for kind in ("median", "mean"):
        low, high = error[f"{kind}_ci95"]
        cells.append(f"{100 * error[kind]:.2f} ({100 * low:.2f} to {100 * high:.2f}) cm")
    return cells
