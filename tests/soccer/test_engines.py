"""The soccer task is the same on both engines, and for any number of threads."""

from __future__ import annotations

import pytest
import torch

from robo_ts.env import make_env
from robo_ts.envs.soccer import Soccer, SoccerConfig
from robo_ts.sim import EngineConfig


def match(engine: EngineConfig, num_envs: int) -> Soccer:
    env = make_env("soccer", num_envs, SoccerConfig(opponents=["chaser", "random"]), engine, 3)
    assert isinstance(env, Soccer)
    return env


def test_matches_are_bit_identical_for_one_and_three_threads() -> None:
    one, three = (match(EngineConfig(threads=n), 7) for n in (1, 3))
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        action = 2.0 * torch.rand(7, 5, generator=generator) - 1.0
        a, b = one.step(action), three.step(action)
        assert torch.equal(a.reward, b.reward)
        assert all(torch.equal(a.obs[name], b.obs[name]) for name in one.spec)
    assert torch.equal(one.sim.read("qpos"), three.sim.read("qpos"))
    one.close()
    three.close()


@pytest.mark.slow
def test_a_control_step_on_the_other_engine_differs_by_rounding() -> None:
    """Slow, because the other engine compiles its kernels first."""
    cpu = match(EngineConfig(threads=1), 4)
    warp = match(EngineConfig("warp", device="cpu"), 4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        action = 2.0 * torch.rand(4, 5, generator=generator) - 1.0
        one, two = cpu.step(action), warp.step(action)
        # m, m/s, rad/s and more; a control step has five steps with contacts.
        for name in cpu.spec:
            assert torch.allclose(one.obs[name], two.obs[name], atol=2e-3), name
        assert torch.allclose(one.reward, two.reward, atol=1e-3)
        for field in ("qpos", "qvel"):  # on from the same state
            warp.sim.write(field, cpu.sim.read(field))
        warp.qpos, warp.qvel = cpu.qpos.clone(), cpu.qvel.clone()
    cpu.close()
    warp.close()
