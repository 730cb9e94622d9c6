"""The few numbers a quadrotor student is compared by, and what several seeds say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robo_ts.evaluate.statistics import bootstrap_interval, iqm

# The drones that are lost first: torque to inertia below this, rad/s^2 (RAPTOR's first bin).
WEAK = 80.0


def hold_figures(report: Mapping[str, Any]) -> dict[str, float | None]:
    """Of what a trial of ``hold`` says of a policy; undefined numbers are NaN or None."""
    bins = report["bins"].get("torque_to_inertia", [])
    weak = [one["within_limits"] for one in bins if one["high"] <= WEAK]
    drones = sum(one["episodes"] for one in weak)
    kept = sum(one["mean"] * one["episodes"] for one in weak)
    return {
        "within_limits": report["within_limits"]["mean"],
        "survived": report["survived"]["mean"],
        "success": report["success"]["mean"],
        "error_median_m": report["position_error_m"]["median"],
        "error_mean_m": report["position_error_m"]["mean"],
        "return": report["return"]["mean"],
        "weak_terminated": 1.0 - kept / drones if drones else None,
    }


def over_seeds(rows: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    """Per figure: mean, interquartile mean and its 95% bootstrap interval over the seeds."""
    found = {}
    for name in rows[0]:
        values = [number(row[name]) for row in rows]
        found[name] = {
            "mean": sum(values) / len(values),
            "iqm": iqm(values),
            "ci95": list(bootstrap_interval(values, draws=500)),
        }
    return found


def number(value: float | None) -> float:
    """A figure as a number: what JSON had to call null is NaN."""
    return float("nan") if value is None else value
