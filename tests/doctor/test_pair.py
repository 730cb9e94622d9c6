"""Faults between a teacher and a student are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensordict import TensorDict

from robo_ts.distill import Label
from robo_ts.doctor import Finding, examine, pair
from robo_ts.doctor.sample import take
from robo_ts.env import TaskEnv, get_task, make_env
from robo_ts.policies import PolicyBundle
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Output
from robo_ts.sim import EngineConfig
from tests.doctor.test_policy import STUDENT, TEACHER, bundled, policy_of
from tests.doctor.worlds import names

_ARTIFACTS = Path(__file__).parents[2] / "artifacts"


@pytest.fixture
def env() -> TaskEnv:
    return make_env("reacher", 256, engine=EngineConfig(threads=1))


@pytest.fixture
def look(tmp_path: Path) -> Callable[[PolicyBundle, PolicyBundle], list[Finding]]:
    def examined(teacher: PolicyBundle, student: PolicyBundle) -> list[Finding]:
        one, other = teacher.save(tmp_path / "teacher"), student.save(tmp_path / "student")
        return list(examine.couple(one, other).counted)

    return examined


def _student(env: TaskEnv, **lineage: Any) -> PolicyBundle:
    return bundled(
        policy_of(env, STUDENT, memory="gru", memory_size=8), env, kind="student", **lineage
    )


def _teacher(env: TaskEnv, **config: Any) -> PolicyBundle:
    return bundled(policy_of(env, TEACHER, **config), env, kind="teacher")


def test_a_sound_pair_has_no_findings(env: TaskEnv, look: Callable):
    teacher = _teacher(env, std="constant")
    assert look(teacher, _student(env, teacher=teacher.digest())) == []


def test_a_recurrent_teacher_is_pointed_out(env: TaskEnv, look: Callable):
    teacher = _teacher(env, memory="lstm", memory_size=8)
    assert names(look(teacher, _student(env))) == {"recurrent teacher"}


def test_a_teacher_whose_std_is_noise_is_found(env: TaskEnv, look: Callable):
    teacher = _teacher(env, std="constant", initial_std=2.0)
    assert names(look(teacher, _student(env))) == {"teacher std"}


def test_normalisers_that_disagree_are_named_by_their_term(env: TaskEnv, look: Callable):
    teacher, student = _teacher(env), _student(env)
    assert isinstance(student.policy.normalizer, Normalizer)
    student.policy.normalizer.scale[4:6] *= 100.0  # cm for m
    findings = look(teacher, student)
    assert [(f.check, f.where) for f in findings] == [
        ("normaliser mismatch", "proprioception.fingertip_to_target")
    ]


def test_labels_that_the_student_cannot_give_are_found(env: TaskEnv, look: Callable):
    teacher = _teacher(env, action_clip=0.0)
    with torch.no_grad():
        teacher.policy.head.weight *= 30.0
    assert "labels in reach" in names(look(teacher, _student(env)))


def test_a_student_of_another_teacher_is_found(env: TaskEnv, look: Callable):
    assert names(look(_teacher(env), _student(env, teacher="0" * 64))) == {"lineage"}


def test_actions_of_another_meaning_are_found(env: TaskEnv, look: Callable):
    student = _student(env)
    student.action["meaning"] = "joint angles"
    assert "task" in names(look(_teacher(env), student))


class Forgetful:
    """A teacher with a memory that neither ends with its episode nor is saved."""

    def __init__(self) -> None:
        self.steps = 0.0

    def label(self, obs: TensorDict, student: Output) -> Label:
        self.steps += 1.0
        return Label(torch.full((len(obs["privileged"]), 2), 0.01 * self.steps))

    def reset(self, done: torch.Tensor) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def test_a_memory_that_is_neither_cleared_nor_saved_is_found(env: TaskEnv):
    sample = take(env, get_task("reacher"), policy_of(env, TEACHER), 3, 0)
    assert {f.where for f in pair.memory(Forgetful(), sample)} == {"reset", "state_dict"}


def test_the_committed_artifacts_have_no_findings():
    """Whole episodes of 64 drones per policy, a few seconds."""
    folder = _ARTIFACTS / "quadrotor"
    couple = examine.couple(folder / "teacher", folder / "student")
    student = PolicyBundle.load(folder / "student")
    assert couple.counted == ()
    assert examine.export(folder / "export", student).counted == ()
