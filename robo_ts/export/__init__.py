"""One ONNX file with its contract and golden trace, and the runtime that plays it.

Nothing heavy is imported here: ``from robo_ts.export import load`` needs only numpy and
onnxruntime, so that a robot's computer does without torch and MuJoCo.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robo_ts.export.c_header import write_c_header
    from robo_ts.export.contract import build_contract
    from robo_ts.export.golden import record_golden
    from robo_ts.export.onnx import ExportResult, export_bundle
    from robo_ts.export.runtime import PolicyRuntimeError, Runtime, load
    from robo_ts.export.validate import (
        Comparison,
        ExportMismatch,
        compare_closed_loop,
        replay_golden,
    )

__all__ = [
    "Comparison",
    "ExportMismatch",
    "ExportResult",
    "PolicyRuntimeError",
    "Runtime",
    "build_contract",
    "compare_closed_loop",
    "export_bundle",
    "load",
    "record_golden",
    "replay_golden",
    "write_c_header",
]

_HOMES = {
    "c_header": ("write_c_header",),
    "contract": ("build_contract",),
    "golden": ("record_golden",),
    "onnx": ("ExportResult", "export_bundle"),
    "runtime": ("PolicyRuntimeError", "Runtime", "load"),
    "validate": ("Comparison", "ExportMismatch", "compare_closed_loop", "replay_golden"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
