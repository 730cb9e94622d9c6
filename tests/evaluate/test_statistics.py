"""Intervals and paired comparison."""

import math

import numpy as np
import pytest
import torch

from robo_ts.evaluate.protocol import Episodes
from robo_ts.evaluate.report import compare_pairs, summarise
from robo_ts.evaluate.statistics import mcnemar, mean_interval, median_interval, wilson


def test_wilson_matches_published_values():
    # Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for successes, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(successes, total) == pytest.approx((low, high), abs=1e-4)


def test_wilson_ends_are_exact_at_zero_and_one():
    assert wilson(0, 64)[0] == 0.0
    assert wilson(64, 64)[1] == 1.0


def test_wilson_refuses_impossible_counts():
    with pytest.raises(ValueError, match="successes <= total"):
        wilson(3, 2)


def test_the_medians_interval_is_made_of_ranks():
    # Ranks 40 and 61 of 100 hold the median with 96.5%, 41 and 60 with 94.3% (binomial tables).
    values = [float(x) for x in range(100, 0, -1)]
    assert median_interval(values) == (40.0, 61.0)
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert all(math.isnan(end) for end in median_interval([]))


def test_the_intervals_of_median_and_mean_hold_what_they_promise():
    chance = np.random.default_rng(0)
    draws = chance.exponential(size=(1000, 60))
    for interval, truth in ((median_interval, math.log(2.0)), (mean_interval, 1.0)):
        ends = [interval(list(row)) for row in draws]
        held = sum(low <= truth <= high for low, high in ends) / len(ends)
        assert 0.92 < held < 0.99
    assert all(math.isnan(end) for end in mean_interval([1.0]))


def test_mcnemar_equals_the_binomial_tail():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 6) == pytest.approx(2 / 64)
    assert mcnemar(1, 9) == pytest.approx(2 * 11 / 1024)
    assert 0.0 <= mcnemar(400, 900) < 1e-40


def _episodes(success: list[bool], error: list[float], skill: list[float]) -> Episodes:
    flags = torch.tensor(success)
    return Episodes(
        {
            "success": flags,
            "success_ever": torch.ones_like(flags),
            "failure": (~flags).long(),
            "position_error_m": torch.tensor(error),
            "skill": torch.tensor(skill),
        },
        torch.full((len(success),), 10),
        torch.zeros(len(success)),
        ("none", "fell"),
    )


def test_summary_counts_failures_and_ignores_undefined_errors():
    episodes = _episodes([True, True, False], [0.1, 0.3, float("nan")], [1.0, 2.0, 3.0])
    report = summarise(episodes, {"skill": [0.0, 2.0, 4.0]})
    assert report["success"]["mean"] == pytest.approx(2 / 3)
    assert report["failures"] == {"none": 2, "fell": 1}
    assert report["position_error_m"]["mean"] == pytest.approx(0.2)
    assert [row["episodes"] for row in report["bins"]["skill"]] == [1, 2]


def test_pairs_count_the_same_worlds():
    first = _episodes([True, True, False, False], [0.0] * 4, [0.0] * 4)
    second = _episodes([True, False, True, True], [0.0] * 4, [0.0] * 4)
    pairs = compare_pairs(first, second)
    assert (pairs["both"], pairs["only_first"], pairs["only_second"]) == (1, 1, 2)
    assert pairs["difference"] == pytest.approx(0.25)
