"""torch.compile where there is a compiler; plain torch, with one warning, where there is none."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

import torch
import torch._functorch.config
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F, device: torch.device, gradients: bool = True, checks: bool = True) -> F:
    """The function, compiled for tensors of fixed shapes on ``device``.

    Args:
        function: pure, without data-dependent control flow.
        device: where its tensors are.
        gradients: whether it is differentiated; if not, a call costs less.
        checks: whether calls look if anything the function reads has changed. Without, which spares
            more than half of a call that computes little, every tensor it reads must be an
            argument of the same shape in every call, and it returns tensors; no gradients.
    """
    if not _can_compile(device.type):
        return function
    options = None if gradients or device.type != "cpu" else {"cpp_wrapper": True}
    if not checks:
        return function if torch._dynamo.config.disable else _Unchecked(function, options or {})  # type: ignore[return-value]
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)  # type: ignore[return-value]


class _Unchecked:
    def __init__(
        self, function: Callable[..., tuple[Tensor, ...]], options: dict[str, Any]
    ) -> None:
        self.function, self.options = function, options
        self._run: Callable[..., Sequence[Tensor]] | None = None

    @torch.no_grad()
    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        if self._run is None:
            self._run = self._made_for(tensors)
        return tuple(self._run(*tensors))

    def _made_for(self, tensors: Sequence[Tensor]) -> Callable[..., Sequence[Tensor]]:
        # Seconds of imports, for those who fly only.
        import torch._inductor
        from torch.fx.experimental.proxy_tensor import make_fx

        graph = make_fx(self.function, tracing_mode="fake")(*tensors)
        made = torch._inductor.compile(graph, list(tensors), options=self.options)
        return cast("Callable[..., Sequence[Tensor]]", made)


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
