"""The worlds of a run: as policies are measured in, as they are trained in, and with gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from robo_ts.env import TaskEnv, get_task
from robo_ts.env.differentiable import DifferentiableEnv
from robo_ts.env.pool import pool_size, with_pool_of
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.pipeline.config import Run
from robo_ts.policies import Policy, PolicyBundle, PopulationPolicy
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig


def env_maker(
    run: Run,
    training: bool,
    rollout: bool = False,
    pooled: bool = False,
    tuning: bool = False,
    engine: EngineConfig | None = None,
) -> Callable[[int, int], TaskEnv]:
    """``(num_envs, seed) -> env``, of the task as measured or as trained on.

    Args:
        run: its settings.
        training: as trained on.
        rollout: on the engine students are distilled on.
        pooled: as measured, but with the pool of robots that is trained on; a population knows no
            others.
        tuning: with ``training``, as trained on while fine-tuning.
        engine: another than the run's.
    """
    spec, engine = get_task(run.task), engine or run.config.engine
    trained = run.tuning_task if tuning else run.training_task
    config = trained if training else run.config.task
    if pooled:
        config = with_pool_of(spec, config, run.training_task)
    if rollout and run.config.rollout_engine:
        engine = replace(engine, name=run.config.rollout_engine)

    def make(num_envs: int, seed: int) -> TaskEnv:
        return spec.build(config, num_envs, engine, seed)

    return make


def differentiable(
    run: Run,
    task: Any,
    num_envs: int,
    *purpose: str | int,
    members: Sequence[int] | None = None,
) -> DifferentiableEnv:
    """Worlds with gradients.

    Args:
        run: its settings.
        task: the task's.
        num_envs: worlds; with a pool those of all its robots.
        purpose: what they are for; their chance depends on it.
        members: the pool's robots whose worlds are wanted; all of them when left out.

    Raises:
        RoboTSError: when the task has none.
    """
    build = get_task(run.task).differentiable
    if build is None:
        raise RoboTSError(
            "a task whose physics can be differentiated, for apg",
            run.task,
            "use method=ppo and finetune=none or finetune=reward",
        )
    device = run.config.engine.resolved_device()
    seed = derive(run.config.seed, *purpose)
    if members is None:
        return build(task, num_envs, seed, device)
    return build(task, num_envs, seed, device, members=members)


def is_population(policy: Policy) -> bool:
    """Whether a policy acts only on the robots of a pool."""
    return isinstance(policy, PopulationPolicy)


def training_pool(run: Run) -> dict[str, Any]:
    """What decides the pool that is trained on, as plain data; empty where there is none."""
    spec, task = get_task(run.task), run.training_task
    return asdict(getattr(task, spec.pool)) if pool_size(spec, task) else {}


def check_pool(run: Run, bundle: PolicyBundle) -> None:
    """Refuse a population that was trained on another pool than the run's.

    Raises:
        BundleError: naming what differs.
    """
    if not isinstance(bundle.policy, PopulationPolicy):
        return
    spec, now = get_task(run.task), training_pool(run)
    if not now:
        raise BundleError(
            f"the pool of {bundle.policy.members} robots that the population was trained on",
            "a run without a pool",
            f"set training.{spec.pool or 'robots'}.pool={bundle.policy.members} and whatever else "
            "that run was told about its robots",
        )
    kept = bundle.lineage.get("pool", {})
    other = sorted(name for name in {*now, *kept} if now.get(name) != kept.get(name))
    if other:
        raise BundleError(
            f"training.{spec.pool} as the population was trained with: "
            f"{', '.join(f'{name}={kept.get(name)}' for name in other)}",
            ", ".join(f"{name}={now.get(name)}" for name in other),
            "set them alike; its members know these robots only",
        )
