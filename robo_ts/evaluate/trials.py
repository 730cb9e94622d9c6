"""Policies side by side in the same worlds, trial by trial."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from robo_ts.env import TaskSpec
from robo_ts.env.trials import Trial
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.evaluate.actors import Actor
from robo_ts.evaluate.protocol import Episodes, run_episodes
from robo_ts.evaluate.report import summarise, summarise_for
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig


def choose_trials(spec: TaskSpec, words: Sequence[str]) -> dict[str, Trial]:
    """The trials of a task whose name or group is among ``words``; all for no words.

    Raises:
        RoboTSError: for a task without trials and for unknown words.
    """
    if spec.trials is None:
        raise RoboTSError("a task with trials", spec.name, "use 'robo-ts evaluate'")
    every = spec.trials()
    known = [*dict.fromkeys(t.group for t in every.values()), *every]
    for word in words:
        if word not in known:
            raise RoboTSError("a trial or a group of trials", repr(word), did_you_mean(word, known))
    return {n: t for n, t in every.items() if not words or n in words or t.group in words}


def run_trials(
    spec: TaskSpec,
    config: Any,
    actors: Mapping[str, Actor],
    trials: Mapping[str, Trial],
    engine: EngineConfig | None = None,
    seed: int = 0,
    num_envs: int = 1024,
    progress: Callable[[int], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Every actor in every trial; the i-th episode of a trial is the same world for all actors.

    Args:
        spec: the task.
        config: its settings, which the trials change.
        actors: who acts, by name.
        trials: the conditions, by name.
        engine: what steps the worlds; where that is not MuJoCo, MuJoCo steps them too, and its
            figures stand beside as ``LABEL in MuJoCo``.
        seed: of the worlds.
        num_envs: worlds at once.
        progress: called with the number of episodes each finished batch added.

    Returns:
        Per trial ``group``, ``text``, and per actor what :func:`summarise` says of all episodes,
        with ``repeats`` (a few numbers of each) and ``seconds``.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, trial in trials.items():
        changed, rows = with_changes(config, trial.changes), {}
        seeds = [derive(seed, "trial", name, repeat) for repeat in range(trial.repeats)]
        for suffix, stepped in _engines(engine or EngineConfig()).items():

            def make(num: int, world_seed: int, changed: Any = changed, on: Any = stepped) -> Any:
                return spec.build(changed, num, on, world_seed)

            for label, actor in actors.items():
                begun = time.monotonic()
                parts = [
                    run_episodes(actor, make, trial.episodes, num_envs, world_seed, progress)
                    for world_seed in seeds
                ]
                report = summarise_for(spec, Episodes.joined(parts), trial.bins)
                report["repeats"] = [_brief(summarise(p, None, spec.outcomes)) for p in parts]
                report["seconds"] = time.monotonic() - begun
                rows[label + suffix] = report
        found[name] = {"group": trial.group, "text": trial.text, "policies": rows}
    return found


def count_episodes(
    trials: Mapping[str, Trial], actors: Mapping[str, Actor], engine: EngineConfig
) -> int:
    """How many :func:`run_trials` will run."""
    each = sum(trial.episodes * trial.repeats for trial in trials.values())
    return each * len(actors) * len(_engines(engine))


def _engines(engine: EngineConfig) -> dict[str, EngineConfig]:
    """What steps the worlds, and MuJoCo beside what is not; by what is added to an actor's name."""
    mujoco = engine.mujoco_beside()
    return {"": engine, **({" in MuJoCo": mujoco} if mujoco else {})}


def with_changes(config: Any, changes: Mapping[str, Any]) -> Any:
    """A dataclass of settings with some of them changed, and checked anew."""
    node = OmegaConf.merge(OmegaConf.structured(config), OmegaConf.create(dict(changes)))
    return OmegaConf.to_object(node)


def _brief(report: dict[str, Any]) -> dict[str, float]:
    """The numbers of a repeat: means of proportions, medians and means of the rest."""
    brief = {}
    for name, value in report.items():
        if isinstance(value, dict) and "ci95" in value:
            brief[name] = value["mean"]
        elif isinstance(value, dict) and set(value) == {"median", "mean"}:
            brief |= {f"{name}_{kind}": number for kind, number in value.items()}
    return brief
