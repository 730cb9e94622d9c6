"""The reacher needs velocities: that is what it is for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from robo_ts.env import make_env
from robo_ts.envs.benchmarks.reacher import ReacherConfig
from robo_ts.envs.benchmarks.reacher.teacher import Gains, act
from robo_ts.evaluate.protocol import Episodes
from robo_ts.sim import EngineConfig

Fly = Callable[..., Episodes]


def test_the_teacher_reaches_the_target_and_stays(fly: Fly) -> None:
    assert float(fly("reacher", act).metrics["success"].float().mean()) > 0.92


@pytest.mark.parametrize("share", [1.0, 0.3, 0.1])
def test_a_controller_without_velocities_swings_about_the_target(share: float, fly: Fly) -> None:
    gains = Gains(stiffness=(2.0 * share, 2.0 * share), damping=(0.0, 0.0))
    episodes = fly("reacher", lambda obs: act(obs, gains))
    assert float(episodes.metrics["success"].float().mean()) < 0.2


def test_success_is_the_mean_distance_over_the_last_steps(engine: EngineConfig) -> None:
    env = make_env("reacher", 64, ReacherConfig(episode_steps=30, late_steps=5), engine)
    distances, step = [], None
    for _ in range(30):
        step = env.step(act(env.observe()))
        seen = step.info["final_obs"] if step.done.any() else step.obs
        distances.append(seen["proprioception"][:, 4:6].norm(dim=1))
    assert step is not None and step.truncated.all()
    late = torch.stack(distances[-5:]).mean(dim=0)
    assert torch.allclose(step.info["episode"]["late_distance_m"], late, atol=1e-6)
    assert torch.equal(step.info["episode"]["success"], late < 0.02)
    env.close()


def test_full_torque_all_the_time_keeps_the_simulation_finite(engine: EngineConfig) -> None:
    env = make_env("reacher", 64, ReacherConfig(episode_steps=1000), engine)
    action = torch.where(torch.rand(64, 2, generator=torch.Generator().manual_seed(0)) < 0.5, -1, 1)
    for _ in range(300):
        env.step(action.float())
    assert env.sim.read("qvel").abs().max() < 100.0
    env.close()
