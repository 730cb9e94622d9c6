"""What a teacher knows and its student cannot: labels that do not count, pictures without physics,
and heads that go on to learn in reward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill import RollinConfig
from robo_ts.distill.dataset import VALID
from robo_ts.distill.heads import Heads
from robo_ts.distill.reinforce import Reinforcer
from robo_ts.distill.reinforce_config import ReinforceConfig
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies.normalizer import Normalizer
from tests.distill.parts import GLIMPSE, Knowing, make, student_of
from tests.distill.vec_env import Chase

N = 32
TARGET = ObservationGroup("target", (Term("position", 2, "m"),), False)


class Sighted(Chase):
    """Says which worlds show their target: those right of the middle. It can be reset."""

    def get_observations(self) -> TensorDict:
        obs = super().get_observations()
        obs["sight"] = (self.target[:, :1] > 0.0).float()
        return obs

    def reset(self) -> TensorDict:
        self.target = self._draw(self.num_envs)
        self.episode_length_buf[:] = 0
        return self.get_observations()


def tuner(**config: Any) -> Reinforcer:
    settings: dict[str, Any] = {"steps_per_iteration": 12, "minibatches": 2, "critic": [16]}
    return Reinforcer(
        Sighted(N),
        Knowing(),
        student_of(std="constant"),
        ObservationSpec([GLIMPSE, TARGET]),
        ReinforceConfig(**(settings | config)),
    )


def test_labels_count_only_where_the_student_can_know_their_reason() -> None:
    distiller = make(env=Sighted(N), known="sight", rollin=RollinConfig(warmup_iterations=3))
    distiller.learn_one()
    fields = distiller.dataset.newest().fields
    right = fields["label"][..., 0] > 0.0
    assert fields[VALID].any() and not fields[VALID].all()
    # Where a label does not count it is stored as zero.
    assert torch.equal(fields[VALID], right)
    everywhere = make(env=Sighted(N))
    everywhere.learn_one()
    assert everywhere.dataset.newest().fields[VALID].all()


def test_the_pull_of_the_teacher_counts_only_where_the_student_can_know_its_reason() -> None:
    batch, _ = tuner(known="sight")._gather()
    assert torch.equal(batch.valid, batch.label[..., 0] > 0.0)
    assert batch.valid.any() and not batch.valid.all()
    assert tuner()._gather()[0].valid.all()


@pytest.mark.parametrize("where", ["distill", "reinforce"])
def test_an_unknown_term_of_what_is_known_is_refused_by_name(where: str) -> None:
    with pytest.raises(RoboTSError, match="sigth"):
        make(env=Sighted(N), known="sigth") if where == "distill" else tuner(known="sigth")


def test_scattered_rounds_see_independent_beginnings_and_leave_statistics_alone() -> None:
    student = student_of()
    distiller = make(env=Sighted(N), student=student, scatter_iterations=2, normalizer_iterations=1)

    def count() -> float:
        assert isinstance(student.normalizer, Normalizer)
        return float(student.normalizer.count)

    for _ in range(2):
        measured = distiller.learn_one()
        fields = distiller.dataset.newest().fields
        # The row at a start is one of a new episode; the first of all began before.
        assert fields["starts"].all()
        label = fields["label"]
        assert (label[1:] != label[:-1]).any(dim=-1).all()
        assert measured["loss"] > 0.0 and count() == 0.0
    distiller.learn_one()
    fields = distiller.dataset.newest().fields
    assert not fields["starts"][1:].all() and count() > 0.0
    distiller.learn_one()
    assert count() == 20 * N


def test_heads_measure_in_the_spread_of_starts_first_and_of_whole_episodes_then() -> None:
    distiller = make(
        env=Sighted(N), auxiliary=["target"], scatter_iterations=2, normalizer_iterations=1
    )
    scale = next(iter(distiller.updater.heads.scales.values()))
    assert isinstance(scale, Normalizer)
    seen = []
    for _ in range(2):
        distiller.learn_one()
        seen.append(distiller.dataset.newest().fields["aux.target"])
    both = torch.cat(seen).flatten(0, 1)
    torch.testing.assert_close(scale.variance, both.var(dim=0, unbiased=False))
    for _ in range(2):  # the second is past normalizer_iterations
        distiller.learn_one()
        seen.append(distiller.dataset.newest().fields["aux.target"])
    later = seen[2].flatten(0, 1)
    torch.testing.assert_close(scale.mean, later.mean(dim=0))
    torch.testing.assert_close(scale.variance, later.var(dim=0, unbiased=False))


def test_scattered_rounds_need_an_environment_that_can_be_reset() -> None:
    with pytest.raises(RoboTSError, match="scatter_iterations"):
        make(scatter_iterations=1).learn_one()


def test_heads_of_distillation_go_on_to_learn_in_reward() -> None:
    distiller = make(env=Sighted(N), student=student_of(std="constant"), auxiliary=["target"])
    for _ in range(5):
        distiller.learn_one()
    heads = distiller.updater.heads
    settings = ReinforceConfig(steps_per_iteration=12, minibatches=2, auxiliary=["target"])
    critic = ObservationSpec([GLIMPSE, TARGET])
    learner = Reinforcer(Sighted(N), Knowing(), distiller.student, critic, settings, heads=heads)
    before = weights(heads)
    measured = learner.learn_one()
    assert learner.heads is heads and not same(before, weights(heads))
    fresh = tuner(auxiliary=["target"])
    losses = [fresh.learn_one()["auxiliary"] for _ in range(60)]
    assert measured["auxiliary"] < losses[0] and losses[-1] < 0.7 * losses[0]
    assert "auxiliary" not in tuner().learn_one()


def test_heads_are_part_of_what_is_resumed() -> None:
    one, two = (tuner(auxiliary=["target"]) for _ in range(2))
    for _ in range(2):
        one.learn_one()
    assert not same(weights(one.heads), weights(two.heads))
    two.load_state_dict(one.state_dict())
    assert same(weights(one.heads), weights(two.heads))


def weights(heads: Heads) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in heads.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)
