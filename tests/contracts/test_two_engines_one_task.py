"""Contract 2: the quadrotor is the same task on mujoco.batch and on mujoco_warp."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from robo_ts.env import TaskEnv, make_env
from robo_ts.envs.quadrotor.model import EXPANDED_FIELDS
from robo_ts.sim import EngineConfig

N, STEPS, SEED = 16, 100, 3

# What may differ, absolutely. The CPU engine computes in float64 and is read as float32; warp
# computes in float32, where numbers of size x lie 1.2e-7 x apart. Speeds reach 2 m/s and 35 rad/s,
# so one operation on them is off by up to 4e-6 rad/s; errors add up like a random walk over an
# episode's hundred steps (x 10). The figures leave room for a few such operations per step; about
# a tenth of each was measured.
TOLERANCES = {
    "qpos": 1e-5,  # m and quaternion
    "qvel": 2e-4,  # m/s and rad/s
    "proprioception": 2e-4,
    "true readings": 2e-4,
    "privileged": 0.0,  # the rest of the group never leaves torch
    "reward": 2e-5,
}
# The same over one step from an identical state.
ONE_STEP = {"qpos": 1e-6, "qvel": 2e-5}


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[TaskEnv, TaskEnv]]:
    cpu = make_env("quadrotor", N, engine=EngineConfig("cpu", threads=1), seed=SEED)
    warp = make_env("quadrotor", N, engine=EngineConfig("warp", device="cpu"), seed=SEED)
    yield cpu, warp
    cpu.close()
    warp.close()


def hover_and_noise(env: TaskEnv, generator: torch.Generator) -> Tensor:
    """Enough to live for a while and to crash now and then."""
    hover = env.observe()["privileged"][:, env.spec["privileged"].slices()["hover_action"]]
    return hover + 0.1 * torch.randn(env.num_envs, 4, generator=generator)


def test_episodes_start_alike(engines: tuple[TaskEnv, TaskEnv]) -> None:
    one, two = (env.reset(seed=SEED) for env in engines)
    for name in engines[0].spec:
        assert torch.equal(one[name], two[name])


def test_the_same_actions_give_the_same_episodes(engines: tuple[TaskEnv, TaskEnv]) -> None:
    cpu, warp = engines
    for env in engines:
        env.reset(seed=SEED)
    generator = torch.Generator().manual_seed(0)
    worst = dict.fromkeys(TOLERANCES, 0.0)
    ended = 0
    for _ in range(STEPS):
        action = hover_and_noise(cpu, generator)
        one, two = cpu.step(action), warp.step(action)
        assert torch.equal(one.terminated, two.terminated)
        assert torch.equal(one.truncated, two.truncated)
        found = {name: (one.obs[name], two.obs[name]) for name in cpu.spec}
        inside, readings = found.pop("privileged"), cpu.spec["privileged"].slices()["rotor_speed"]
        found["true readings"] = tuple(x[:, : readings.start] for x in inside)
        found["privileged"] = tuple(x[:, readings.start :] for x in inside)
        found |= {name: (cpu.sim.read(name), warp.sim.read(name)) for name in ("qpos", "qvel")}
        found["reward"] = (one.reward, two.reward)
        for name, (a, b) in found.items():
            worst[name] = max(worst[name], float((a - b).abs().max()))
        if len(one.info["final_ids"]):
            assert torch.equal(one.info["final_ids"], two.info["final_ids"])
            for name in ("success", "success_ever", "failure"):
                assert torch.equal(one.info["episode"][name], two.info["episode"][name])
        ended += len(one.info["final_ids"])
    assert ended >= N  # else autoreset was hardly compared
    assert all(worst[name] <= limit for name, limit in TOLERANCES.items()), worst


def test_one_step_from_the_same_state_differs_by_rounding_only(
    engines: tuple[TaskEnv, TaskEnv],
) -> None:
    cpu, warp = engines
    cpu.reset(seed=SEED + 1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        cpu.step(hover_and_noise(cpu, generator))
        for name in (*EXPANDED_FIELDS, "qpos", "qvel", "ctrl", "qfrc_applied"):
            warp.sim.write(name, cpu.sim.read(name))
            if name in ("qpos", "qvel"):  # rounded alike
                cpu.sim.write(name, warp.sim.read(name))
        warp.sim.set_const()
        cpu.sim.step(1)
        warp.sim.step(1)
        for name, limit in ONE_STEP.items():
            assert float((cpu.sim.read(name) - warp.sim.read(name)).abs().max()) <= limit
