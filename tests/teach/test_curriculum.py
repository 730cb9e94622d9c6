"""Curricula over variants: stages that represent all, success on record, failures drawn more."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.errors import RoboTSError
from robo_ts.teach.curriculum import CurriculumConfig, VariantCurriculum
from robo_ts.teach.curriculum.clusters import k_means, representatives


class Variants:
    """Three heaps of variants: 30 at 0, 20 at 10, 10 at 20."""

    name = "variants"
    num_variants = 60

    def __init__(self) -> None:
        self.weights = torch.zeros(60)
        middle = torch.tensor([0.0] * 30 + [10.0] * 20 + [20.0] * 10)
        noise = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
        self.variant_features = torch.stack([middle, middle], dim=1) + 0.3 * noise

    def set_variant_weights(self, weights: Tensor) -> None:
        self.weights = weights


def heaps(ids: Tensor) -> set[int]:
    return {0 if i < 30 else 1 if i < 50 else 2 for i in ids.tolist()}


def curriculum(**settings: Any) -> tuple[Variants, VariantCurriculum]:
    env = Variants()
    config = CurriculumConfig(**({"kind": "geo", "stages": [1, 3, 0], "episodes": 2} | settings))
    return env, VariantCurriculum(env, config, seed=0)


def test_k_means_finds_the_heaps() -> None:
    centres = k_means(Variants().variant_features, 3, torch.Generator().manual_seed(1))
    assert sorted(round(float(c)) for c in centres[:, 0]) == [0, 10, 20]


def test_a_stage_represents_all_variants_and_keeps_those_before() -> None:
    order = representatives(Variants().variant_features, [1, 4, 60], seed=0)
    assert sorted(order.tolist()) == list(range(60))
    assert heaps(order[1:4]) == {0, 1, 2}
    again = representatives(Variants().variant_features, [1, 4, 60], seed=0)
    assert torch.equal(order, again)


def test_only_the_stages_variants_are_drawn() -> None:
    env, plan = curriculum()
    assert int((env.weights > 0).sum()) == 1
    first = int(plan.order[0])
    assert float(env.weights[first]) == 1.0


def test_the_next_stage_begins_when_the_last_is_mastered_and_known_well_enough() -> None:
    env, plan = curriculum()
    first = plan.order[:1]
    plan.add(first, torch.tensor([True]))
    assert plan.update()["variants"] == 1  # one episode says too little
    plan.add(first, torch.tensor([True]))
    assert plan.update()["variants"] == 3
    assert int((env.weights > 0).sum()) == 3
    plan.add(plan.order[:3].repeat(4), torch.zeros(12, dtype=torch.bool))
    assert plan.update()["variants"] == 3  # not mastered


def test_a_stage_lasts_no_longer_than_allowed() -> None:
    _, plan = curriculum(longest=2)
    assert [plan.update()["variants"] for _ in range(4)] == [1, 3, 3, 60]


def test_variants_that_fail_are_drawn_more_often() -> None:
    env, plan = curriculum(kind="none", focus=0.8)
    plan.add(torch.tensor([4] * 10 + [5] * 10), torch.tensor([True] * 10 + [False] * 10))
    plan.update()
    assert float(env.weights[4]) == pytest.approx(0.2)
    assert float(env.weights[5]) == 1.0 and float(env.weights[6]) == 1.0


def test_success_on_record_is_a_mean_that_forgets() -> None:
    _, plan = curriculum(memory=4)
    plan.add(torch.tensor([7, 7]), torch.tensor([True, False]))
    assert float(plan.success[7]) == 0.5
    for _ in range(30):
        plan.add(torch.tensor([7]), torch.tensor([True]))
    assert float(plan.success[7]) > 0.98
    assert plan.report()["episodes"][7] == 32


def test_a_restored_curriculum_goes_on_alike() -> None:
    env, plan = curriculum()
    plan.add(plan.order[:1].repeat(3), torch.ones(3, dtype=torch.bool))
    plan.update()
    other_env, other = curriculum(kind="geo")
    other.load_state_dict(plan.state_dict())
    assert torch.equal(env.weights, other_env.weights)
    assert other.stage == plan.stage == 1
    assert torch.equal(other.success, plan.success)


def test_a_task_without_variants_is_refused() -> None:
    with pytest.raises(RoboTSError, match="a task with variants"):
        VariantCurriculum(type("Plain", (), {"name": "plain"})(), CurriculumConfig("geo"), 0)


@pytest.mark.parametrize("stages", [[], [0, 5], [5, 3]])
def test_stages_that_do_not_rise_are_refused(stages: list[int]) -> None:
    with pytest.raises(RoboTSError, match="stages that rise"):
        CurriculumConfig("geo", stages=stages)
