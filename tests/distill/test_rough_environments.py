"""Environments and teachers as they are found: one buffer for all steps, labels that are missing,
logs of another kind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill import DatasetConfig, GateConfig, Label, RollinConfig
from robo_ts.distill.outcomes import ended_well, outcomes
from robo_ts.distill.sag import SagConfig
from robo_ts.distill.schedule import Schedule
from robo_ts.errors import RoboTSError
from robo_ts.policies.policy import Output
from tests.distill.parts import Knowing, N, last, make, student_of
from tests.distill.vec_env import Chase

HALF = torch.arange(N) % 2 == 0


class Partly(Knowing):
    """Knows the even worlds only, and writes NaN elsewhere."""

    def label(self, obs: TensorDict, student: Output) -> Label:
        label = super().label(obs, student)
        there = HALF[:, None]

        def hidden(value: Tensor | None) -> Tensor | None:
            return None if value is None else torch.where(there, value, float("nan"))

        action = hidden(label.action)
        assert action is not None
        return Label(action, HALF, hidden(label.std), hidden(label.latent))


class Watched(Chase):
    """Remembers whether every action it was given was finite."""

    finite = True

    def step(self, actions: Tensor) -> tuple[TensorDict, Tensor, Tensor, dict]:
        self.finite &= bool(torch.isfinite(actions).all())
        return super().step(actions)


@pytest.mark.parametrize(
    "settings",
    [
        {"rollin": RollinConfig(warmup_iterations=3)},
        {"rollin": RollinConfig(warmup_iterations=0, beta=0.5, schedule="constant")},
        {"rollin": RollinConfig(0, gate=GateConfig(kind="action", bound=0.1))},
        {"latent_weight": Schedule(0.5)},
        {"dataset": DatasetConfig(kind="prioritised", window=2), "student": "none"},
    ],
)
def test_missing_labels_are_neither_executed_nor_learnt(settings: dict[str, Any]) -> None:
    env = Watched()
    if settings.get("student") == "none":
        settings = settings | {"student": student_of(std="none")}
    distiller = make(env=env, teacher=Partly(), **settings)
    measured = last(distiller, 4)
    assert env.finite
    assert torch.isfinite(torch.tensor(measured["loss"]))
    assert measured["labelled"] == pytest.approx(0.5)


def test_missing_labels_are_no_failures_for_the_gate() -> None:
    gate = GateConfig(kind="sag", signal="std", tolerance=1e-6)
    distiller = make(teacher=Partly(), rollin=RollinConfig(0, gate=gate))
    distiller._gather()
    outcome = torch.cat(distiller.gate._outcome).reshape(-1, N)
    assert (outcome[:, HALF] == -1).any()
    assert not outcome[:, ~HALF].any()


def test_worlds_without_labels_are_not_taken_for_successes() -> None:
    distiller = make(teacher=Partly(), dataset=DatasetConfig(kind="prioritised", window=1))
    distiller._gather()
    assert (distiller.dataset.outcome[HALF] != 0).all()
    assert not distiller.dataset.outcome[~HALF].any()


def test_coverage_is_that_of_the_teachers_distribution_whatever_is_learnt_from() -> None:
    measured = last(make(loss="nll", label="sample", final_learning_rate=1e-3), 60)
    assert measured["coverage_90"] == pytest.approx(0.9, abs=0.05)


def test_a_draw_leaves_the_teachers_own_label_alone() -> None:
    class Kept(Knowing):
        def label(self, obs: TensorDict, student: Output) -> Label:
            self.said = super().label(obs, student)
            self.before = self.said.action.clone()
            return self.said

    teacher = Kept()
    make(teacher=teacher, loss="nll", label="sample").learn_one()
    assert torch.equal(teacher.said.action, teacher.before)


def test_a_spent_budget_ends_the_learning_and_not_the_run() -> None:
    gate = GateConfig(kind="sag", labels=True, sag=SagConfig(budget=10))
    distiller = make(dataset=DatasetConfig(window=1), rollin=RollinConfig(0, gate=gate))
    assert "loss" in distiller.learn_one()
    weights = [p.clone() for p in distiller.student.parameters()]
    measured = [distiller.learn_one() for _ in range(2)]
    assert all("loss" not in m and m["labelled"] == 0.0 for m in measured)
    kept = zip(weights, distiller.student.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in kept)


@pytest.mark.parametrize(
    "extras",
    [{}, {"episode": {"rew_x": 0.5}}, {"episode": {"success": 0.5}}, {"episode": None}],
)
def test_logs_of_another_kind_say_nothing_of_success(extras: dict[str, Any]) -> None:
    done = torch.tensor([True, False, True])
    assert ended_well(extras, done) is None
    assert not outcomes(extras, done).any()


def test_success_is_read_per_ended_episode_or_per_world() -> None:
    done = torch.tensor([True, False, True])
    ended = {"episode": {"success": torch.tensor([True, False])}}
    every = {"episode": {"success": torch.tensor([True, True, False])}}
    for extras in (ended, every):
        assert outcomes(extras, done).tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        (
            type(
                "Loose", (Knowing,), {"label": lambda *_: Label(torch.zeros(N, 2), torch.ones(N))}
            ),
            "bool",
        ),
        (
            type("Wide", (Knowing,), {"label": lambda *_: Label(torch.zeros(N, 2).double())}),
            "float32",
        ),
        (type("Blind", (Knowing,), {"label": lambda s, obs, _: Label(obs["nowhere"])}), "KeyError"),
        (type("Bare", (), {"label": lambda *_: Label(torch.zeros(N, 2))}), "state_dict"),
    ],
)
def test_teachers_of_the_wrong_kind_are_refused_at_once(teacher: Any, said: str) -> None:
    with pytest.raises(RoboTSError, match=said):
        make(teacher=teacher())


def test_a_spread_is_not_counted_twice() -> None:
    with pytest.raises(RoboTSError, match="label=mean"):
        make(loss="forward_kl", label="sample")


@pytest.mark.parametrize("wrong", [{"value": -1.0}, {"final": -0.5}, {"value": float("nan")}])
def test_weights_are_not_negative(wrong: dict[str, Any]) -> None:
    with pytest.raises(RoboTSError, match="schedule"):
        Schedule(**wrong)
