"""Elo ratings by maximum likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from robo_ts.evaluate.ratings import elo


def test_ratings_give_back_the_odds_the_results_were_made_with() -> None:
    true = np.array([1200.0, 1000.0, 950.0, 850.0])
    games = 100_000 * (1 - np.eye(4, dtype=int))
    expected = 1.0 / (1.0 + 10.0 ** ((true[None] - true[:, None]) / 400.0))
    points = games * expected
    assert elo(points.tolist(), games.tolist()) == pytest.approx(true, abs=0.1)


def test_ratings_keep_their_mean_and_stay_finite_for_who_never_lost() -> None:
    found = elo([[0, 10, 10], [0, 0, 10], [0, 0, 0]], [[0, 10, 10], [10, 0, 10], [10, 10, 0]])
    assert sum(found) / 3 == pytest.approx(1000.0)
    assert found[0] > found[1] > found[2] and found[0] < 2000.0


def test_ties_only_rate_everyone_alike() -> None:
    assert elo([[0, 5], [5, 0]], [[0, 10], [10, 0]]) == pytest.approx([1000.0, 1000.0])


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        elo([[0, 1]], [[0, 1]])
    with pytest.raises(ValueError, match="symmetric"):
        elo([[0, 1], [0, 0]], [[0, 1], [2, 0]])
