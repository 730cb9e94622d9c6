"""Contract 3: on the CPU, rollouts are bit-identical for any number of threads."""

from __future__ import annotations

import torch

from robo_ts.env import make_env
from robo_ts.sim import EngineConfig

N, STEPS = 37, 60  # not a multiple of any thread count


def rollout(threads: int) -> dict[str, torch.Tensor]:
    env = make_env("quadrotor", N, engine=EngineConfig(threads=threads), seed=5)
    generator = torch.Generator().manual_seed(0)
    kept: dict[str, list[torch.Tensor]] = {"reward": [], "done": [], "state": []}
    for _ in range(STEPS):
        step = env.step(2.0 * torch.rand(N, 4, generator=generator) - 1.0)
        kept["reward"].append(step.reward)
        kept["done"].append(step.done)
        kept["state"].append(env.sim.state_dict()["state"])  # float64, all of it
        for name in env.spec:
            kept.setdefault(name, []).append(step.obs[name])
    env.close()
    return {name: torch.stack(values) for name, values in kept.items()}


def test_rollouts_are_bit_identical_for_one_two_and_three_threads() -> None:
    one = rollout(1)
    assert one["done"].sum() >= N  # autoresets are part of it
    for threads in (2, 3):
        other = rollout(threads)
        for name, values in one.items():
            assert torch.equal(values, other[name]), (threads, name)
