"""Intervals that are honest at small counts."""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def wilson(successes: int, total: int, z: float = Z95) -> tuple[float, float]:
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
