"""What cannot work is refused before the first round, with a word on how to mend it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tensordict import TensorDict

from robo_ts.distill import DatasetConfig, GateConfig, Label, PolicyTeacher, RollinConfig
from robo_ts.env import ObservationGroup, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies.policy import Output
from tests.distill.parts import CAMERA, GLIMPSE, Knowing, N, make, student_of
from tests.distill.vec_env import Chase

WIDE = ObservationGroup("glimpse", (Term("position", 3, "m"),), True)


def teacher_of(*groups: ObservationGroup, worlds: int = N, **config: Any) -> PolicyTeacher:
    return PolicyTeacher(student_of(*groups, **config), worlds)


class Guessing(Knowing):
    def label(self, obs: TensorDict, student: Output) -> Label:
        return Label(torch.randn(N, 2))


class TooMany(Knowing):
    def label(self, obs: TensorDict, student: Output) -> Label:
        return Label(torch.zeros(N, 3))


class Nothing(Knowing):
    def label(self, obs: TensorDict, student: Output) -> Label:
        return Label(obs["target"], torch.zeros(N, dtype=torch.bool))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"teacher": Guessing()}, "a deterministic teacher"),
        ({"teacher": TooMany()}, r"whose actions have shape \(32, 2\)"),
        ({"teacher": Knowing(std=None), "loss": "forward_kl"}, "teacher with a standard deviation"),
        ({"teacher": Knowing(std=-1.0)}, "positive standard deviations"),
        ({"teacher": Knowing(std=float("nan"))}, "finite standard deviations"),
        ({"student": student_of(std="none"), "loss": "nll"}, "student with a standard deviation"),
        (
            {"student": student_of(CAMERA, channels=[8, 8])},
            "expected an observation group 'camera'",
        ),
        (
            {"teacher": teacher_of(CAMERA, channels=[8])},
            "for the teacher an observation group 'cam",
        ),
        ({"teacher": teacher_of(WIDE)}, "for the teacher group 'glimpse' with 3 numbers"),
        ({"teacher": teacher_of(GLIMPSE, worlds=7)}, "a memory of 32 worlds"),
        ({"teacher": Knowing(shift=float("nan"))}, "finite actions of the teacher"),
        ({"auxiliary": ["targt"]}, "did you mean target"),
        ({"dataset": DatasetConfig(budget_gb=1e-9)}, "data set of at most"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_round(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(RoboTSError, match=said):
        make(**wrong)


def test_a_round_without_any_label_is_refused() -> None:
    with pytest.raises(RoboTSError, match="labels that may be learnt from"):
        make(Nothing()).learn_one()


def test_a_student_that_reads_what_no_robot_has_is_refused_unless_it_is_an_experiment() -> None:
    knowing = ObservationGroup("target", (Term("position", 2, "m"),), False)
    with pytest.raises(RoboTSError, match="one that reads target"):
        make(student=student_of(knowing))
    assert make(student=student_of(knowing), privileged_student=True).learn_one()


def test_a_judge_that_gives_no_bools_is_refused() -> None:
    env = Chase(N)
    env.judge_plan = lambda actions: actions[:, 0]  # type: ignore[attr-defined]
    gate = GateConfig(validated=True)
    with pytest.raises(RoboTSError, match=r"judge_plan(.|\n)*float32"):
        make(env=env, rollin=RollinConfig(gate=gate))
