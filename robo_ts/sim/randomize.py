"""Per-world physical parameters, declared as ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.checks import check_one_of
from robo_ts.errors import RoboTSError

LAWS = ("uniform", "log_uniform", "normal")


@dataclass
class Range:
    """A distribution of one number.

    Attributes:
        low: lower end (mean, for ``normal``).
        high: upper end (standard deviation, for ``normal``); equal to ``low`` for a constant.
        law: ``uniform``, ``log_uniform`` or ``normal``.
    """

    low: float = 0.0
    high: float = 0.0
    law: str = "uniform"

    def __post_init__(self) -> None:
        check_one_of("a law", self.law, LAWS)
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise RoboTSError(
                "finite ends of a range", f"[{self.low}, {self.high}]", "mend the range"
            )
        if self.law == "normal" and self.high < 0:
            raise RoboTSError("a standard deviation >= 0", str(self.high), "mend range.high")
        if self.law != "normal" and self.low > self.high:
            raise RoboTSError("low <= high", f"[{self.low}, {self.high}]", "swap the two ends")
        if self.law == "log_uniform" and self.low <= 0:
            raise RoboTSError("low > 0 for a log-uniform range", str(self.low), "use law: uniform")

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draws of the given shape, float32, on the generator's device."""
        if self.law == "normal":
            draw = torch.randn(shape, generator=generator, device=generator.device)
            return self.low + self.high * draw
        draw = torch.rand(shape, generator=generator, device=generator.device)
        if self.law == "log_uniform":
            return self.low * (self.high / self.low) ** draw
        return self.low + (self.high - self.low) * draw


class Sampler:
    """Draws all declared parameters at once, in declaration order, from one explicit generator.

    A draw for ``n`` worlds depends only on the generator's state and ``n``, never on the policy, so
    two runs with one seed see the same worlds.
    """

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self.ranges = dict(ranges)

    def sample(self, num: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One value per world and parameter: name -> ``(num,)``."""
        return {name: r.sample((num,), generator) for name, r in self.ranges.items()}
