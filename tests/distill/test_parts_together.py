"""Gates, labels, losses, heads and masks, each at work inside the loop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill import (
    DatasetConfig,
    DistillConfig,
    Distiller,
    GateConfig,
    Label,
    RollinConfig,
    RoutedTeacher,
    Schedule,
)
from robo_ts.distill.augment import AugmentConfig
from robo_ts.distill.diagnostics import Alarm
from robo_ts.distill.routing import by_env, by_group, by_observation, most_probable
from robo_ts.distill.sag import SagConfig
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.policy import Output
from tests.distill.parts import CAMERA, Knowing, N, last, make, student_of
from tests.distill.vec_env import Chase


@pytest.mark.parametrize(
    "loss", ["mse", "huber", "nll", "forward_kl", "reverse_kl", "balanced_kl", "sigma_l2"]
)
def test_every_loss_teaches(loss: str) -> None:
    distiller = make(loss=loss)
    first = distiller.learn_one()["action_error"]
    assert last(distiller)["action_error"] < 0.5 * first


def test_the_forward_divergences_interval_covers_what_it_says() -> None:
    measured = last(make(loss="forward_kl", final_learning_rate=1e-3), 60)
    assert measured["coverage_90"] == pytest.approx(0.9, abs=0.05)
    assert measured["imitation_gap"] > 0.0


def test_further_losses_and_heads_are_measured_and_weighted_by_schedule() -> None:
    falling = Schedule(1.0, 0.0, 0, 10, "linear")
    distiller = make(
        extra_losses={"nll": falling},
        auxiliary=["target"],
        latent_weight=Schedule(0.5),
    )
    first, end = distiller.learn_one(), last(distiller)
    assert end["loss_auxiliary"] < 0.3 * first["loss_auxiliary"]
    assert end["loss_latent"] < 0.5 * first["loss_latent"]
    wanted = end["loss"] + end["loss_auxiliary"] + 0.5 * end["loss_latent"]
    assert end["loss_total"] == pytest.approx(wanted, rel=1e-4)  # the schedule has ended


def test_the_gate_takes_over_from_a_student_that_is_far_off_and_hands_back() -> None:
    gate = GateConfig(kind="action", bound=0.5, release=0.5)
    distiller = make(rollin=RollinConfig(warmup_iterations=0, gate=gate))
    first, end = distiller.learn_one(), last(distiller)
    assert first["overridden"] > 0.3 > 0.1 > end["overridden"]


def test_a_gate_that_shut_opens_below_its_release_only() -> None:
    gate = make(rollin=RollinConfig(gate=GateConfig(kind="action", bound=0.4, release=0.5))).gate
    said = Output(torch.zeros(N, 2), None, torch.zeros(N, 1))
    for distance, shut in ((0.3, False), (0.5, True), (0.3, True), (0.1, False), (0.3, False)):
        label = Label(torch.full((N, 2), distance))
        assert bool(gate.step(said, said.action, label, None).all()) == shut
    gate.step(said, said.action, Label(torch.ones(N, 2)), None)
    done = torch.arange(N) < 5
    gate.reset(done)
    assert torch.equal(gate.over, ~done)


def test_the_failure_gate_foresees_what_will_fail() -> None:
    gate = GateConfig(kind="failure", bound=0.5, takes_over=False)
    distiller = make(rollin=RollinConfig(warmup_iterations=0, gate=gate))
    assert last(distiller)["loss_failure"] < 0.6


def test_s_aware_gating_asks_for_less_and_finds_a_threshold() -> None:
    gate = GateConfig(
        kind="sag", labels=True, takes_over=False, tolerance=0.3, sag=SagConfig(value=0.7)
    )
    distiller = make(loss="nll", rollin=RollinConfig(warmup_iterations=0, gate=gate))
    end = last(distiller, 30)
    assert 0.05 < end["labelled"] < 0.95
    assert "gate_threshold" in end


@torch.no_grad()
def test_plans_found_right_become_data() -> None:
    gate = GateConfig(kind="action", bound=1e-9, takes_over=False, tolerance=10.0, validated=True)
    distiller = make(rollin=RollinConfig(warmup_iterations=0, gate=gate), normalizer_iterations=0)
    measured = distiller._gather()
    kept = distiller.dataset.newest()
    plans, _ = distiller.student.sequence(kept.obs, kept.hidden, kept.starts)
    assert torch.allclose(kept.label, plans, atol=1e-6)  # every label is the student's own plan
    assert measured["validated"] == 1.0
    assert measured["action_error"] > 0.1  # and the teacher would have said something else


class Judging(Chase):
    """Finds plans right that reach for the right side, however far."""

    def judge_plan(self, actions: Tensor) -> Tensor:
        return actions[:, 0] * self.target[:, 0] > 0


@pytest.mark.parametrize("kind", ["none", "action"])
def test_where_the_task_judges_plans_those_it_finds_right_become_data(kind: str) -> None:
    gate = GateConfig(kind=kind, bound=0.5, release=1.0, takes_over=False, validated=True)
    env = Judging(N)
    distiller = make(env=env, rollin=RollinConfig(warmup_iterations=0, gate=gate))
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    judge = env.judge_plan

    def watched(actions: Tensor) -> Tensor:
        seen.append((actions.clone(), env.target.clone(), judge(actions)))
        return seen[-1][-1]

    env.judge_plan = watched  # type: ignore[method-assign]
    measured = distiller._gather()
    kept = distiller.dataset.newest()
    plans, targets, right = (torch.stack(values) for values in zip(*seen, strict=True))
    asked = (plans - targets).abs().amax(dim=-1) > 0.5 if kind == "action" else right
    taken = right & asked
    assert 0.0 < float(taken.float().mean()) < 1.0
    assert torch.equal(kept.label, torch.where(taken[..., None], plans, targets))
    assert measured["validated"] == pytest.approx(float(taken.float().mean()))


def test_only_the_episodes_asked_for_are_learnt_from() -> None:
    for episodes, sign in (("successes", 1.0), ("failures", -1.0)):
        distiller = make(Knowing(shift=0.0), episodes=episodes)
        distiller._gather()
        kept = distiller.dataset.newest()
        outcome = kept.fields["outcome"]
        assert (outcome[kept.valid] * sign >= 0).all()
        assert (outcome != 0).any() and not kept.valid[outcome * sign < 0].any()


def test_an_averaged_student_follows_the_student_slowly() -> None:
    distiller = make(ema=0.9)
    start = [p.clone() for p in distiller.policy().parameters()]
    last(distiller, 3)
    pairs = zip(start, distiller.policy().parameters(), distiller.student.parameters(), strict=True)
    for before, mine, theirs in pairs:
        if not torch.equal(before, theirs):
            assert not torch.equal(mine, before) and not torch.equal(mine, theirs)
    assert distiller.policy() is not distiller.student


@pytest.mark.parametrize(("loss", "stored"), [("mse", False), ("nll", False), ("sigma_l2", True)])
def test_the_teachers_standard_deviation_is_stored_where_a_loss_needs_it(
    loss: str, stored: bool
) -> None:
    assert (make(loss=loss).dataset.newest().std is not None) == stored


def test_labels_drawn_from_the_teachers_distribution_scatter() -> None:
    distiller = make(label="sample")
    distiller._gather()
    newest = distiller.dataset.newest()
    assert float(newest.label.std(dim=0).mean()) > 0.15


def test_images_are_learnt_from_as_bytes_with_augmentation() -> None:
    student = student_of(CAMERA, channels=[8, 8], image_features=16)
    distiller = make(
        student=student, env=Chase(N, camera=True), augment=AugmentConfig(shift=1, brightness=0.1)
    )
    assert distiller.dataset.newest().obs["camera"].dtype == torch.uint8
    first = distiller.learn_one()["action_error_0"]
    assert last(distiller)["action_error_0"] < 0.5 * first


def test_bfloat16_teaches_as_well() -> None:
    distiller = make(bf16=True)
    first = distiller.learn_one()["action_error"]
    assert last(distiller)["action_error"] < 0.6 * first


@pytest.mark.parametrize("kind", ["reservoir", "prioritised"])
def test_other_data_sets_teach_as_well(kind: str) -> None:
    distiller = make(dataset=DatasetConfig(kind=kind, window=4))
    first = distiller.learn_one()["action_error"]
    assert last(distiller)["action_error"] < 0.5 * first


def test_an_evaluation_is_made_when_it_is_due() -> None:
    seen: list[Policy] = []
    config = DistillConfig(
        num_envs=N, steps_per_iteration=5, bptt_length=5, minibatches=1, evaluate_every=2
    )

    def evaluate(policy: Policy) -> dict[str, float]:
        seen.append(policy)
        return {"success": 0.5}

    distiller = Distiller(Chase(N), Knowing(), student_of(), config, evaluate=evaluate)
    rows = [distiller.learn_one() for _ in range(4)]
    assert ["evaluated_success" in row for row in rows] == [False, True, False, True]
    assert seen == [distiller.student] * 2


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_everything_at_once_resumes_bit_by_bit(optimizer: str) -> None:
    class Restorable(Chase):
        def state_dict(self) -> dict[str, Any]:
            names = ("target", "episode_length_buf")
            return {n: getattr(self, n) for n in names} | {"rng": self.generator.get_state()}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.target, self.episode_length_buf = state["target"], state["episode_length_buf"]
            self.generator.set_state(state["rng"])

    def build() -> Distiller:
        return make(
            env=Restorable(N),
            loss="nll",
            ema=0.9,
            optimizer=optimizer,
            auxiliary=["target"],
            label="sample",
            episodes="failures",
            dataset=DatasetConfig(kind="reservoir", window=3),
            rollin=RollinConfig(
                warmup_iterations=1,
                beta=0.5,
                gate=GateConfig(kind="sag", labels=True, sag=SagConfig(value=0.8)),
            ),
        )

    one, other = build(), build()
    for _ in range(4):
        one.learn_one()
    other.load_state_dict(one.state_dict())
    for _ in range(4):
        assert one.learn_one() == other.learn_one()
    for a, b in zip(one.student.parameters(), other.student.parameters(), strict=True):
        assert torch.equal(a, b)


# -- routing ---------------------------------------------------------------------------------------


def labels(*values: float) -> list[Label]:
    return [Label(torch.full((4, 2), value)) for value in values]


def test_each_world_hears_the_teacher_in_charge() -> None:
    teachers = [Knowing(shift=0.0), Knowing(shift=5.0)]
    obs = TensorDict({"target": torch.zeros(4, 2)}, batch_size=[4])
    own = Output(torch.zeros(4, 2), None, torch.zeros(4, 1))
    routed = RoutedTeacher(teachers, by_env(torch.tensor([0, 1, 1, 0])))
    label = routed.label(obs, own)
    assert label.action[:, 0].tolist() == [0.0, 5.0, 5.0, 0.0]
    assert label.std is not None and label.latent is not None
    with pytest.raises(RoboTSError, match="teacher numbers from 0 to 1"):
        RoutedTeacher(teachers, by_env(torch.tensor([0, 2, 1, 0]))).label(obs, own)


def test_routes_by_group_by_observation_and_by_probability() -> None:
    spec = ObservationSpec([ObservationGroup("body", (Term("x", 2), Term("upright", 1)), True)])
    obs = TensorDict(
        {
            "which": torch.tensor([[1], [0], [1], [1]]),
            "body": torch.tensor([[0, 0, v] for v in (-0.5, 0.2, 0.7, 0.9)]),
        },
        batch_size=[4],
    )
    own = Output(torch.tensor([[0.1, 0], [0.9, 1], [0, 0], [2, 2]]), None, torch.zeros(4, 1))
    two = labels(0.0, 1.0)
    assert by_group("which")(obs, own, two).tolist() == [1, 0, 1, 1]
    route = by_observation(spec, "body.upright", [0.2, 0.8])
    assert route(obs, own, two).tolist() == [0, 1, 1, 2]
    assert most_probable(obs, own, two).tolist() == [0, 1, 0, 1]
    with pytest.raises(RoboTSError, match="upright"):
        by_observation(spec, "body.uprigt", [0.0])


def test_the_alarm_rings_when_loss_and_success_fall_together_only() -> None:
    def rings(loss: list[float], success: list[float]) -> bool:
        alarm = Alarm(span=5)
        heard = [
            alarm.rings({"loss": a, "success": b, "episodes": 200.0, "teacher_acts": 0.0})
            for a, b in zip(loss, success, strict=True)
        ]
        return any(heard)

    falling = [1.0 - 0.05 * i for i in range(10)]
    assert rings(falling, falling)
    assert not rings(falling, falling[::-1])
    assert not rings(falling[::-1], falling)
    assert not rings([1.0] * 10, [0.8, 0.7] * 5)
