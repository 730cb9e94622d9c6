"""A task whose physics are formulas: steps with observations, without gradients, on one core."""

from __future__ import annotations

import statistics
from typing import Any

import torch

from robo_ts.bench.sim import steps_per_second
from robo_ts.env import get_task
from robo_ts.sim import EngineConfig

# Enough for compiled code to be compared between machines; more no longer fits a core's cache.
NUM_ENVS = 1024


def run_formulas(
    task: str, seed: int = 0, seconds: float = 5.0, num_envs: int = NUM_ENVS
) -> dict[str, Any] | None:
    """Steps of one world per second with the observations of each; None for other tasks.

    Args:
        task: a name of :func:`robo_ts.env.list_tasks`.
        seed: of the worlds.
        seconds: measured time, in twenty rounds, of which the median counts.
        num_envs: number of worlds.
    """
    spec = get_task(task)
    if spec.differentiable is None:
        return None
    threads, device = torch.get_num_threads(), EngineConfig().resolved_device()
    torch.set_num_threads(1)
    try:
        env = spec.differentiable(spec.config(), num_envs, seed, device)
        action = torch.zeros(env.num_actions, num_envs, device=device)
        start = env.state_dict()
        env.fly(action)  # compiles
        stepper = (lambda: env.fly(action), lambda: env.load_state_dict(start))
        rates = []
        for _ in range(20):
            rates.append(num_envs * steps_per_second(stepper, seconds / 20.0, env.device))
    finally:
        torch.set_num_threads(threads)
    return {
        "num_envs": num_envs,
        "torch_threads": 1,
        "rate": statistics.median(rates),
        "rounds": rates,
    }
