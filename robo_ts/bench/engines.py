"""A task on every engine there is, as the formulas are measured: so many worlds, one thread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import torch

from robo_ts.bench.env import EnvStepper
from robo_ts.bench.formulas import NUM_ENVS
from robo_ts.bench.sim import steps_per_second
from robo_ts.env import get_task, make_env
from robo_ts.sim import EngineConfig

_ROUNDS = 10


def run_engines(
    task: str,
    names: Sequence[str],
    seed: int = 0,
    seconds: float = 5.0,
    num_envs: int = NUM_ENVS,
) -> dict[str, dict[str, Any]]:
    """Whole control steps of one world per second: action, physics, reward, observation, resets.

    Args:
        task: a name of :func:`robo_ts.env.list_tasks`.
        names: engines, each on the device it chooses itself.
        seed: of the worlds.
        seconds: measured time per engine, over all rounds, of which the median counts.
        num_envs: number of worlds.

    Returns:
        Per engine ``rate``, ``num_envs``, ``device``, ``threads`` and every round's rate.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {name: _one(task, name, seed, seconds, num_envs) for name in names}
    finally:
        torch.set_num_threads(threads)


def _one(task: str, name: str, seed: int, seconds: float, num_envs: int) -> dict[str, Any]:
    env = make_env(task, num_envs, engine=EngineConfig(name=name, threads=1), seed=seed)
    try:
        env.scatter_episode_steps()
        stepper = EnvStepper(env, get_task(task).plain_action)
        stepper.step()  # compiles
        once = (stepper.step, lambda: None)
        share = seconds / _ROUNDS
        rates = [num_envs * steps_per_second(once, share, env.device) for _ in range(_ROUNDS)]
        return {
            "rate": statistics.median(rates),
            "num_envs": num_envs,
            "device": str(env.device),
            "threads": 1,
            "rounds": rates,
        }
    finally:
        env.close()
