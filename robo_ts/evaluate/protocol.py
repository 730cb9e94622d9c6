"""Whole episodes from given seeds: one per world, so that policies can be compared pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.evaluate.actors import Actor
from robo_ts.seeds import derive


@dataclass
class Episodes:
    """What happened, one row per episode, on the CPU.

    Attributes:
        metrics: the task's ``evaluate()`` at each episode's end, ``(episodes,)`` each.
        length: control steps, ``(episodes,)``.
        reward: sum of rewards, ``(episodes,)``.
        failure_names: names of the task's failure classes.
    """

    metrics: dict[str, Tensor]
    length: Tensor
    reward: Tensor
    failure_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.length)

    @classmethod
    def joined(cls, parts: Sequence[Episodes]) -> Episodes:
        """Several, one after the other."""
        return cls(
            {k: torch.cat([p.metrics[k] for p in parts]) for k in parts[0].metrics},
            torch.cat([p.length for p in parts]),
            torch.cat([p.reward for p in parts]),
            parts[0].failure_names,
        )


def run_episodes(
    actor: Actor,
    make_env: Callable[[int, int], TaskEnv],
    episodes: int,
    num_envs: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Episodes:
    """Run ``episodes`` whole episodes.

    The i-th episode begins in the same world (robot, start, disturbance, reference noise) for every
    actor that is run with the same ``seed``, ``episodes`` and ``num_envs``: each batch of worlds is
    reset once from a seed of its own, and only the first episode of each world counts.

    Args:
        actor: who acts.
        make_env: ``(num_envs, seed) -> TaskEnv``.
        episodes: how many.
        num_envs: worlds at once.
        seed: the batches derive theirs from it.
        progress: called with the number of episodes each finished batch added.
    """
    batches = []
    first = 0
    while first < episodes:
        count = min(num_envs, episodes - first)
        batch_seed = derive(seed, "batch", len(batches))
        env = make_env(count, batch_seed)
        try:
            batches.append(_run_batch(actor, env, batch_seed))
        finally:
            env.close()
        first += count
        if progress:
            progress(count)
    return Episodes.joined(batches)


@torch.no_grad()
def _run_batch(actor: Actor, env: TaskEnv, seed: int) -> Episodes:
    num, device = env.num_envs, env.device
    groups = getattr(actor, "groups", None)
    if groups is not None:
        env.narrow(groups)
    obs = env.reset(seed=seed)
    actor.begin(num)
    running = torch.ones(num, dtype=torch.bool, device=device)
    length = torch.zeros(num, dtype=torch.long, device=device)
    reward = torch.zeros(num, device=device)
    metrics = {k: torch.zeros_like(v) for k, v in env.evaluate().items()}
    for _ in range(env.max_episode_steps):
        step = env.step(actor.act(obs))
        obs = step.obs
        reward += step.reward * running
        length += running
        ids = step.info["final_ids"]
        if ids.numel():
            first = running[ids]
            for name, value in step.info["episode"].items():
                metrics[name][ids[first]] = value[first]
            running[ids] = False
            actor.clear(step.done)
        if not bool(running.any()):
            break
    return Episodes(
        {k: v.cpu() for k, v in metrics.items()}, length.cpu(), reward.cpu(), env.failure_names
    )
