"""Reacher with hidden velocities: what the data set is worth, beside four controls.

All arms see the same number of labels and the same student; rsl_rl's is its own network of about
that size. Arms without a window make as many passes over the newest round as the window has rounds,
so that every arm sees as many samples per round; rsl_rl's loop has no minibatches.
"""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.bench.methods.arms import FunctionActor, compare, student_of, success, worlds
from robo_ts.distill import (
    DatasetConfig,
    DistillConfig,
    Distiller,
    FunctionTeacher,
    RollinConfig,
)
from robo_ts.envs.benchmarks.reacher.teacher import act
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.seeds import derive

TASK = "reacher"
NUM_ENVS, STEPS, ROUNDS, EPISODES = 64, 25, 60, 1024
WINDOW = 8


def run(seeds: Sequence[int] = range(5)) -> dict[str, Any]:
    """Success of each arm over the seeds."""
    arms = {
        "teacher": lambda seed: {"success": success(TASK, FunctionActor(act), seed, EPISODES)},
        "window of 8 rounds": lambda seed: _distil(seed, window=WINDOW),
        "newest round only": lambda seed: _distil(seed, window=1, epochs=WINDOW),
        "behaviour cloning": lambda seed: _distil(seed, window=WINDOW, warmup=ROUNDS),
        "rsl_rl 5.5.1 Distillation": _rsl_rl,
        "random teacher": _random_teacher,
    }
    settings = {"task": TASK, "num_envs": NUM_ENVS, "steps": STEPS, "rounds": ROUNDS}
    return compare(arms, seeds, settings | {"labels": NUM_ENVS * STEPS * ROUNDS})


def _distil(
    seed: int, window: int, warmup: int = 3, epochs: int = 1, teacher: Any = act
) -> dict[str, float]:
    env = worlds(TASK, NUM_ENVS, seed)
    student = student_of(TASK, seed, env.env, encoder=[32], memory="gru", memory_size=48)
    config = DistillConfig(
        num_envs=NUM_ENVS,
        iterations=ROUNDS,
        steps_per_iteration=STEPS,
        bptt_length=STEPS,
        epochs=epochs,
        minibatches=4,
        learning_rate=5e-3,
        normalizer_iterations=5,
        rollin=RollinConfig(warmup_iterations=warmup),
        dataset=DatasetConfig(window=window),
    )
    distiller = Distiller(env, FunctionTeacher(teacher), student, config, seed)
    for _ in range(ROUNDS):
        distiller.learn_one()
    env.env.close()
    return {"success": success(TASK, student, seed, EPISODES)}


def _random_teacher(seed: int) -> dict[str, float]:
    """The control for 'any teacher will do': a network that was never trained."""
    env = worlds(TASK, 1, seed)
    torch.manual_seed(derive(seed, "random teacher"))
    network = Policy(PolicyConfig(encoder=[64, 64], memory="none"), env.env.spec, 2).eval()
    env.env.close()

    def guess(obs: TensorDict) -> Tensor:
        return network.act(obs)[0]  # type: ignore[arg-type]

    return _distil(seed, window=WINDOW, teacher=guess)


def _rsl_rl(seed: int) -> dict[str, float]:
    """rsl_rl's own loop: its student acts with noise, nothing is kept, one pass."""
    from rsl_rl.algorithms import Distillation

    env = worlds(TASK, NUM_ENVS, seed)
    torch.manual_seed(derive(seed, "student"))
    obs = env.get_observations()
    model = {"hidden_dims": [32], "activation": "relu", "obs_normalization": True}
    settings: dict[str, Any] = {
        "num_steps_per_env": STEPS,
        "obs_groups": {"student": ["proprioception"], "teacher": ["proprioception", "privileged"]},
        "multi_gpu": None,
        "student": {
            "class_name": "RNNModel",
            "rnn_type": "gru",
            "rnn_hidden_dim": 48,
            "rnn_num_layers": 1,
            "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": 0.1},
            **model,
        },
        "teacher": {"class_name": "MLPModel", **model},
        "algorithm": {
            "class_name": "Distillation",
            "num_learning_epochs": WINDOW,
            "gradient_length": STEPS,
            "learning_rate": 5e-3,
            "max_grad_norm": 1.0,
            "rnd_cfg": None,
            "symmetry_cfg": None,
        },
    }
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        algorithm = Distillation.construct_algorithm(obs, env, settings, "cpu")
    scripted = _Scripted()
    algorithm.teacher = scripted  # type: ignore[assignment]
    for _ in range(ROUNDS):
        with torch.no_grad():
            for _ in range(STEPS):
                obs, reward, done, extras = env.step(algorithm.act(obs))
                algorithm.process_env_step(obs, reward, done, extras)
        algorithm.update()
    env.env.close()
    return {"success": success(TASK, _RslRlActor(algorithm.get_policy()), seed, EPISODES)}


class _Scripted(torch.nn.Module):
    """The scripted controller as rsl_rl's teacher."""

    def forward(self, obs: TensorDict) -> Tensor:
        return act(obs)  # type: ignore[arg-type]

    def reset(self, dones: Any = None, hidden_state: Any = None) -> None: ...

    def get_hidden_state(self) -> None: ...


class _RslRlActor:
    """rsl_rl's student, deterministic."""

    def __init__(self, model: Any) -> None:
        self.model = copy.deepcopy(model).eval()

    def begin(self, num: int) -> None:
        self.model.reset()
        self.model.reset(hidden_state=None)

    @torch.no_grad()
    def act(self, obs: TensorDict) -> Tensor:
        return self.model(obs).clamp(-1.0, 1.0)

    def clear(self, done: Tensor) -> None:
        self.model.reset(done)
