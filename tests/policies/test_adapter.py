"""Adapter students: the frozen teacher run on predicted inputs, and what mends it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from robo_ts.distill import DistillConfig, Distiller, PolicyTeacher, RollinConfig
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.export import export_bundle, load
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.adapter import AdapterConfig, AdapterPolicy
from robo_ts.policies.normalizer import Normalizer
from tests.distill.vec_env import Chase

N, ACTIONS = 6, 2
BODY = ObservationGroup("body", (Term("rate", 3, "rad/s"),), True)
SCAN = ObservationGroup("scan", (Term("distance", 8, "m"),), True)
SECRET = ObservationGroup("secret", (Term("mass", 1, "kg"), Term("posts", 4, "m")), False)
EXTRA = ObservationGroup("extra", (Term("wind", 2, "m/s"),), False)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def teacher_of(*groups: ObservationGroup, **config: Any) -> Policy:
    settings: dict[str, Any] = {"encoder": [16], "decoder": [12], "memory": "none"}
    spec = ObservationSpec(groups or [SECRET, BODY, EXTRA])
    policy = Policy(PolicyConfig(**(settings | config)), spec, ACTIONS).eval()
    if isinstance(policy.normalizer, Normalizer):
        policy.normalizer.update(3.0 * torch.randn(200, spec.size()) + 1.0)
    return policy


def student_of(
    teacher: Policy | None = None, adapter: AdapterConfig | None = None, **config: Any
) -> AdapterPolicy:
    settings: dict[str, Any] = {"encoder": [16], "memory": "gru", "memory_size": 10}
    spec = ObservationSpec([SCAN, BODY])
    perception = PolicyConfig(**(settings | config))
    student = AdapterPolicy(perception, spec, teacher or teacher_of(), adapter).eval()
    if isinstance(student.normalizer, Normalizer):
        student.normalizer.update(2.0 * torch.randn(100, spec.size()) - 1.0)
    return student


def observation(*shape: int) -> dict[str, Tensor]:
    groups = (BODY, SCAN, SECRET, EXTRA)
    return {group.name: torch.randn(*(shape or (N,)), group.size) for group in groups}


def stir(student: AdapterPolicy) -> AdapterPolicy:
    """Give the adapters something to say, as training would."""
    for weight in student.adapters.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return student


@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
@pytest.mark.parametrize("normalize", [True, False])
def test_at_the_start_it_is_the_teacher_run_on_the_predicted_inputs(
    memory: str, normalize: bool
) -> None:
    teacher = teacher_of(normalize=normalize, base_term="extra.wind")
    student, obs = student_of(teacher, memory=memory), observation()
    output, _ = student.run(obs, student.initial_state(N))
    seen = student.predicted(output.latent, student.inputs(obs))
    assert torch.equal(seen[:, 5:8], obs["body"])  # what both read is not predicted
    assert torch.equal(output.action, teacher.step_vector(seen)[0])
    after, _ = stir(student).run(obs, student.initial_state(N))
    assert not torch.allclose(after.action, output.action)


def test_without_adapters_it_stays_the_cascade_and_has_fewer_weights() -> None:
    plain, full = student_of(adapter=AdapterConfig(adapters=False)), student_of()
    assert not list(plain.adapters.parameters())
    assert plain.num_parameters() < full.num_parameters()


def test_actions_are_the_same_whatever_the_privileged_groups_hold() -> None:
    student, obs = stir(student_of()), observation()
    wild = obs | {name: torch.full_like(obs[name], torch.nan) for name in student.wants}
    absent = {name: obs[name] for name in student.spec}
    hidden = student.initial_state(N)
    assert student.wants == ["secret", "extra"]
    action, following = student.act(obs, hidden)
    for other in (wild, absent):
        again, kept = student.act(other, hidden)
        assert torch.equal(action, again) and torch.equal(following[0], kept[0])


def test_a_sequence_gives_the_actions_of_its_steps() -> None:
    student, obs = stir(student_of()), observation(7, N)
    starts = torch.rand(7, N) < 0.3
    together, _ = student.sequence(obs, student.initial_state(N), starts)
    hidden = student.initial_state(N)
    for step in range(7):
        hidden = student.reset_state(hidden, starts[step])
        action, hidden = student({name: value[step] for name, value in obs.items()}, hidden)
        assert torch.allclose(action, together[step], atol=1e-6)


def test_the_losses_vanish_for_true_inputs_and_their_adapters_know_which_labels_count() -> None:
    teacher = teacher_of(normalize=False)
    student, obs = student_of(teacher, memory="none"), observation()
    fields = {f"obs.{n}": obs[n] for n in student.spec} | {f"aux.{n}": obs[n] for n in ("extra",)}
    output, _ = student.run(obs)
    seen = student.predicted(output.latent, student.inputs(obs)).detach()
    truth = {"aux.secret": seen[:, :5], "aux.extra": seen[:, 8:]}
    losses = student.extra_losses(output, fields | truth)
    assert {name: loss.everywhere for name, loss in losses.items()} == {
        "regression": True,
        "alignment": False,
    }
    for loss in losses.values():
        assert loss.value.shape == (N,) and float(loss.value.detach().abs().max()) < 1e-10
    for loss in student.extra_losses(output, fields | {"aux.secret": obs["secret"]}).values():
        assert float(loss.value.detach().min()) > 0.0
    silent = student_of(teacher, AdapterConfig(alignment=0.0, regression=0.0), memory="none")
    assert silent.extra_losses(silent.run(obs)[0], fields | truth) == {}


# -- inside the distiller --------------------------------------------------------------------------

GLIMPSE = ObservationGroup("glimpse", (Term("position", 2, "m"),), True)
TARGET = ObservationGroup("target", (Term("position", 2, "m"),), False)


def distiller_of(adapter: AdapterConfig | None = None, **config: Any) -> Distiller:
    teacher = teacher_of(TARGET, normalize=False, encoder=[16], decoder=[])
    perception = PolicyConfig(encoder=[16], memory="gru", memory_size=16)
    student = AdapterPolicy(perception, ObservationSpec([GLIMPSE]), teacher, adapter)
    settings: dict[str, Any] = {
        "num_envs": 32,
        "iterations": 40,
        "steps_per_iteration": 20,
        "bptt_length": 10,
        "minibatches": 2,
        "learning_rate": 1e-2,
        "rollin": RollinConfig(warmup_iterations=1),
    }
    settings |= config
    return Distiller(Chase(32), PolicyTeacher(teacher, 32), student, DistillConfig(**settings))


def test_training_moves_perception_and_adapters_and_never_the_teacher() -> None:
    distiller = distiller_of(ema=0.9)
    student = distiller.student
    assert isinstance(student, AdapterPolicy)
    before = copy.deepcopy(student.state_dict())
    first, *_, end = [distiller.learn_one() for _ in range(20)]
    for name in ("loss", "loss_regression", "loss_alignment"):
        assert end[name] < 0.7 * first[name]
    for name, value in student.state_dict().items():
        frozen = name.startswith("teacher.")
        assert torch.equal(value, before[name]) == frozen or name.startswith("normalizer.")
    student.requires_grad_(True)  # as fine-tuning does
    assert not list(student.teacher.parameters())


def test_the_teacher_that_was_given_stays_trainable() -> None:
    teacher = teacher_of()
    student_of(teacher)
    assert all(weight.requires_grad for weight in teacher.parameters())


def test_what_the_losses_need_is_stored_beside_the_students_groups() -> None:
    distiller = distiller_of()
    distiller.learn_one()
    kept = distiller.dataset.newest()
    assert set(kept.obs) == {"glimpse"} and kept.fields["aux.target"].shape == (20, 32, 2)
    assert not distiller.updater.heads.names  # no head regresses it a second time


# -- bundles and export ----------------------------------------------------------------------------


def bundle_of(**config: Any) -> PolicyBundle:
    student = stir(student_of(teacher_of(base_term="extra.wind"), **config))
    return PolicyBundle(student, "toy", action={"names": ["a", "b"]}, lineage={"seed": 0})


@pytest.mark.parametrize("adapters", [True, False])
def test_a_bundle_brings_it_back_bit_by_bit(adapters: bool, tmp_path: Path) -> None:
    one = bundle_of(adapter=AdapterConfig(adapters=adapters, width=9), std="constant")
    two = PolicyBundle.load(one.save(tmp_path / "student"))
    assert isinstance(two.policy, AdapterPolicy)
    assert one.digest() == two.digest()
    hidden, obs = one.policy.initial_state(N), observation()
    assert torch.equal(one.policy.act(obs, hidden)[0], two.policy.act(obs, hidden)[0])
    assert not list(two.policy.teacher.parameters())
    assert sorted(p.name for p in (tmp_path / "student").iterdir()) == [
        "policy.json",
        "policy.safetensors",
    ]


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"kind": "oracle"}, "'oracle'"),
        ({"hats": 3}, "hats"),
        ({"teacher": {}}, "observation"),
        ({"adapter": {"width": 0}}, "adapter.width >= 1"),
    ],
)
def test_an_unknown_kind_or_a_damaged_card_is_refused(
    change: dict[str, Any], hint: str, tmp_path: Path
) -> None:
    path = bundle_of().save(tmp_path / "student") / "policy.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"architecture": card["architecture"] | change}))
    with pytest.raises(BundleError, match=hint):
        PolicyBundle.load(tmp_path / "student")


@pytest.mark.parametrize("config", [{}, {"std": "state", "memory": "lstm"}])
def test_the_exported_file_acts_like_it(config: dict[str, Any], tmp_path: Path) -> None:
    bundle = bundle_of(**config)
    policy, batch = bundle.policy, 3
    runtime = load(export_bundle(bundle, tmp_path / "export").onnx_path)
    hidden = policy.initial_state(batch)
    runtime.reset(batch)
    for _ in range(5):
        x = torch.randn(batch, policy.spec.size())
        with torch.no_grad():
            action, hidden = policy.step_vector(x, hidden)
        np.testing.assert_allclose(runtime.act(x.numpy()), policy.clip(action).numpy(), atol=1e-5)


# -- what cannot work ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("teacher", "config", "hint"),
    [
        ({"memory": "gru"}, {}, "without memory"),
        ({}, {"base_term": "body.rate"}, "base term"),
    ],
)
def test_a_teacher_or_student_that_cannot_be_adapted_is_refused(
    teacher: dict[str, Any], config: dict[str, Any], hint: str
) -> None:
    with pytest.raises(RoboTSError, match=hint):
        student_of(teacher_of(**teacher), **config)


def test_a_teacher_that_knows_nothing_more_or_something_else_is_refused() -> None:
    with pytest.raises(RoboTSError, match="nothing to predict"):
        student_of(teacher_of(BODY))
    other = ObservationGroup("body", (Term("rate", 3, "deg/s"),), True)
    with pytest.raises(RoboTSError, match="'body' as the teacher reads it"):
        student_of(teacher_of(other, SECRET))
