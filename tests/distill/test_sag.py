"""S-Aware Gating: thresholds by hand, its promise on a drifting novice, and its book-keeping."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from robo_ts.bench.methods.sag import novice, run, run_once
from robo_ts.distill.sag import SagConfig, SAwareGate, imputed, logistic_fit, shifted, thresholds
from robo_ts.errors import RoboTSError

LADDER = np.array([0.5, 0.1, 0.4, 0.2, 0.3])
FAILS = np.array([[True, False, True, True, False]])  # at 0.5, 0.4 and 0.2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def threshold(target: str, value: float, random_share: float = 0.0) -> float:
    config = SagConfig(target=target, value=value, random_share=random_share)
    return float(thresholds(LADDER, FAILS, config)[0])


def teach(gate: SAwareGate, updates: int = 6, count: int = 300, begin: int = 0) -> None:
    """Let the gate see the benchmark's novice."""
    for k in range(begin, begin + updates):
        uncertainty, fails = novice(k, 100, count, 0)
        asked = gate.query(uncertainty, generator(k))
        gate.record(uncertainty, torch.where(fails, -1, 1), asked, k)
        gate.update(k + 1)


@pytest.mark.parametrize(
    ("target", "value", "random_share", "wanted"),
    [
        ("sensitivity", 0.3, 0.0, 0.5),
        ("sensitivity", 0.6, 0.0, 0.4),
        ("sensitivity", 0.7, 0.0, 0.2),
        ("sensitivity", 1.0, 0.0, 0.2),
        ("sensitivity", 0.7, 0.5, 0.4),  # 2/3 + 1/3 * 0.5
        ("sensitivity", 0.5, 0.5, math.inf),
        ("specificity", 0.5, 0.0, 0.2),
        ("specificity", 0.6, 0.0, 0.4),
        ("specificity", 0.5, 0.5, 0.4),
        ("success", 0.4, 0.0, math.inf),
        ("success", 0.6, 0.0, 0.5),
        ("success", 0.9, 0.0, 0.2),
        ("success", 0.7, 0.5, math.inf),
    ],
)
def test_thresholds_of_known_outcomes_agree_with_counting(
    target: str, value: float, random_share: float, wanted: float
) -> None:
    assert threshold(target, value, random_share) == wanted


def test_equal_uncertainties_are_asked_about_together() -> None:
    tied, fails = np.array([1.0, 2.0, 2.0, 2.0]), np.array([[False, True, False, True]])
    for value in (0.1, 0.5, 1.0):
        config = SagConfig(value=value, random_share=0.0)
        assert thresholds(tied, fails, config).tolist() == [2.0]


def test_the_trend_over_updates_is_taken_out_up_to_the_wanted_update() -> None:
    index = np.repeat(np.arange(10.0), 3)
    noise = np.tile([-0.1, 0.0, 0.1], 10)
    found = shifted(5.0 - 0.2 * index + noise, index, 12)
    assert np.allclose(found, 5.0 - 0.2 * 12 + noise)
    assert np.array_equal(shifted(noise[:3], np.full(3, 7.0), 9), noise[:3])


def test_the_logistic_regression_finds_the_odds_it_was_drawn_with() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, 20_000)
    yes = rng.random(len(x)) < 1.0 / (1.0 + np.exp(1.0 - 0.7 * x))
    assert logistic_fit(x, yes, np.ones(len(x))) == pytest.approx((-1.0, 0.7), abs=0.06)


def test_weights_make_up_for_labels_that_are_missing() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=40_000)
    yes = rng.random(len(x)) < np.where(x > 0, 0.8, 0.1)  # a step, no logistic curve
    kept = (x > 0) | (rng.random(len(x)) < 0.1)
    whole = logistic_fit(x, yes, np.ones(len(x)))
    weighted = logistic_fit(x[kept], yes[kept], np.where(x[kept] > 0, 1.0, 10.0))
    plain = logistic_fit(x[kept], yes[kept], np.ones(kept.sum()))
    assert weighted == pytest.approx(whole, abs=0.1)
    assert abs(plain[1] - whole[1]) > 0.3


@pytest.mark.parametrize("yes", [[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]])
def test_a_regression_on_kinds_that_do_not_overlap_stays_finite(yes: list[int]) -> None:
    found = logistic_fit(np.array([-2.0, -1.0, 1.0, 2.0]), np.array(yes, dtype=bool), np.ones(4))
    assert np.isfinite(found).all() and abs(found[1]) < 30


def test_known_outcomes_stay_and_unknown_ones_are_drawn() -> None:
    rng = np.random.default_rng(0)
    uncertainty = np.linspace(0, 1, 400)
    outcome = np.where(np.arange(400) % 2, 0.0, np.where(uncertainty > 0.5, -1.0, 1.0))
    failed = imputed(uncertainty, outcome, np.ones(400), 8, rng)
    assert failed.shape == (8, 400)
    assert (failed[:, ::2] == (outcome[::2] == -1)).all()
    assert (failed[:, 1:100:2].mean() < 0.02) and (failed[:, 301::2].mean() > 0.98)


def test_the_unit_of_uncertainty_does_not_matter_to_imputation() -> None:
    uncertainty, fails = (x.numpy() for x in novice(0, 2, 500, 0))
    outcome = np.where(np.arange(500) % 3, 0.0, np.where(fails, -1.0, 1.0))
    one, two = (
        imputed(u, outcome, np.ones(500), 3, np.random.default_rng(1))
        for u in (uncertainty, np.log(uncertainty))
    )
    assert np.array_equal(one, two)


def test_everything_is_asked_until_enough_failures_are_known() -> None:
    gate = SAwareGate(SagConfig(least_relevant=5))
    for k, failures in enumerate((4, 1)):
        asked = gate.query(torch.rand(20), generator())
        assert asked.all()
        outcome = torch.ones(20)
        outcome[:failures] = -1
        gate.record(torch.rand(20), outcome, asked, k)
        gate.update()
        assert math.isfinite(gate.threshold()) == (k == 1)


def test_outcomes_of_what_was_not_asked_are_not_looked_at() -> None:
    gates = [SAwareGate(SagConfig(least_relevant=5), seed=1) for _ in range(2)]
    uncertainty, fails = novice(0, 2, 400, 0)
    asked = torch.arange(400) % 2 == 0
    outcome = torch.where(fails, -1, 1)
    gates[0].record(uncertainty, outcome, asked, 0)
    gates[1].record(uncertainty, torch.where(asked, outcome, -outcome), asked, 0)
    assert gates[0].update() == gates[1].update()


def test_queries_are_the_uncertain_and_some_by_chance() -> None:
    gate = SAwareGate(SagConfig(random_share=0.1))
    teach(gate)
    uncertainty, _ = novice(6, 100, 20_000, 1)
    asked = gate.query(uncertainty, generator())
    above = uncertainty >= gate.threshold()
    assert asked[above].all()
    assert float(asked[~above].double().mean()) == pytest.approx(0.1, abs=0.02)
    assert torch.equal(asked, gate.query(uncertainty, generator()))


def test_uncertainty_that_is_no_number_is_asked_about() -> None:
    gate = SAwareGate(SagConfig(random_share=0.0))
    teach(gate)
    assert gate.query(torch.tensor([math.nan, 0.0]), generator()).tolist() == [True, False]


def test_a_budget_is_never_exceeded_and_its_rest_goes_to_the_most_uncertain() -> None:
    gate = SAwareGate(SagConfig(budget=5))
    asked = gate.query(torch.tensor([0.1, 0.3, 0.2]), generator())
    assert asked.all() and gate.spent == 3
    asked = gate.query(torch.tensor([0.1, 0.3, math.nan, 0.2]), generator())
    assert asked.tolist() == [False, True, True, False] and gate.spent == 5
    assert not gate.query(torch.full((50,), math.inf), generator()).any()
    assert gate.spent == 5


def test_the_history_is_bounded_to_the_newest() -> None:
    gate = SAwareGate(SagConfig(history=1000, least_relevant=10, least_updates=5))
    teach(gate, updates=8)
    kept = gate.state_dict()["history"]
    assert isinstance(kept, Tensor)
    index, counts = kept[:, 3].unique(return_counts=True)
    assert index.tolist() == [3, 4, 5, 6, 7] and counts.tolist() == [200] * 5


def test_saving_in_the_middle_of_a_round_changes_nothing() -> None:
    thresholds = []
    for saves in (False, True):
        gate = SAwareGate(SagConfig(history=1000), seed=3)
        for k in range(4):
            for part in range(3):
                uncertainty, fails = novice(k, 100, 200, part)
                asked = gate.query(uncertainty, generator(part))
                gate.record(uncertainty, torch.where(fails, -1, 1), asked, k)
                if saves:
                    state, gate = gate.state_dict(), SAwareGate(gate.config, seed=3)
                    gate.load_state_dict(state)
            gate.update(k + 1)
        thresholds.append(gate.threshold())
    assert thresholds[0] == thresholds[1] and math.isfinite(thresholds[0])


def test_a_gate_that_was_saved_goes_on_bit_by_bit() -> None:
    whole, first = (SAwareGate(SagConfig(), seed=3) for _ in range(2))
    teach(whole, 6)
    teach(first, 3)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    first.record(torch.rand(9), torch.ones(9), torch.ones(9).bool(), 99)  # a save is a copy
    other = SAwareGate(SagConfig(), seed=3)
    other.load_state_dict(torch.load(file, weights_only=True))
    teach(other, 3, begin=3)
    one, two = whole.state_dict(), other.state_dict()
    assert one.keys() == two.keys() and math.isfinite(whole.threshold())
    for name, value in one.items():
        same = two[name]
        assert torch.equal(value, same) if isinstance(same, Tensor) else value == same  # type: ignore[arg-type]


def test_a_short_run_holds_its_target_where_a_frozen_threshold_does_not() -> None:
    found = run(seeds=range(2), targets=(0.7,), aims=("sensitivity",), updates=100)
    gate, frozen = found["results"]
    assert abs(gate["error"]) <= 0.06 < abs(frozen["error"])
    assert gate["saved"]["mean"] > 0.4


def test_the_same_seed_gives_the_same_figures() -> None:
    one, two = (run_once(SagConfig(), 4, updates=12) for _ in range(2))
    assert one == two != run_once(SagConfig(), 5, updates=12)


@pytest.mark.slow
def test_sensitivity_is_held_within_six_hundredths_while_the_novice_changes() -> None:
    found = run(aims=("sensitivity",))
    for row in found["results"]:
        if row["arm"] == "gate":
            assert abs(row["error"]) <= 0.06, row


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"target": "sensitivty"}, "sensitivity"),
        ({"value": 0.0}, "value"),
        ({"target": "specificity", "value": 0.95}, "0.9"),
        ({"random_share": 1.0}, "random_share"),
        ({"imputations": 0}, "imputations"),
        ({"history": 10}, "history"),
        ({"budget": -1}, "budget"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(RoboTSError, match=hint):
        SagConfig(**wrong)


def test_records_that_make_no_sense_are_refused() -> None:
    gate = SAwareGate(SagConfig())
    asked = torch.ones(2, dtype=torch.bool)
    gate.record(torch.rand(2), torch.ones(2), asked, 4)
    with pytest.raises(RoboTSError, match="update_index"):
        gate.record(torch.rand(2), torch.ones(2), asked, 3)
    with pytest.raises(RoboTSError, match="three arrays"):
        gate.record(torch.rand(2), torch.ones(3), asked, 4)
    with pytest.raises(RoboTSError, match="finite"):
        gate.record(torch.tensor([0.0, math.nan]), torch.ones(2), asked, 4)
