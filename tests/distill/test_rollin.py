"""Who acts: warm-up, the three schedules of beta, and the two units of choice."""

from __future__ import annotations

import itertools

import pytest
import torch

from robo_ts.distill import RollinConfig
from robo_ts.distill.rollin import Rollin
from robo_ts.errors import RoboTSError

N = 4000


def make(seed: int = 0, **config: object) -> Rollin:
    generator = torch.Generator().manual_seed(seed)
    return Rollin(RollinConfig(**config), N, generator)  # type: ignore[arg-type]


def share(rollin: Rollin) -> float:
    return float(rollin.teacher_acts.float().mean())


@pytest.mark.parametrize(
    ("schedule", "betas"),
    [
        ("constant", [1.0, 1.0, 0.8, 0.8, 0.8, 0.8]),
        ("linear", [1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0]),
        ("exponential", [1.0, 1.0, 0.8, 0.8 * 0.5**0.25, 0.8 * 0.5**0.5, 0.8 * 0.5**0.75, 0.4]),
    ],
)
def test_beta_follows_its_schedule_after_the_warm_up(schedule: str, betas: list[float]) -> None:
    rollin = make(warmup_iterations=2, beta=0.8, schedule=schedule, decay_iterations=4)
    assert [rollin.beta(i) for i in range(len(betas))] == pytest.approx(betas)


def test_the_teacher_alone_acts_in_the_warm_up_and_the_student_alone_at_beta_zero() -> None:
    rollin = make(warmup_iterations=1, beta=0.0)
    student, teacher = torch.zeros(N, 2), torch.ones(N, 2)
    rollin.begin(0)
    assert torch.equal(rollin.choose(student, teacher), teacher)
    rollin.reset(torch.ones(N, dtype=torch.bool))
    assert torch.equal(rollin.choose(student, teacher), teacher)
    rollin.begin(1)
    assert torch.equal(rollin.choose(student, teacher), student)


def test_no_warm_up_is_pure_dagger() -> None:
    rollin = make(warmup_iterations=0, beta=0.0)
    rollin.begin(0)
    assert share(rollin) == 0.0


def test_each_world_gets_one_of_the_two_actions_in_the_proportion_of_beta() -> None:
    rollin = make(warmup_iterations=0, beta=0.3, schedule="constant")
    rollin.begin(0)
    student, teacher = torch.randn(2, N, 3).unbind()
    action = rollin.choose(student, teacher)
    acts = rollin.teacher_acts
    assert torch.equal(action[acts], teacher[acts])
    assert torch.equal(action[~acts], student[~acts])
    assert share(rollin) == pytest.approx(0.3, abs=0.03)


def test_by_the_episode_the_actor_stays_until_the_episode_ends() -> None:
    rollin = make(warmup_iterations=0, beta=0.5, schedule="constant", unit="episode")
    rollin.begin(0)
    before = rollin.teacher_acts.clone()
    for _ in range(5):
        rollin.choose(torch.zeros(N, 1), torch.ones(N, 1))
    rollin.begin(1)  # a new round is no new episode
    assert torch.equal(rollin.teacher_acts, before)
    done = torch.arange(N) < N // 2
    rollin.reset(done)
    assert torch.equal(rollin.teacher_acts[~done], before[~done])
    changed = (rollin.teacher_acts != before)[done].float().mean()
    assert float(changed) == pytest.approx(0.5, abs=0.05)


def test_by_the_step_the_actor_is_drawn_anew_at_every_step() -> None:
    rollin = make(warmup_iterations=0, beta=0.5, schedule="constant", unit="step")
    rollin.begin(0)
    draws = torch.stack(
        [rollin.choose(torch.zeros(N, 1), torch.ones(N, 1))[:, 0] for _ in range(6)]
    )
    for one, two in itertools.pairwise(draws):
        assert float((one != two).float().mean()) == pytest.approx(0.5, abs=0.05)


def test_a_saved_state_goes_on_alike() -> None:
    one, two = (make(warmup_iterations=0, beta=0.5, schedule="constant") for _ in range(2))
    one.begin(0)
    two.load_state_dict(one.state_dict())
    two.generator.set_state(one.generator.get_state())
    for rollin in (one, two):
        rollin.begin(1)
        rollin.reset(torch.arange(N) % 3 == 0)
    assert torch.equal(one.teacher_acts, two.teacher_acts)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [({"schedule": "liner"}, "linear"), ({"unit": "steps"}, "step"), ({"beta": 1.5}, "prob")],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], hint: str) -> None:
    with pytest.raises(RoboTSError) as failure:
        RollinConfig(**wrong)  # type: ignore[arg-type]
    assert hint in failure.value.fix
