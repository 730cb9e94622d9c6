"""torch.compile where there is a compiler; plain torch, with one warning, where there is none."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import torch
import torch._functorch.config

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F, device: torch.device, gradients: bool = True) -> F:
    """The function, compiled for tensors of fixed shapes on ``device``.

    Args:
        function: pure, without data-dependent control flow.
        device: where its tensors are.
        gradients: whether it is differentiated; if not, a call costs less.
    """
    if not _can_compile(device.type):
        return function
    options = None if gradients or device.type != "cpu" else {"cpp_wrapper": True}
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)  # type: ignore[return-value]


@lru_cache
def _can_compile(kind: str) -> bool:
    # Functions here are compiled once per number of worlds and per kind of gradient.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
    torch._dynamo.config.allow_rnn = True  # of memories only the weights are read
    # Computing simple formulas again on the way back is cheaper than keeping their results.
    torch._functorch.config.activation_memory_budget = 0.0
    if kind != "cpu" or shutil.which("g++") or shutil.which("clang++") or shutil.which("cl"):
        return True
    warnings.warn(
        "no C++ compiler was found: formulas run uncompiled, 10 to 30 times slower; install g++",
        stacklevel=3,
    )
    return False
