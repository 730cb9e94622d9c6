"""Success taken apart: per variant of a task, per class, and against a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robo_ts.evaluate.statistics import Z95, wilson


def per_variant(variant: Tensor, success: Tensor) -> dict[str, Any]:
    """Success averaged over variants, such as objects, instead of over episodes.

    Resets draw easy variants more often than hard ones, where an episode that fails lasts longer;
    a mean over variants does not care.

    Args:
        variant: its number per episode, ``(n,)``.
        success: bool, ``(n,)``.

    Returns:
        ``mean``, ``ci95`` (over variants, as a sample of those one might meet), ``variants``,
        ``worst_tenth`` (mean of the worst tenth) and ``never`` (variants without any success).
    """
    numbers, where = torch.unique(variant, return_inverse=True)
    count = torch.bincount(where).double()
    total = torch.zeros(len(numbers), dtype=torch.double)
    rates = (total.index_add_(0, where, success.double()) / count).numpy()
    mean = float(rates.mean())
    half = Z95 * float(rates.std(ddof=1)) / np.sqrt(len(rates)) if len(rates) > 1 else 1.0
    low, high = max(0.0, mean - half), min(1.0, mean + half)
    if mean in (0.0, 1.0):  # no spread says nothing; Wilson's interval does
        low, high = wilson(int(success.sum()), len(success))
    tenth = max(len(rates) // 10, 1)
    return {
        "mean": mean,
        "ci95": [low, high],
        "variants": len(rates),
        "worst_tenth": float(np.sort(rates)[:tenth].mean()),
        "never": int((rates == 0.0).sum()),
    }


def curve(values: Tensor, thresholds: Sequence[float]) -> list[dict[str, float]]:
    """Share of episodes whose ``values (n,)`` are at most each threshold; NaN never is."""
    return [
        {"threshold": float(limit), "share": float((values <= limit).double().mean())}
        for limit in thresholds
    ]


def by_class(kind: Tensor, success: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Success per class, ``{name: {mean, ci95, episodes}}``; classes without episodes left out.

    Args:
        kind: index into ``names`` per episode, ``(n,)``.
        success: bool, ``(n,)``.
        names: of the classes.
    """
    found = {}
    for index, name in enumerate(names):
        flags = success[kind == index]
        if len(flags):
            total, good = len(flags), int(flags.sum())
            found[name] = {
                "mean": good / total,
                "ci95": list(wilson(good, total)),
                "episodes": total,
            }
    return found


def break_down(
    metrics: Mapping[str, Tensor],
    curves: Mapping[str, Sequence[float]],
    classes: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """All of the above, where the metrics are there."""
    success = metrics["success"].bool()
    report: dict[str, Any] = {}
    if "variant" in metrics:
        report["success_per_variant"] = per_variant(metrics["variant"], success)
    for name, thresholds in curves.items():
        report[f"{name}_curve"] = curve(metrics[name], thresholds)
    for name, names in classes.items():
        report[f"success_by_{name}"] = by_class(metrics[name], success, names)
    return report
