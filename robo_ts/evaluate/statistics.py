"""Intervals that are honest at small counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z95 = 1.959963984540054


def wilson(successes: float, total: int, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927), 95% by default.

    Raises:
        ValueError: unless 0 <= successes <= total and total > 0.
    """
    if total <= 0 or not 0 <= successes <= total:
        raise ValueError(f"need 0 <= successes <= total and total > 0, got {successes} of {total}")
    p, zz = successes / total, z * z
    centre = (p + zz / (2 * total)) / (1 + zz / total)
    half = z / (1 + zz / total) * math.sqrt(p * (1 - p) / total + zz / (4 * total * total))
    # Exact ends, which rounding would miss by a hair.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == total else min(1.0, centre + half)
    return low, high


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """95% interval of the median by order statistics, whatever the distribution (Conover 1999,
    section 3.2): how many values lie below the median is binomial, here by its normal
    approximation, rounded to the safe side. NaN without values."""
    ordered, count = sorted(values), len(values)
    if not count:
        return float("nan"), float("nan")
    rank = math.floor(count / 2.0 - Z95 * math.sqrt(count) / 2.0) - 1
    low = max(rank, 0)
    return ordered[low], ordered[count - 1 - low]


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95% interval of the mean of many values, by their standard error; NaN without two."""
    if len(values) < 2:
        return float("nan"), float("nan")
    array = np.asarray(values, dtype=np.float64)
    half = Z95 * float(array.std(ddof=1)) / math.sqrt(len(array))
    return float(array.mean()) - half, float(array.mean()) + half


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that two policies measured on the same worlds succeed equally often.

    Args:
        only_first: worlds in which only the first policy succeeded.
        only_second: worlds in which only the second did.
    """
    total = only_first + only_second
    if total == 0:
        return 1.0
    smaller = min(only_first, only_second)
    # Sum of binomial(total, 1/2) probabilities, in logarithms because the coefficients overflow.
    log_half = -total * math.log(2.0)
    tail = sum(
        math.exp(
            math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) + log_half
        )
        for k in range(smaller + 1)
    )
    return min(1.0, 2.0 * tail)


def iqm(values: Sequence[float]) -> float:
    """Interquartile mean: the mean of the middle half (Agarwal et al. 2021), by weights at the
    edges, so that it is exact for any count.

    Raises:
        ValueError: for no values.
    """
    if not len(values):
        raise ValueError("need at least one value")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count = len(ordered)
    # Each value fills 1/count of the unit interval; what lies in [1/4, 3/4] counts.
    edges = np.arange(count + 1) / count
    weight = np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25)
    return float(np.average(ordered, weights=np.maximum(weight, 0.0)))


def bootstrap_interval(
    values: Sequence[float], seed: int = 0, draws: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the interquartile mean over seeds."""
    chance = np.random.default_rng(seed)
    array = np.asarray(values, dtype=np.float64)
    rows = array[chance.integers(len(array), size=(draws, len(array)))]
    low, high = np.quantile([iqm(row) for row in rows], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
