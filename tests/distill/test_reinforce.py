"""Imitation plus reward: the masks, the pull of the teacher, who sees what, resume."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill import Label, Schedule
from robo_ts.distill.losses import gaussian_kl
from robo_ts.distill.reinforce import Reinforcer
from robo_ts.distill.reinforce_batch import not_succeeded
from robo_ts.distill.reinforce_config import ReinforceConfig
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Output
from tests.distill.vec_env import Chase

N = 32
GLIMPSE = ObservationGroup("glimpse", (Term("position", 2, "m"),), True)
TARGET = ObservationGroup("target", (Term("position", 2, "m"),), False)
SEES_ALL = ObservationSpec([GLIMPSE, TARGET])


class Restorable(Chase):
    """Remembers everything, for bit-exact resume."""

    def state_dict(self) -> dict[str, Any]:
        names = ("target", "episode_length_buf")
        return {n: getattr(self, n) for n in names} | {"rng": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.target, self.episode_length_buf = state["target"], state["episode_length_buf"]
        self.generator.set_state(state["rng"])


class Knowing:
    """Knows the target. In the first ``silent`` worlds its word is NaN and not valid."""

    def __init__(self, std: float | None = 0.2, size: int = 2, silent: int = 0) -> None:
        self.std, self.size, self.silent, self.asked = std, size, silent, 0

    def label(self, obs: TensorDict, student: Output) -> Label:
        self.asked += 1
        action = torch.nn.functional.pad(obs["target"], (0, self.size - 2))
        std = None if self.std is None else torch.full_like(action, self.std)
        valid = torch.arange(len(action)) >= self.silent
        for value in (action, std):
            if value is not None:
                value[~valid] = torch.nan
        return Label(action, valid, std)

    def reset(self, done: Tensor) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def student_with(**config: Any) -> Policy:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"encoder": [16], "memory_size": 16, "std": "constant"}
    return Policy(PolicyConfig(**(settings | config)), ObservationSpec([GLIMPSE]), 2)


def make(
    teacher: Any = None,
    student: Policy | None = None,
    critic: ObservationSpec = SEES_ALL,
    seed: int = 0,
    **config: Any,
) -> Reinforcer:
    settings: dict[str, Any] = {
        "num_envs": N,
        "iterations": 30,
        "steps_per_iteration": 20,
        "minibatches": 2,
        "learning_rate": 3e-3,
        "gamma": 0.5,
        "critic": [16],
    }
    return Reinforcer(
        Restorable(N, seed),
        teacher if teacher is not None else Knowing(),
        student or student_with(),
        critic,
        ReinforceConfig(**(settings | config)),
        seed,
    )


def weights(policy: Policy) -> dict[str, Tensor]:
    return copy.deepcopy(policy.state_dict())


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


# -- learning --------------------------------------------------------------------------------------


def test_reward_alone_teaches_and_the_teacher_is_never_asked() -> None:
    teacher = Knowing()
    learner = make(teacher, kl=Schedule(0.0), learning_rate=1e-2)
    first, *_, end = [learner.learn_one() for _ in range(30)]
    assert end["reward"] > 0.75 * first["reward"]  # rewards are negative: the error fell
    assert teacher.asked == 0 and end["kl"] == 0.0 and end["kl_weight"] == 0.0


def test_the_teachers_pull_teaches_where_reward_says_nothing() -> None:
    learner = make(ppo=Schedule(0.0), kl=Schedule(1.0), learning_rate=1e-2)
    first, *_, end = [learner.learn_one() for _ in range(30)]
    assert end["kl"] < 0.6 * first["kl"]


def test_a_word_that_is_nan_and_not_valid_teaches_nothing_and_spoils_nothing() -> None:
    learner = make(Knowing(silent=N // 2), minibatches=1)
    measured = [learner.learn_one() for _ in range(2)][-1]
    assert math.isfinite(measured["kl"])
    assert all(bool(w.isfinite().all()) for w in learner.student.parameters())


# -- masks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["none", "advantage", "success"])
def test_the_kl_counts_where_its_mask_says(mask: str) -> None:
    learner = make(mask=mask)
    batch, _ = learner._gather()
    batch.advantage = torch.randn(20, N)
    batch.returns = torch.randn(20, N)
    # Some worlds did better than expected, some worse; some are known to have succeeded.
    batch.failed = (torch.rand(20, N) < 0.5).float()
    behind = batch.advantage < 0
    losses = learner._losses(batch, behind)
    own, _ = learner.student.run(batch.obs, batch.hidden, batch.starts)
    assert own.std is not None
    each = gaussian_kl(own.action, own.std, batch.label, batch.label_std).sum(dim=-1)
    counted = {
        "none": torch.ones(20, N, dtype=torch.bool),
        "advantage": behind,
        "success": batch.failed.bool(),
    }[mask]
    assert int(counted.sum()) > 0 and (mask == "none" or not bool(counted.all()))
    assert torch.allclose(losses["kl"], each[counted].mean(), rtol=1e-4)


def test_an_episodes_success_covers_all_its_steps_and_no_other_episodes() -> None:
    done = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 0, 0], [1, 0, 1]]).bool()
    good = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]])
    found = not_succeeded([{"done": row} for row in done], list(good))
    # A success and then a failure; a failure and then no end yet; a failure and then a success.
    assert found.T.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0]]


# -- the critic's warm-up --------------------------------------------------------------------------


@pytest.mark.parametrize("auxiliary", [[], ["target"]])
def test_the_critics_warm_up_leaves_the_actor_as_it_is(auxiliary: list[str]) -> None:
    learner = make(critic_warmup_iterations=2, entropy=0.1, auxiliary=auxiliary)
    before, critic = weights(learner.student), weights(learner.critic)
    fresh = learner.student.normalizer
    assert isinstance(fresh, Normalizer)
    for _ in range(2):
        learner.learn_one()
        assert same(
            {k: v for k, v in before.items() if "normalizer" not in k}, learner.student.state_dict()
        )
    assert not same(critic, weights(learner.critic))
    learner.learn_one()
    assert not torch.equal(before["head.weight"], learner.student.head.weight)


def test_a_distilled_student_keeps_the_statistics_it_was_trained_with() -> None:
    student = student_with()
    assert isinstance(student.normalizer, Normalizer)
    student.normalizer.update(torch.randn(100, 2))
    learner = make(student=student, critic_warmup_iterations=1)
    before = weights(student)
    learner.learn_one()
    assert same(before, weights(student))  # to the last number: it is not to act differently
    learner.learn_one()
    assert torch.equal(before["normalizer.mean"], student.normalizer.mean)
    assert isinstance(learner.critic.normalizer, Normalizer)
    assert float(learner.critic.normalizer.count) == 2 * 20 * N
    new = make()
    new.learn_one()
    assert isinstance(new.student.normalizer, Normalizer)
    assert float(new.student.normalizer.count) == 20 * N


def test_the_critics_further_passes_teach_the_critic_alone() -> None:
    plain, more = make(), make(critic_epochs=3)
    start = weights(more.critic)
    measured = [learner.learn_one() for learner in (plain, more)]
    # What the student and the heads learnt is the same; the critic went on.
    assert same(weights(plain.student), more.student.state_dict())
    assert measured[0]["value_loss"] == measured[1]["value_loss"]
    moved = [
        torch.stack([(now[name] - start[name]).norm() for name in start if "weight" in name]).sum()
        for now in (plain.critic.state_dict(), more.critic.state_dict())
    ]
    assert moved[1] > 1.5 * moved[0]


def test_the_critic_has_a_learning_rate_of_its_own() -> None:
    learner = make(
        iterations=2, learning_rate=1e-3, final_learning_rate=5e-4, critic_learning_rate=4e-3
    )
    found = []
    for _ in range(3):
        learner.learn_one()
        found.append([group["lr"] for group in learner.optimizer.param_groups])
    assert found == [pytest.approx(rates) for rates in ([1e-3, 4e-3], [75e-5, 3e-3], [5e-4, 2e-3])]


def test_wrong_values_do_not_shrink_the_students_steps() -> None:
    # A reward of another scale: the advantages are scaled, so the student's gradient is not.
    found = []
    for scale in (1.0, 1000.0):
        learner = make(max_grad_norm=0.01, value_loss=scale)
        learner._advantages(batch := learner._gather()[0])
        batch.advantage = (batch.advantage - batch.advantage.mean()) / batch.advantage.std()
        learner._descend(learner._losses(batch, batch.advantage < 0)["total"])
        found.append(
            torch.cat([p.grad.flatten() for p in learner.parameters[0] if p.grad is not None])
        )
    assert found[0].norm() > 1e-3
    assert torch.allclose(found[0], found[1])


# -- the weight of the KL --------------------------------------------------------------------------


def test_the_kls_weight_follows_its_schedule() -> None:
    learner = make(kl=Schedule(value=1.0, final=0.2, iterations=4, shape="linear"))
    found = [learner.learn_one()["kl_weight"] for _ in range(6)]
    assert found == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.2])


@pytest.mark.parametrize(("adapt", "good", "bad"), [("success", 1.0, 0.0), ("return", -2.0, -9.0)])
def test_the_pull_loosens_above_the_target_and_tightens_below_it(
    adapt: str, good: float, bad: float
) -> None:
    learner = make(
        kl=Schedule(0.5), kl_adapt=adapt, kl_target=0.5 * (good + bad), kl_rate=0.4 / (good - bad)
    )
    found = []
    for value in (good, good, bad, bad, bad):
        learner._adapt({adapt: value})
        found.append(learner.kl_weight())
    step = math.exp(0.2)
    assert found == pytest.approx([0.5 / step, 0.5 / step**2, 0.5 / step, 0.5, 0.5])
    learner._adapt({"reward": 1.0})  # a round in which no episode ended
    assert learner.kl_weight() == pytest.approx(0.5)
    plain = make(kl=Schedule(0.5))
    plain._adapt({"success": 1.0, "return": 1.0})
    assert plain.kl_weight() == 0.5


def test_a_rounds_return_is_the_mean_of_the_episodes_that_ended_in_it() -> None:
    learner = make(kl=Schedule(0.0))
    env = learner.env
    earned, returns = torch.zeros(N), []
    step = env.step

    def watched(actions: Tensor) -> tuple[TensorDict, Tensor, Tensor, dict]:
        out = step(actions)
        earned.add_(out[1])
        ended = out[2].bool()
        returns.extend(earned[ended].tolist())
        earned[ended] = 0.0
        return out

    env.step = watched  # type: ignore[method-assign]
    for _ in range(2):
        returns.clear()
        measured = learner.learn_one()
        assert measured["episodes"] == len(returns) == N
        assert measured["return"] == pytest.approx(sum(returns) / N, rel=1e-4)


def test_an_environment_may_use_one_buffer_for_the_rewards_of_all_steps() -> None:
    plain, reusing = make(kl=Schedule(0.0)), make(kl=Schedule(0.0))
    buffer = torch.zeros(N)
    for learner, out in ((plain, None), (reusing, buffer)):
        step = learner.env.step

        def watched(
            actions: Tensor, step: Any = step, out: Tensor | None = out
        ) -> tuple[TensorDict, Tensor, Tensor, dict]:
            obs, reward, dones, extras = step(actions)
            del extras["time_outs"]  # what is added for them would make a copy
            return obs, reward if out is None else out.copy_(reward), dones, extras

        learner.env.step = watched  # type: ignore[method-assign]
    assert plain.learn_one() == reusing.learn_one()
    assert same(weights(plain.student), weights(reusing.student))


# -- who sees what ---------------------------------------------------------------------------------


def test_the_critic_sees_what_is_privileged_and_the_actor_does_not() -> None:
    learner = make()
    obs = learner.obs
    wild = obs.clone()
    wild["target"] = torch.randn(N, 2)
    hidden = learner.student.initial_state(N)
    assert torch.equal(learner.student.act(obs, hidden)[0], learner.student.act(wild, hidden)[0])
    assert not torch.equal(learner.critic(obs)[0], learner.critic(wild)[0])
    assert list(learner.student.spec) == ["glimpse"]
    batch, _ = learner._gather()
    learner._advantages(batch)
    losses = learner._losses(batch, batch.reward < 0)
    (losses["surrogate_loss"] + losses["kl"]).backward()
    assert all(w.grad is None for w in learner.critic.parameters())


# -- resume ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapt", ["none", "return"])
def test_it_resumes_bit_by_bit(adapt: str) -> None:
    def build(seed: int) -> Reinforcer:
        return make(
            student=student_with(std="state"),
            seed=seed,
            steps_per_iteration=13,  # so that episodes go across rounds
            kl_adapt=adapt,
            kl_target=-5.0,
            mask="advantage",
            critic_memory=8,
            critic_warmup_iterations=1,
            normalizer_iterations=3,
        )

    whole = build(0)
    rows = [whole.learn_one() for _ in range(6)]
    first = build(0)
    for _ in range(2):
        first.learn_one()
    saved = first.state_dict()
    first.learn_one()  # what goes on does not change what was saved
    second = build(1)
    second.learn_one()
    second.load_state_dict(saved)
    assert [second.learn_one() for _ in range(4)] == rows[2:]
    assert same(weights(whole.student), weights(second.student))
    assert same(weights(whole.critic), weights(second.critic))


# -- before the first round ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"student": student_with(std="none")}, "student with a standard deviation"),
        ({"teacher": Knowing(std=None)}, "teacher with a standard deviation"),
        ({"teacher": Knowing(std=-1.0)}, "positive standard deviations"),
        ({"teacher": Knowing(std=float("nan"))}, "finite standard deviations"),
        ({"teacher": Knowing(size=3)}, r"whose actions have shape \(32, 2\)"),
        (
            {"critic": ObservationSpec([ObservationGroup("map", (Term("m", 2),), False)])},
            r"an environment without \['map'\]",
        ),
        (
            {"critic": ObservationSpec([ObservationGroup("target", (Term("m", 3),), False)])},
            "group 'target' with 3 numbers",
        ),
        (
            {"student": Policy(PolicyConfig(std="constant"), ObservationSpec([GLIMPSE]), 3)},
            "a student with 2 actions",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_round(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(RoboTSError, match=said):
        make(**wrong)


def test_a_teacher_that_only_knows_its_mean_will_do_for_reward_alone() -> None:
    make(Knowing(std=None), kl=Schedule(0.0)).learn_one()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mask": "sucess"}, "did you mean success"),
        ({"kl_adapt": "reward"}, "reinforce.kl_adapt among"),
        ({"kl_rate": 0.0}, "kl_rate > 0"),
        ({"gamma": 1.5}, r"reinforce.gamma in \(0, 1\]"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(RoboTSError, match=said):
        ReinforceConfig(**wrong)
