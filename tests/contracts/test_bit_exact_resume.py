"""Contract 4: N rounds equal k rounds, save, load, N - k rounds; bit by bit, chance included."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.distill import DatasetConfig, DistillConfig, Distiller, PolicyTeacher, RollinConfig
from robo_ts.env import TaskEnv, get_task
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.teach.config import PPOConfig
from robo_ts.teach.ppo import PPOTeacher

MakeEnv = Callable[..., TaskEnv]
Learner = PPOTeacher | Distiller
N, ROUNDS, CUT = 32, 5, 2


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint does: safe loading, which runs no code."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def differences(one: Any, two: Any, where: str = "") -> list[str]:
    """Where two saved states are not bit-identical."""
    if isinstance(one, Tensor):
        # Bits, not values: NaN equals NaN, and -0 is not 0.
        same = one.shape == two.shape and one.dtype == two.dtype
        raw = [x.detach().contiguous().flatten().view(torch.uint8) for x in (one, two)]
        return [] if same and torch.equal(*raw) else [where]
    if isinstance(one, dict):
        found = [] if one.keys() == two.keys() else [f"{where} keys"]
        return found + [
            d for k in one if k in two for d in differences(one[k], two[k], f"{where}.{k}")
        ]
    if isinstance(one, list | tuple):
        found = [] if len(one) == len(two) else [f"{where} length"]
        pairs = enumerate(zip(one, two, strict=False))
        return found + [d for i, (a, b) in pairs for d in differences(a, b, f"{where}[{i}]")]
    return [] if one == two else [where]


def ppo(make_quadrotor: MakeEnv, seed: int) -> PPOTeacher:
    env = make_quadrotor(num_envs=N, seed=seed, episode_steps=20)
    config = PPOConfig(
        num_envs=N,
        iterations=ROUNDS,
        steps_per_iteration=8,
        epochs=2,
        minibatches=2,
        actor=[16],
        critic=[16],
        base_term="privileged.hover_action",
    )
    return PPOTeacher(env, get_task("quadrotor").obs_groups, config, seed)


def distiller(make_quadrotor: MakeEnv, seed: int) -> Distiller:
    env = make_quadrotor(num_envs=N, seed=seed, episode_steps=20)
    torch.manual_seed(seed)
    student = Policy(
        PolicyConfig(encoder=[16], memory_size=8), env.spec.select(["proprioception"]), 4
    )
    torch.manual_seed(0)  # the teacher is given, not learnt
    teacher = Policy(PolicyConfig(encoder=[16], memory="lstm", memory_size=8), env.spec, 4)
    config = DistillConfig(
        num_envs=N,
        iterations=ROUNDS,
        steps_per_iteration=8,
        bptt_length=4,
        dataset=DatasetConfig(window=2),
        epochs=2,
        minibatches=2,
        normalizer_iterations=4,
        burn_in=1,
        action_noise=0.1,
        rollin=RollinConfig(warmup_iterations=1, beta=0.5, decay_iterations=10, unit="step"),
    )
    return Distiller(RslRlEnv(env), PolicyTeacher(teacher, N), student, config, seed)


@pytest.mark.parametrize("make", [ppo, distiller])
def test_a_resumed_run_is_bit_identical_to_one_that_never_stopped(
    make: Callable[[MakeEnv, int], Learner], make_quadrotor: MakeEnv
) -> None:
    whole = make(make_quadrotor, 0)
    measured = [whole.learn_one() for _ in range(ROUNDS)]

    first = make(make_quadrotor, 0)
    for _ in range(CUT):
        first.learn_one()
    saved = through_a_file(first.state_dict())
    # A new process: other seeds everywhere, and the global generator elsewhere.
    second = make(make_quadrotor, 1)
    second.learn_one()
    torch.manual_seed(99)
    second.load_state_dict(saved)
    assert second.iteration == CUT
    resumed = [second.learn_one() for _ in range(ROUNDS - CUT)]

    assert differences(whole.state_dict(), second.state_dict()) == []
    assert differences(measured[CUT:], resumed) == []
    assert measured[-1] != measured[CUT - 1]  # the comparison is not of constants


@pytest.mark.parametrize("make", [ppo, distiller])
def test_saving_changes_nothing_and_a_saved_state_can_be_loaded_twice(
    make: Callable[[MakeEnv, int], Learner], make_quadrotor: MakeEnv
) -> None:
    plain = make(make_quadrotor, 0)
    for _ in range(2):
        plain.learn_one()
    wanted = through_a_file(plain.state_dict())

    # One after the other, for PPO draws from torch's global generator.
    learner = make(make_quadrotor, 0)
    saved = through_a_file(learner.state_dict())
    for _ in range(2):
        saved = through_a_file(learner.state_dict())
        learner.learn_one()
    assert differences(learner.state_dict(), wanted) == []
    for _ in range(2):
        learner.load_state_dict(saved)
        learner.learn_one()
        assert differences(learner.state_dict(), wanted) == []
