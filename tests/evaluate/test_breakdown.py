"""Success per variant, per class, and against a threshold."""

from __future__ import annotations

import math

import pytest
import torch

from robo_ts.evaluate.breakdown import break_down, by_class, curve, per_variant


def test_every_variant_counts_alike_however_often_it_was_drawn() -> None:
    variant = torch.tensor([3] * 90 + [8] * 10)
    success = torch.tensor([True] * 90 + [False] * 10)
    found = per_variant(variant, success)
    assert found["mean"] == 0.5
    assert found["variants"] == 2 and found["never"] == 1
    assert found["worst_tenth"] == 0.0


def test_the_interval_over_variants_narrows_with_their_number() -> None:
    def width(count: int) -> float:
        variant = torch.arange(count).repeat_interleave(4)
        success = torch.arange(4 * count) % 8 < 5
        low, high = per_variant(variant, success)["ci95"]
        assert low < 0.625 < high
        return high - low

    assert width(400) == pytest.approx(0.5 * width(100), rel=0.02)


def test_all_or_nothing_still_has_an_interval() -> None:
    low, high = per_variant(torch.arange(50), torch.ones(50, dtype=torch.bool))["ci95"]
    assert 0.9 < low < 1.0 and high == 1.0


def test_a_curve_counts_what_is_at_most_the_threshold() -> None:
    values = torch.tensor([0.01, 0.05, 0.2, math.inf, math.nan])
    shares = [point["share"] for point in curve(values, [0.01, 0.1, 1.0])]
    assert shares == [0.2, 0.4, pytest.approx(0.6)]


def test_classes_without_episodes_are_left_out() -> None:
    found = by_class(
        torch.tensor([0, 0, 2]), torch.tensor([True, False, True]), ("cup", "ring", "slab")
    )
    assert set(found) == {"cup", "slab"}
    assert found["cup"]["mean"] == 0.5 and found["cup"]["episodes"] == 2


def test_only_what_is_measured_is_broken_down() -> None:
    assert break_down({"success": torch.tensor([True])}, {}, {}) == {}
