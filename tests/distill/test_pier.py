"""Prioritised replay: the paper's limits, hand-computed priorities, and an unbiased draw."""

from __future__ import annotations

import pytest
import torch

from robo_ts.distill.pier import PierConfig, importance_weights, priorities, sample
from robo_ts.errors import RoboTSError

RAW = PierConfig(least=1e-9)


def priority(u: float, r: float, k: int, config: PierConfig = RAW) -> float:
    """Of an entry among others that set the scale: greatest uncertainty 2, newest round 10."""
    uncertainty = torch.tensor([u, 2.0], dtype=torch.float64)
    outcome, age = torch.tensor([r, 0.0], dtype=torch.float64), torch.tensor([k, 10])
    return float(priorities(uncertainty, outcome, age, config)[0])


def test_priorities_agree_with_a_calculation_by_hand() -> None:
    # u / max u = 0.5, k / max k = 0.8: c = 0.25 + 0.1 = 0.35; (10^0.65 - 1) / 9 = 0.38520
    assert priority(1.0, -1.0, 8) == pytest.approx(1.38520, abs=1e-5)
    assert priority(1.0, 1.0, 8) == pytest.approx(0.61480, abs=1e-5)
    # lambda 0.25, b 4: c = 0.125 + 0.15 = 0.275; (4^0.725 - 1) / 3 = 0.57736
    config = PierConfig(uncertainty_share=0.25, base=4.0)
    assert priority(1.0, -1.0, 8, config) == pytest.approx(1.57736, abs=1e-5)


def test_recent_certain_failures_have_priority_two_and_successes_none() -> None:
    assert priority(0.0, -1.0, 10) == pytest.approx(2.0)
    assert priority(0.0, 1.0, 10) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("outcome", [-1.0, 1.0])
def test_the_old_and_the_uncertain_keep_the_usual_priority(outcome: float) -> None:
    assert priority(2.0, outcome, 0) == pytest.approx(1.0)
    assert priority(2.0, outcome, 5, PierConfig(uncertainty_share=1.0)) == pytest.approx(1.0)
    assert priority(0.0, outcome, 0, PierConfig(uncertainty_share=0.0)) == pytest.approx(1.0)


def test_what_nobody_judged_keeps_the_usual_priority() -> None:
    assert priority(0.0, 0.0, 10) == 1.0


def test_no_priority_is_zero() -> None:
    assert priority(0.0, 1.0, 10, PierConfig()) == PierConfig().least > 0.0


def test_a_first_round_without_any_uncertainty_is_no_division_by_zero() -> None:
    found = priorities(torch.zeros(3), torch.tensor([1.0, -1.0, 0.0]), torch.zeros(3).long(), RAW)
    assert torch.allclose(found, torch.tensor([0.0, 2.0, 1.0]), atol=1e-6)


def test_entries_are_drawn_in_proportion_to_the_power_of_their_priority() -> None:
    chosen = torch.tensor([2.0, 1.0, 0.5])
    ids = sample(chosen, 2.0, 100_000, torch.Generator().manual_seed(0))
    shares = torch.bincount(ids, minlength=3) / len(ids)
    assert torch.allclose(shares, torch.tensor([4.0, 1.0, 0.25]) / 5.25, atol=0.01)


def test_a_draw_repeats_with_its_generator_and_alpha_zero_is_uniform() -> None:
    chosen = torch.rand(50) + 0.01
    one, two = (sample(chosen, 1.5, 20, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two) and one.dtype == torch.long
    ids = sample(chosen, 0.0, 100_000, torch.Generator().manual_seed(0))
    assert int(torch.bincount(ids).min()) > 1700


def test_weights_agree_with_a_calculation_by_hand() -> None:
    # P = 4/5, 1/5 of two entries: (1 / (2 P)) = 0.625, 2.5
    chosen = torch.tensor([2.0, 1.0])
    assert importance_weights(chosen, 2.0, 1.0).tolist() == pytest.approx([0.25, 1.0])
    assert importance_weights(chosen, 2.0, 0.5).tolist() == pytest.approx([0.5, 1.0])
    assert importance_weights(chosen, 2.0, 0.0).tolist() == [1.0, 1.0]


def test_weights_are_scaled_by_the_greatest_of_the_minibatch() -> None:
    chosen = torch.tensor([0.01, 1.0, 2.0])
    weights = importance_weights(chosen, 1.0, 1.0, torch.tensor([1, 2, 2]))
    assert weights.tolist() == pytest.approx([1.0, 0.5, 0.5])
    assert weights.dtype == torch.float32


def test_fully_weighted_draws_estimate_the_plain_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    values, chosen = torch.rand(200, generator=generator), torch.rand(200, generator=generator)
    chosen = chosen * 1.9 + 0.1
    ids = sample(chosen * (1 + values), 1.5, 200_000, generator)
    weights = importance_weights(chosen * (1 + values), 1.5, 1.0, ids)
    assert float((weights * values[ids]).sum() / weights.sum()) == pytest.approx(
        float(values.mean()), abs=0.01
    )


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"uncertainty_share": 1.5}, "uncertainty_share"),
        ({"base": 1.0}, "base > 1"),
        ({"alpha": -1.0}, "alpha >= 0"),
        ({"beta": 2.0}, "beta"),
        ({"least": 0.0}, "least"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float], hint: str) -> None:
    with pytest.raises(RoboTSError, match=hint):
        PierConfig(**wrong)


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(RoboTSError, match="three arrays"):
        priorities(torch.ones(3), torch.ones(2), torch.ones(3), PierConfig())
