"""Faults planted in a policy, or in the worlds it is put into, are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.doctor import Finding, examine
from robo_ts.env import ObservationGroup, ObservationSpec, TaskEnv, make_env
from robo_ts.envs.benchmarks.reacher import ReacherConfig
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.memory import Hidden
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Output
from robo_ts.sim import EngineConfig
from tests.doctor.worlds import CAMERA, Seeing, names, planted

STUDENT, TEACHER = ["proprioception"], ["proprioception", "privileged"]


@pytest.fixture
def env() -> TaskEnv:
    return make_env("reacher", 256, engine=EngineConfig(threads=1))


def policy_of(
    env: TaskEnv, groups: list[str], kind: type[Policy] = Policy, **config: Any
) -> Policy:
    """An untrained policy whose normaliser has seen the task."""
    torch.manual_seed(1)
    settings: dict[str, Any] = {"memory": "none"} | config
    policy = kind(PolicyConfig(**settings), env.spec.select(groups), 2)
    if isinstance(policy.normalizer, Normalizer):
        # What a policy meets in its episodes is wider than their starts.
        obs = env.reset(seed=0)
        for _ in range(20):
            policy.normalizer.update(policy.inputs(obs))
            obs = env.step(torch.rand(env.num_envs, 2) * 2 - 1).obs
    return policy.eval()


def bundled(policy: Policy, env: TaskEnv, **lineage: Any) -> PolicyBundle:
    return PolicyBundle(
        policy,
        "reacher",
        asdict(ReacherConfig()),
        env.action_contract(),
        {"kind": "policy", **lineage},
    )


@pytest.fixture
def look(tmp_path: Path) -> Callable[[PolicyBundle], list[Finding]]:
    """Findings about a bundle, by way of its folder."""

    def examined(bundle: PolicyBundle) -> list[Finding]:
        return list(examine.bundle(bundle.save(tmp_path / "bundle")).counted)

    return examined


def test_a_sound_policy_has_no_findings(env: TaskEnv, look: Callable):
    assert look(bundled(policy_of(env, STUDENT, memory="gru", memory_size=16), env)) == []


def test_terms_in_another_order_are_found(env: TaskEnv, look: Callable):
    group = env.spec["proprioception"]
    drifted = ObservationGroup(group.name, group.terms[::-1], True)
    policy = Policy(PolicyConfig(memory="none"), ObservationSpec([drifted]), 2)
    findings = look(bundled(policy, env))
    assert names(findings) == {"observation order"}
    assert "another order" in findings[0].found


def test_actions_that_changed_their_meaning_are_found(env: TaskEnv, look: Callable):
    bundle = bundled(policy_of(env, STUDENT), env)
    bundle.action["names"] = ["elbow", "shoulder"]
    findings = look(bundle)
    assert [(f.check, f.where) for f in findings] == [("action", "names")]


def test_settings_the_task_does_not_know_are_found(env: TaskEnv, look: Callable):
    bundle = bundled(policy_of(env, STUDENT), env)
    bundle.task_config["gravity"] = 9.81
    assert names(look(bundle)) == {"task"}


def test_weights_that_are_not_numbers_are_found(env: TaskEnv, look: Callable):
    policy = policy_of(env, STUDENT)
    with torch.no_grad():
        policy.head.weight[0, 0] = float("nan")
    findings = look(bundled(policy, env))
    assert [(f.check, f.where) for f in findings] == [("finite", "head.weight")]


class Peeking(Policy):
    """Looks at what is not in its contract."""

    def run(
        self, obs: Mapping[str, Tensor], hidden: Hidden = (), starts: Tensor | None = None
    ) -> tuple[Output, Hidden]:
        output, hidden = super().run(obs, hidden, starts)
        return output._replace(action=output.action - 0.1 * obs["privileged"]), hidden


def test_an_action_that_moves_with_privileged_state_is_a_leak(env: TaskEnv):
    from robo_ts.doctor.policy import leak
    from robo_ts.doctor.sample import take
    from robo_ts.env import get_task

    sound, peeking = policy_of(env, STUDENT), policy_of(env, STUDENT, Peeking)
    sample = take(env, get_task("reacher"), sound, 5, 0)
    assert leak(sound, sample) == []
    assert [(f.check, f.where) for f in leak(peeking, sample)] == [("leak", "privileged")]


def test_a_student_that_reads_privileged_state_is_a_leak(env: TaskEnv, look: Callable):
    assert names(look(bundled(policy_of(env, TEACHER), env, kind="student"))) == {"leak"}
    assert look(bundled(policy_of(env, TEACHER), env, kind="teacher")) == []


def test_large_inputs_without_a_normaliser_are_found(env: TaskEnv):
    from robo_ts.doctor.policy import inputs
    from robo_ts.doctor.sample import take
    from robo_ts.env import get_task

    policy = policy_of(env, TEACHER, normalize=False)
    sample = take(env, get_task("reacher"), policy, 10, 0)
    assert inputs(policy, sample) == []
    sample.vectors["privileged"] *= 100.0
    assert [(f.check, f.where) for f in inputs(policy, sample)] == [
        ("unnormalised", "privileged.joint_velocity")
    ]


def test_a_normaliser_that_never_saw_data_is_found(env: TaskEnv, look: Callable):
    policy = Policy(PolicyConfig(memory="none"), env.spec.select(STUDENT), 2)
    assert names(look(bundled(policy, env))) == {"normaliser"}


def test_a_normaliser_of_another_unit_is_named_by_its_term(env: TaskEnv, look: Callable):
    policy = policy_of(env, STUDENT)
    assert isinstance(policy.normalizer, Normalizer)
    policy.normalizer.mean[4:6] += 50.0  # cm for m
    findings = look(bundled(policy, env))
    assert ("normaliser", "proprioception.fingertip_to_target") in {
        (f.check, f.where) for f in findings
    }


def test_an_input_that_died_since_training_is_found(env: TaskEnv):
    from robo_ts.doctor.policy import inputs
    from robo_ts.doctor.sample import take
    from robo_ts.env import get_task

    policy = policy_of(env, STUDENT)
    sample = take(env, get_task("reacher"), policy, 10, 0)
    assert inputs(policy, sample) == []
    sample.vectors["proprioception"][..., 4:6] = 0.0
    assert [(f.check, f.where) for f in inputs(policy, sample)] == [
        ("constant input", "proprioception.fingertip_to_target")
    ]


def test_actions_pressed_against_their_limits_are_found(env: TaskEnv, look: Callable):
    policy = policy_of(env, STUDENT)
    with torch.no_grad():
        policy.head.bias[1] = 30.0
    findings = look(bundled(policy, env))
    assert [(f.check, f.where) for f in findings] == [("saturation", "elbow")]


def test_a_policy_that_always_does_the_same_is_found(env: TaskEnv, look: Callable):
    policy = policy_of(env, STUDENT)
    with torch.no_grad():
        policy.head.weight.zero_()
    assert names(look(bundled(policy, env))) == {"action scale"}


def test_a_student_that_ignores_its_camera_is_found():
    from robo_ts.doctor.policy import ignored
    from robo_ts.doctor.sample import take

    env = Seeing(num_envs=16, engine=EngineConfig(threads=1))
    torch.manual_seed(0)
    sees = ObservationSpec([env.spec["proprioception"], CAMERA])
    policy = Policy(PolicyConfig(memory="none", channels=[4, 8], normalize=False), sees, 2)
    sample = take(env, planted(Seeing), policy, 3, 0)
    assert ignored(policy, sample) == []
    with torch.no_grad():
        for parameter in policy.images.parameters():
            parameter.zero_()
    assert [(f.check, f.where) for f in ignored(policy, sample)] == [("ignored group", "camera")]


def test_a_memory_that_runs_away_is_found(env: TaskEnv):
    from robo_ts.doctor.policy import memory
    from robo_ts.doctor.sample import take
    from robo_ts.env import get_task

    policy = policy_of(env, STUDENT, memory="gru", memory_size=8)
    sample = take(env, get_task("reacher"), policy, 20, 0)
    assert memory(policy, sample) == []
    sample.hidden_norm = [1.5**k for k in range(40)]
    assert [f.check for f in memory(policy, sample)] == ["memory"]


def test_a_teacher_that_no_longer_does_what_it_recorded_is_found(env: TaskEnv, look: Callable):
    gate = {"mean": 0.95, "ci95": [0.92, 0.97], "episodes": 512}
    bundle = bundled(policy_of(env, TEACHER), env, kind="teacher", gate=gate)
    assert names(look(bundle)) == {"as recorded"}
