"""The environment as Stable-Baselines3 sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from robo_ts.env import TaskEnv
from robo_ts.env.adapters.sb3 import SB3Env
from robo_ts.errors import RoboTSError

MakeEnv = Callable[..., TaskEnv]


def test_observations_are_the_actors_groups_in_one_vector(make_quadrotor: MakeEnv) -> None:
    env, plain = SB3Env(make_quadrotor()), make_quadrotor()
    expected = plain.reset()["privileged"]
    obs = env.reset()
    assert obs.dtype == np.float32
    np.testing.assert_array_equal(obs, expected.numpy())
    assert env.observation_space.shape == (52,)
    assert env.action_space.shape == (4,)


def test_chosen_groups_come_in_the_chosen_order(make_quadrotor: MakeEnv) -> None:
    task = make_quadrotor()
    obs = SB3Env(task, ["privileged", "proprioception"]).reset()
    np.testing.assert_array_equal(obs[:, :52], task.observe()["privileged"].numpy())
    assert SB3Env(task, ["proprioception"]).reset().shape == (4, 22)


def test_an_unknown_group_is_refused(make_quadrotor: MakeEnv) -> None:
    with pytest.raises(RoboTSError, match="did you mean privileged"):
        SB3Env(make_quadrotor(), ["privilege"])


def test_only_worlds_that_ended_carry_infos(make_quadrotor: MakeEnv) -> None:
    env, plain = SB3Env(make_quadrotor(num_envs=8)), make_quadrotor(num_envs=8)
    env.reset()
    plain.reset()
    rng, ended = np.random.default_rng(0), 0
    for _ in range(20):
        action = rng.uniform(-1, 1, (8, 4)).astype(np.float32)
        obs, reward, dones, infos = env.step(action)
        step = plain.step(torch.from_numpy(action))
        assert dones.dtype == np.bool_
        np.testing.assert_array_equal(dones, step.done.numpy())
        np.testing.assert_array_equal(reward, step.reward.numpy())
        for world, info in enumerate(infos):
            assert bool(info) == bool(dones[world])
        for row, world in enumerate(step.info["final_ids"].tolist()):
            ended += 1
            assert infos[world]["TimeLimit.truncated"] == bool(step.truncated[world])
            assert infos[world]["is_success"] == bool(step.info["episode"]["success"][row])
            last = step.info["final_obs"]["privileged"][row].numpy()
            np.testing.assert_array_equal(infos[world]["terminal_observation"], last)
            assert not np.array_equal(infos[world]["terminal_observation"], obs[world])
    assert ended >= 16


def test_a_seed_counts_for_the_next_reset_only(make_quadrotor: MakeEnv) -> None:
    env = SB3Env(make_quadrotor())
    env.seed(5)
    first, second = env.reset(), env.reset()
    env.seed(5)
    np.testing.assert_array_equal(env.reset(), first)
    np.testing.assert_array_equal(env.reset(), second)
    assert not np.array_equal(first, second)


def test_attributes_and_methods_are_the_environments(make_quadrotor: MakeEnv) -> None:
    task = make_quadrotor()
    env = SB3Env(task)
    assert env.get_attr("max_episode_steps") == [8] * 4
    assert env.get_attr("max_episode_steps", indices=[0, 2]) == [8] * 2
    assert env.has_attr("step_dt") and not env.has_attr("no_such_thing")
    assert set(env.env_method("evaluate", indices=0)[0]) >= {"success"}
    env.set_attr("max_episode_steps", 5)
    assert task.max_episode_steps == 5
    with pytest.raises(RoboTSError, match="leave indices out"):
        env.set_attr("max_episode_steps", 5, indices=[0])


def test_an_action_of_wrong_shape_is_refused(make_quadrotor: MakeEnv) -> None:
    env = SB3Env(make_quadrotor())
    with pytest.raises(RoboTSError, match=r"\(4, 4\)"):
        env.step(np.zeros((4, 3), np.float32))


def test_sb3s_ppo_learns_on_it(make_quadrotor: MakeEnv) -> None:
    env = VecNormalize(VecMonitor(SB3Env(make_quadrotor(num_envs=8))))
    model = PPO("MlpPolicy", env, n_steps=16, batch_size=64, n_epochs=2, seed=0, device="cpu")
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(512)
    assert model.num_timesteps == 512
    after = list(model.policy.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert all(p.isfinite().all() for p in after)
    assert model.ep_info_buffer and model.ep_info_buffer[0]["l"] <= 8
    assert model.ep_success_buffer is not None and len(model.ep_success_buffer) >= 32
    rewards, lengths = evaluate_policy(
        model, env, n_eval_episodes=8, warn=False, return_episode_rewards=True
    )
    assert len(rewards) == 8 and max(lengths) <= 8  # type: ignore[arg-type]
