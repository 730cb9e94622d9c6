"""Two environments that shall play the same game, step by step; both are closed at the end."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from robo_ts.envs.soccer import Soccer


def random_actions(env: Soccer) -> Callable[[], Tensor]:
    """Draws actions in [-1, 1] for every row of ``env``; the same ones in every test."""
    generator = torch.Generator().manual_seed(0)
    return lambda: 2.0 * torch.rand(env.num_envs, env.num_actions, generator=generator) - 1.0


def assert_bit_identical(one: Soccer, two: Soccer, steps: int) -> None:
    """Rewards, observations and positions are equal to the last bit under random actions."""
    draw = random_actions(one)
    for _ in range(steps):
        action = draw()
        a, b = one.step(action), two.step(action)
        assert torch.equal(a.reward, b.reward)
        assert all(torch.equal(a.obs[name], b.obs[name]) for name in one.spec)
    assert torch.equal(one.sim.read("qpos"), two.sim.read("qpos"))
    one.close()
    two.close()


def assert_engines_agree(
    cpu: Soccer, warp: Soccer, draw: Callable[[], Tensor], tolerance: float
) -> None:
    """Four control steps, each from the same state, differ by rounding.

    Args:
        cpu: on one engine.
        warp: on the other.
        draw: gives the next actions.
        tolerance: of observations; m, m/s, rad/s and more.
    """
    for _ in range(4):
        action = draw()
        one, two = cpu.step(action), warp.step(action)
        for name in cpu.spec:
            assert torch.allclose(one.obs[name], two.obs[name], atol=tolerance), name
        assert torch.allclose(one.reward, two.reward, atol=1e-3)
        for field in ("qpos", "qvel"):
            warp.sim.write(field, cpu.sim.read(field))
        warp.qpos, warp.qvel = cpu.qpos.clone(), cpu.qvel.clone()
    cpu.close()
    warp.close()
