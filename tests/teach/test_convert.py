"""Checkpoints of rsl_rl and Stable-Baselines3 act as before when they have become our policies."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize

from robo_ts.env import ObservationGroup, ObservationSpec, TaskEnv, Term, get_task
from robo_ts.errors import BundleError
from robo_ts.policies import PolicyBundle
from robo_ts.teach.config import PPOConfig
from robo_ts.teach.convert import load_rsl_rl_actor, policy_from_rsl_rl, policy_from_sb3
from robo_ts.teach.ppo import PPOTeacher

MakeEnv = Callable[..., TaskEnv]
PENDULUM = ObservationSpec([ObservationGroup("pendulum", (Term("state", 3),), True)])
ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}


class Bomb:
    """Pickled code: unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


# -- rsl_rl ----------------------------------------------------------------------------------------


def trained(make_quadrotor: MakeEnv, activation: str, base_term: str) -> PPOTeacher:
    env = make_quadrotor(num_envs=16, episode_steps=50)
    config = PPOConfig(
        num_envs=16,
        steps_per_iteration=8,
        actor=[16, 12],
        critic=[8],
        activation=activation,
        base_term=base_term,
    )
    teacher = PPOTeacher(env, get_task("quadrotor").obs_groups, config, seed=0)
    for _ in range(2):  # so that the normaliser and the weights are no longer the first ones
        teacher.learn_one()
    return teacher


@pytest.mark.parametrize(
    ("activation", "base_term"),
    [
        ("elu", ""),
        ("tanh", "privileged.hover_action"),
        ("elu", "privileged.last_action"),
    ],
)
def test_a_converted_rsl_rl_actor_gives_the_same_actions(
    activation: str, base_term: str, make_quadrotor: MakeEnv, tmp_path: Path
) -> None:
    teacher = trained(make_quadrotor, activation, base_term)
    torch.save(teacher.algorithm.save(), tmp_path / "model_2.pt")
    env = teacher.env
    spec = env.spec.select(teacher.obs_groups["actor"])
    actor = load_rsl_rl_actor(tmp_path / "model_2.pt")
    policy = policy_from_rsl_rl(actor, spec, 4, activation, base_term)
    original = teacher.algorithm.get_policy().eval()
    for _ in range(5):
        obs = env.observe()
        with torch.no_grad():
            wanted = original(obs)
            action, _ = policy(obs)
        assert float(wanted.std()) > 0.01
        assert torch.allclose(action, wanted, atol=1e-5)
        with torch.no_grad():
            original(obs, stochastic_output=True)
            said, _ = policy.run(obs)
        assert said.std is not None and torch.allclose(said.std, original.output_std, atol=1e-6)
        env.step(action)
    # And the teacher's own word for it, after a round trip through a bundle.
    bundle = PolicyBundle(teacher.policy(), "quadrotor")
    again = PolicyBundle.load(bundle.save(tmp_path / "teacher")).policy
    with torch.no_grad():
        assert torch.allclose(again(env.observe())[0], original(env.observe()), atol=1e-5)


def test_an_rsl_rl_actor_of_other_groups_is_refused(make_quadrotor: MakeEnv) -> None:
    teacher = trained(make_quadrotor, "elu", "")
    actor = teacher.algorithm.save()["actor_state_dict"]
    with pytest.raises(BundleError, match="22 inputs"):
        policy_from_rsl_rl(actor, teacher.env.spec.select(["proprioception"]), 4)
    with pytest.raises(BundleError, match="3 actions"):
        policy_from_rsl_rl(actor, teacher.env.spec, 3)


def test_an_actor_that_is_no_mlp_is_refused() -> None:
    with pytest.raises(BundleError, match="MLP"):
        policy_from_rsl_rl({"rnn.weight_ih_l0": torch.zeros(3, 3)}, PENDULUM, 1)


def test_files_that_are_no_rsl_rl_checkpoint_are_refused_and_run_nothing(tmp_path: Path) -> None:
    path, proof = tmp_path / "model.pt", tmp_path / "exploded"
    contents: list[Any] = [b"", b"hello", pickle.dumps({"actor_state_dict": Bomb(proof)}, 2)]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(BundleError, match="rsl_rl"):
            load_rsl_rl_actor(path)
    for value in ({"model_state_dict": {}}, [1, 2], {"actor_state_dict": Bomb(proof)}):
        torch.save(value, path)
        with pytest.raises(BundleError, match="rsl_rl"):
            load_rsl_rl_actor(path)
    with pytest.raises(BundleError, match="nowhere"):
        load_rsl_rl_actor(tmp_path / "nowhere.pt")
    assert not proof.exists()


# -- Stable-Baselines3 -----------------------------------------------------------------------------


@pytest.mark.parametrize(("algorithm", "activation"), [(PPO, "tanh"), (A2C, "relu")])
def test_a_converted_sb3_model_gives_the_same_actions(
    algorithm: type, activation: str, tmp_path: Path
) -> None:
    venv = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=0))
    model = algorithm(
        "MlpPolicy",
        venv,
        n_steps=32,
        seed=0,
        device="cpu",
        policy_kwargs={
            "net_arch": {"pi": [12, 8], "vf": [8]},
            "activation_fn": ACTIVATIONS[activation],
        },
    )
    model.learn(128)
    model.save(tmp_path / "model.zip")
    statistics = venv.obs_rms
    assert isinstance(statistics, RunningMeanStd)
    policy = policy_from_sb3(
        tmp_path / "model.zip",
        PENDULUM,
        1,
        activation,
        mean=torch.from_numpy(statistics.mean),
        variance=torch.from_numpy(statistics.var),
        epsilon=venv.epsilon,
    )
    raw = np.random.default_rng(0).uniform([-1, -1, -4], [1, 1, 4], (64, 3)).astype(np.float32)
    seen = venv.normalize_obs(raw)
    assert isinstance(seen, np.ndarray)
    assert np.abs(seen).max() < venv.clip_obs
    with torch.no_grad():
        wanted = model.policy._predict(torch.from_numpy(seen).float(), deterministic=True)
        action, _ = policy({"pendulum": torch.from_numpy(raw)})
    assert float(action.std()) > 1e-3
    assert torch.allclose(action, wanted, atol=1e-5)
    predicted, _ = model.predict(seen, deterministic=True)
    limit = 2.0  # Pendulum's
    assert np.allclose(action.clamp(-limit, limit).numpy(), predicted, atol=1e-5)
    venv.close()


def test_an_sb3_model_without_statistics_reads_its_inputs_raw(tmp_path: Path) -> None:
    model = PPO("MlpPolicy", "Pendulum-v1", n_steps=8, batch_size=8, seed=0, device="cpu")
    model.save(tmp_path / "model.zip")
    policy = policy_from_sb3(tmp_path / "model.zip", PENDULUM, 1)
    raw = torch.randn(32, 3)
    with torch.no_grad():
        wanted = model.policy._predict(raw, deterministic=True)
        assert torch.allclose(policy({"pendulum": raw})[0], wanted, atol=1e-6)
    std = policy.run({"pendulum": raw})[0].std
    assert std is not None and torch.allclose(std, model.policy.log_std.exp().expand(32, 1))


def test_sb3_models_that_cannot_be_converted_are_refused(tmp_path: Path) -> None:
    SAC("MlpPolicy", "Pendulum-v1", device="cpu", buffer_size=10).save(tmp_path / "sac.zip")
    with pytest.raises(BundleError, match="PPO or A2C"):
        policy_from_sb3(tmp_path / "sac.zip", PENDULUM, 1)
    model = PPO("MlpPolicy", "Pendulum-v1", n_steps=8, batch_size=8, device="cpu")
    model.save(tmp_path / "ppo.zip")
    with pytest.raises(BundleError, match="2 actions"):
        policy_from_sb3(tmp_path / "ppo.zip", PENDULUM, 2)


def test_files_that_are_no_sb3_model_are_refused_and_run_nothing(tmp_path: Path) -> None:
    path, proof = tmp_path / "model.zip", tmp_path / "exploded"
    contents: list[dict[str, bytes]] = [
        {},
        {"data": b"{}"},
        {"policy.pth": b"hello"},
        {"policy.pth": pickle.dumps(Bomb(proof), 2)},
    ]
    for content in contents:
        with zipfile.ZipFile(path, "w") as archive:
            for name, raw in content.items():
                archive.writestr(name, raw)
        with pytest.raises(BundleError, match="Stable-Baselines3"):
            policy_from_sb3(path, PENDULUM, 1)
    path.write_bytes(b"hello")
    for wrong in (path, tmp_path / "nowhere.zip"):
        with pytest.raises(BundleError, match=wrong.name):
            policy_from_sb3(wrong, PENDULUM, 1)
    assert not proof.exists()
