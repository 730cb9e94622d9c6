"""Which tasks exist and how to build one.

A task is a folder under ``envs/``, or under a folder of tasks there, that has a ``task.py`` and
whose ``__init__`` defines ``TASK``, a :class:`TaskSpec`. Other packages add tasks through the
entry-point group ``robo_ts.tasks``, in their ``pyproject.toml``::

    [project.entry-points."robo_ts.tasks"]
    juggling = "their_package.juggling:TASK"
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.differentiable import DifferentiableEnv
from robo_ts.env.transfer import OtherSimulator
from robo_ts.env.trials import Trial
from robo_ts.env.viewing import ViewSpec
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim import EngineConfig, check_num_envs
from robo_ts.tasks import foreign_tasks, gym_id, task_folders


@dataclass(frozen=True)
class TaskSpec:
    """What the registry knows of a task.

    Attributes:
        name: the word users type.
        description: one line for ``robo-ts list``.
        config: dataclass with the task's settings.
        build: ``(config, num_envs, engine, seed) -> TaskEnv``.
        obs_groups: which groups each learner reads: ``actor``, ``critic``, ``teacher``,
            ``student``.
        bins: edges per metric of ``evaluate()``, in which success is reported apart.
        curves: thresholds per metric of ``evaluate()``; the share of episodes that stay below each
            is reported.
        classes: names of the classes that a whole-number metric of ``evaluate()`` counts; success
            is reported for each.
        plain_action: ``(env, obs) -> action`` with which worlds live for a while untrained, for
            benchmarks; zeros when left out.
        differentiable: ``(config, num_envs, seed, device) -> DifferentiableEnv``, where the task's
            physics are formulas; None where they are not. With a pool also ``members=``: the worlds
            of some of its robots, exactly as they are among the worlds of all.
        pool: name of the settings that declare a pool of robots in their field ``pool`` (see
            :mod:`robo_ts.env.pool`); empty where there is none.
        outcomes: boolean metrics of ``evaluate()`` that are results beside success.
        trials: the conditions its policies are compared under, by name; None where there are none.
        view: how it is shown to people; found from its model where left out.
        config_dir: for a task outside this package, its Hydra groups: ``recipe/<task>/*.yaml``
            and, where wanted, ``task/<task>.yaml``.
        perfect_sensors: changes to the settings with which sensors neither err nor lag; empty for
            a task whose sensors never do.
        resting_terms: observation terms that some settings leave constant, so that one network fits
            them all: a place for a teammate where there is none. As ``group.term``, ``*`` stands
            for anything.
        cameras: changes to the settings with which the worlds have cameras; empty for a task that
            always has them, or never.
        error_metric: the float metric of ``evaluate()`` that says how far off a policy is, smaller
            being better; empty where there is none.
        simulators: other people's, by name, that its policies can be flown in.
    """

    name: str
    description: str
    config: type
    build: Callable[[Any, int, EngineConfig, int], TaskEnv]
    obs_groups: dict[str, list[str]] = field(default_factory=dict)
    bins: dict[str, list[float]] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    plain_action: Callable[[Any, TensorDict], Tensor] | None = None
    differentiable: Callable[..., DifferentiableEnv] | None = None
    pool: str = ""
    outcomes: tuple[str, ...] = ()
    trials: Callable[[], dict[str, Trial]] | None = None
    view: Callable[[], ViewSpec] | None = None
    config_dir: Path | None = None
    perfect_sensors: dict[str, Any] = field(default_factory=dict)
    resting_terms: tuple[str, ...] = ()
    cameras: dict[str, Any] = field(default_factory=dict)
    error_metric: str = ""
    simulators: dict[str, OtherSimulator] = field(default_factory=dict)

    @property
    def gym_id(self) -> str:
        """The task's gymnasium id."""
        return gym_id(self.name)


def list_tasks() -> list[str]:
    """Names of all tasks that can be built, own ones and those of installed packages."""
    return sorted(set(task_folders()) | set(foreign_tasks()))


def get_task(name: str) -> TaskSpec:
    """The task called ``name``.

    Raises:
        RoboTSError: when there is none.
    """
    own = task_folders()
    if name in own:
        return importlib.import_module(f"robo_ts.envs.{own[name]}").TASK
    foreign = foreign_tasks()
    if name in foreign:
        return foreign[name].load()
    raise RoboTSError("the name of a task", repr(name), did_you_mean(name, list_tasks()))


def make_env(
    name: str,
    num_envs: int,
    config: Any = None,
    engine: EngineConfig | str | None = None,
    seed: int = 0,
) -> TaskEnv:
    """Build ``num_envs`` worlds of a task and reset them.

    Args:
        name: a name of :func:`list_tasks`.
        num_envs: number of worlds.
        config: the task's config dataclass; its defaults when left out.
        engine: the engine or its name; the CPU when left out.
        seed: seed of the environment's generators.

    Raises:
        RoboTSError: for an unknown task or engine, a config of another task, or no whole number of
            worlds.
    """
    task = get_task(name)
    num_envs = check_num_envs(num_envs)
    engine = EngineConfig(name=engine) if isinstance(engine, str) else engine or EngineConfig()
    if not isinstance(engine, EngineConfig):
        raise RoboTSError(
            "an EngineConfig or an engine's name",
            type(engine).__name__,
            "build one with robo_ts.sim.EngineConfig(...)",
        )
    config = config if config is not None else task.config()
    if not isinstance(config, task.config):
        raise RoboTSError(
            f"a config of type {task.config.__name__}",
            type(config).__name__,
            f"build one with {task.config.__module__}.{task.config.__name__}(...)",
        )
    env = task.build(config, num_envs, engine, seed)
    env.reset()
    return env
