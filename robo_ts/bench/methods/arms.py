"""Arms of a method comparison: several seeds each, measured alike, summed up alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import TaskEnv, get_task, make_env
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.evaluate import run_episodes
from robo_ts.evaluate.actors import Actor, PolicyActor
from robo_ts.evaluate.statistics import bootstrap_interval, iqm
from robo_ts.lineage import commit, hardware, versions
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig

ENGINE = EngineConfig(threads=1)
# (seed) -> success of that arm, and whatever else it measured
Arm = Callable[[int], dict[str, float]]


class FunctionActor:
    """A scripted controller that acts.

    Args:
        function: observation groups to actions.
    """

    def __init__(self, function: Callable[[TensorDict], Tensor]) -> None:
        self.function = function

    def begin(self, num: int) -> None: ...

    def act(self, obs: TensorDict) -> Tensor:
        return self.function(obs).clamp(-1.0, 1.0)

    def clear(self, done: Tensor) -> None: ...


def worlds(task: str, num_envs: int, seed: int, config: Any = None) -> RslRlEnv:
    """Worlds to learn in, at random points of their episodes."""
    env = make_env(task, num_envs, config, ENGINE, derive(seed, "learn"))
    env.scatter_episode_steps()
    return RslRlEnv(env)


def student_of(task: str, seed: int, env: TaskEnv, **settings: Any) -> Policy:
    """A fresh student of a task, the same for every arm with this seed."""
    torch.manual_seed(derive(seed, "student"))
    groups = get_task(task).obs_groups["student"]
    return Policy(PolicyConfig(**settings), env.spec.select(groups), env.num_actions)


def success(
    task: str, actor: Actor | Policy, seed: int, episodes: int, config: Any = None
) -> float:
    """Share of unseen episodes that succeed; the same episodes for every arm with this seed."""
    spec = get_task(task)

    def make(num_envs: int, world_seed: int) -> TaskEnv:
        return spec.build(config or spec.config(), num_envs, ENGINE, world_seed)

    chosen = PolicyActor(actor) if isinstance(actor, Policy) else actor
    found = run_episodes(chosen, make, episodes, episodes, derive(seed, "measure"))
    return float(found.metrics["success"].float().mean())


def compare(arms: dict[str, Arm], seeds: Sequence[int], settings: dict[str, Any]) -> dict[str, Any]:
    """Run every arm with every seed.

    Returns:
        Plain data: per arm each seed's ``success``, their interquartile mean, its 95% bootstrap
        interval and the seconds taken; the settings; hardware, versions and commit.
    """
    found: dict[str, Any] = {}
    for name, arm in arms.items():
        began = time.perf_counter()
        rows: list[dict[str, float]] = []
        for seed in seeds:
            rows.append(arm(seed))
            print(f"{name}, seed {seed}: {rows[-1]}", file=sys.stderr, flush=True)
        values = [row["success"] for row in rows]
        found[name] = {
            "success": iqm(values),
            "ci95": list(bootstrap_interval(values)),
            "seeds": rows,
            "seconds_per_seed": (time.perf_counter() - began) / len(rows),
        }
    return {
        "settings": settings,
        "seeds": list(seeds),
        "arms": found,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }
