"""Strength from results: Elo ratings that explain a table of matches best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def elo(
    points: Sequence[Sequence[float]], games: Sequence[Sequence[int]], anchor: float = 1000.0
) -> list[float]:
    """Ratings of all contestants, by maximum likelihood (Bradley and Terry 1952; Hunter 2004, MM).

    A difference of 400 means odds of ten to one (Elo 1978). Ties count as half wins. Everyone is
    also given one tie against each other, so that who never lost has a finite rating.

    Args:
        points: ``points[i][j]`` are the wins and half ties of i against j.
        games: ``games[i][j]`` how often they met.
        anchor: mean of the ratings.

    Raises:
        ValueError: for tables that are not square or do not fit each other.
    """
    won, met = np.asarray(points, dtype=np.float64), np.asarray(games, dtype=np.float64)
    count = len(won)
    if won.shape != (count, count) or met.shape != won.shape or not np.allclose(met, met.T):
        raise ValueError(
            f"need two square tables, games symmetric; got {won.shape} and {met.shape}"
        )
    apart = 1.0 - np.eye(count)
    met = (met + 1.0) * apart
    total = ((won + 0.5) * apart).sum(axis=1)
    strength = np.ones(count)
    for _ in range(10_000):
        new = total / (met / (strength[:, None] + strength[None, :])).sum(axis=1)
        new /= np.exp(np.log(new).mean())
        moved = float(np.abs(np.log(new / strength)).max())
        strength = new
        if moved < 1e-10:
            break
    scale = 400.0 / math.log(10.0)
    return [float(anchor + scale * value) for value in np.log(strength)]
