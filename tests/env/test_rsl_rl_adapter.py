"""The environment as rsl_rl sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rsl_rl.runners import OnPolicyRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from robo_ts.env import TaskEnv, get_task
from robo_ts.env.adapters.rsl_rl import RslRlEnv

MakeEnv = Callable[..., TaskEnv]


def ppo_settings() -> dict[str, Any]:
    sets = get_task("quadrotor").obs_groups
    network = {"class_name": "MLPModel", "hidden_dims": [8], "activation": "elu"}
    distribution = {"class_name": "GaussianDistribution", "init_std": 0.5, "std_type": "log"}
    return {
        "num_steps_per_env": 12,
        "save_interval": 100,
        "obs_groups": {"actor": sets["actor"], "critic": sets["critic"]},
        "actor": {**network, "distribution_cfg": distribution},
        "critic": dict(network),
        "algorithm": {
            "class_name": "PPO",
            "num_learning_epochs": 1,
            "num_mini_batches": 2,
            "schedule": "fixed",
            "rnd_cfg": None,
            "symmetry_cfg": None,
        },
    }


def test_the_adapter_tells_what_rsl_rl_asks_for(make_quadrotor: MakeEnv) -> None:
    env = RslRlEnv(make_quadrotor())
    assert (env.num_envs, env.num_actions, env.max_episode_length) == (4, 4, 8)
    assert env.get_observations().batch_size == torch.Size([4])
    assert env.cfg["task"] == "quadrotor"


def test_dones_are_both_kinds_of_ends_and_time_outs_only_the_limit(make_quadrotor: MakeEnv) -> None:
    env, plain = RslRlEnv(make_quadrotor()), make_quadrotor()
    for _ in range(10):
        obs, reward, dones, extras = env.step(torch.zeros(4, 4))
        step = plain.step(torch.zeros(4, 4))
        assert dones.dtype == torch.long
        assert torch.equal(dones.bool(), step.done)
        assert torch.equal(extras["time_outs"], step.truncated)
        assert torch.equal(reward, step.reward)
        assert torch.equal(obs["privileged"], step.obs["privileged"])
        assert ("episode" in extras) == bool(dones.any())


def test_episode_lengths_can_be_read_and_set(make_quadrotor: MakeEnv) -> None:
    env = RslRlEnv(make_quadrotor())
    lengths = torch.tensor([0, 7, 3, 0])
    env.episode_length_buf = lengths
    extras = env.step(torch.zeros(4, 4))[3]
    assert extras["time_outs"].tolist() == [False, True, False, False]
    assert env.episode_length_buf.tolist() == [1, 0, 4, 1]
    assert lengths.tolist() == [0, 7, 3, 0]


def test_rsl_rls_own_runner_trains_and_the_environment_lives_on(make_quadrotor: MakeEnv) -> None:
    torch.manual_seed(0)
    env = make_quadrotor(num_envs=8)
    runner = OnPolicyRunner(RslRlEnv(env), ppo_settings(), log_dir=None, device="cpu")
    before = [p.detach().clone() for p in runner.alg.actor.parameters()]
    runner.learn(num_learning_iterations=2, init_at_random_ep_len=True)
    after = list(runner.alg.actor.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert all(p.isfinite().all() for p in after)
    env.reset(seed=0)
    env.step(torch.zeros(8, 4))


def test_rsl_rls_logger_writes_the_success_of_finished_episodes(
    make_quadrotor: MakeEnv, tmp_path: Path
) -> None:
    env = RslRlEnv(make_quadrotor(num_envs=8))
    OnPolicyRunner(env, ppo_settings(), log_dir=str(tmp_path), device="cpu").learn(1)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (success,) = events.Scalars("Episode/success")
    assert 0.0 <= success.value <= 1.0
