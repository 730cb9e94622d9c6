"""Episodes turned into numbers people compare, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.registry import TaskSpec
from robo_ts.evaluate.actors import PolicyActor
from robo_ts.evaluate.breakdown import break_down
from robo_ts.evaluate.protocol import Episodes, run_episodes
from robo_ts.evaluate.statistics import mcnemar, wilson
from robo_ts.policies import Policy


def summarise(
    episodes: Episodes,
    bins: dict[str, list[float]] | None = None,
    outcomes: Sequence[str] = (),
) -> dict[str, Any]:
    """Success with interval, failure classes, and median and mean of every number the task
    measures.

    Args:
        episodes: what happened.
        bins: edges per metric; success and outcomes are reported in every bin.
        outcomes: boolean metrics that are results, as success is; others are circumstances, and
            success is reported apart where they hold.

    Returns:
        ``success {mean, ci95, episodes}``, ``success_ever``, ``failures`` (counts), ``length``,
        ``return``, one ``{median, mean}`` per float metric (over episodes in which it is defined),
        one proportion per outcome, and ``bins``.
    """
    metrics = episodes.metrics
    report: dict[str, Any] = {
        "success": proportion(metrics["success"]),
        "success_ever": proportion(metrics["success_ever"]),
        "length": centre(episodes.length.float()),
        "return": centre(episodes.reward),
        "failures": {
            name: int((metrics["failure"] == index).sum())
            for index, name in enumerate(episodes.failure_names)
        },
    }
    report |= {name: proportion(metrics[name]) for name in outcomes}
    skipped = set(bins or {})
    for name, value in metrics.items():
        if value.is_floating_point() and name not in skipped:
            report[name] = centre(value)
        elif value.dtype == torch.bool and name not in {"success", "success_ever", *outcomes}:
            report[f"success_by_{name}"] = {
                str(flag).lower(): proportion(metrics["success"][value == flag])
                for flag in (False, True)
                if bool((value == flag).any())
            }
    report["bins"] = {
        name: _binned(metrics, name, edges, outcomes) for name, edges in (bins or {}).items()
    }
    return report


def summarise_for(
    spec: TaskSpec, episodes: Episodes, bins: dict[str, list[float]] | None = None
) -> dict[str, Any]:
    """:func:`summarise` with a task's own bins (or ``bins``) and outcomes, and success taken apart
    as the task asks: per variant, per class, against thresholds."""
    report = summarise(episodes, spec.bins if bins is None else bins, spec.outcomes)
    return report | break_down(episodes.metrics, spec.curves, spec.classes)


def proportion(flags: Tensor) -> dict[str, Any]:
    """``{mean, ci95, episodes}`` of a boolean tensor."""
    total, successes = flags.numel(), int(flags.sum())
    return {
        "mean": successes / total,
        "ci95": list(wilson(successes, total)),
        "episodes": total,
    }


def centre(values: Tensor) -> dict[str, float]:
    """``{median, mean}`` over the finite values; NaN when there are none."""
    values = values[torch.isfinite(values)]
    if not values.numel():
        return {"median": float("nan"), "mean": float("nan")}
    return {"median": float(values.median()), "mean": float(values.mean())}


def compare_pairs(first: Episodes, second: Episodes) -> dict[str, Any]:
    """Two policies on the same worlds: who succeeded where, and is the difference chance?"""
    a, b = first.metrics["success"].bool(), second.metrics["success"].bool()
    only_first, only_second = int((a & ~b).sum()), int((~a & b).sum())
    return {
        "both": int((a & b).sum()),
        "only_first": only_first,
        "only_second": only_second,
        "neither": int((~a & ~b).sum()),
        "difference": float(b.float().mean() - a.float().mean()),
        "mcnemar_p": mcnemar(only_first, only_second),
    }


def memory_ablation(
    policy: Policy,
    make_env: Callable[[int, int], TaskEnv],
    every: list[int],
    episodes: int,
    num_envs: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Success with the memory cleared every k steps, on the same worlds as without."""
    if not policy.is_recurrent:
        return {}
    found = {}
    for k in [*every, 0]:
        actor = PolicyActor(policy, memory_reset_every=k)
        done = run_episodes(actor, make_env, episodes, num_envs, seed, progress)
        found["never" if k == 0 else str(k)] = summarise(done)
    return found


def _binned(
    metrics: dict[str, Tensor], name: str, edges: list[float], outcomes: Sequence[str]
) -> list[dict[str, Any]]:
    values, found = metrics[name], []
    for low, high in pairwise(edges):
        inside = (values >= low) & (values < high)
        if bool(inside.any()):
            others = {one: proportion(metrics[one][inside]) for one in outcomes}
            success = proportion(metrics["success"][inside])
            found.append({"low": low, "high": high, **success, **others})
    return found
