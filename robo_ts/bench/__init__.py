"""Measurements: speed against the raw engine, side by side in one run, and the suite of others."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from robo_ts.bench.suite import SUITE, Measurement, chosen, run_one, show_one

if TYPE_CHECKING:
    from robo_ts.bench.cameras import print_cameras, run_cameras
    from robo_ts.bench.report import print_report
    from robo_ts.bench.run import run_bench

__all__ = [
    "SUITE",
    "Measurement",
    "chosen",
    "print_cameras",
    "print_report",
    "run_bench",
    "run_cameras",
    "run_one",
    "show_one",
]

_LATER = {
    "print_cameras": "robo_ts.bench.cameras",
    "print_report": "robo_ts.bench.report",
    "run_bench": "robo_ts.bench.run",
    "run_cameras": "robo_ts.bench.cameras",
}


def __getattr__(name: str) -> Any:
    # The command line reads SUITE for its help; that must not import engines and torch.
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
