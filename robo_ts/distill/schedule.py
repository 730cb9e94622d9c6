"""Weights that change as training goes on."""

from __future__ import annotations

from dataclasses import dataclass

from robo_ts.checks import check_not_negative, check_one_of
from robo_ts.errors import RoboTSError

SHAPES = ("constant", "linear", "exponential")


@dataclass
class Schedule:
    """A number over the rounds.

    Attributes:
        value: at the start.
        final: at the end; unused by ``constant``.
        begin: round at which it starts to change.
        iterations: rounds it takes to reach ``final`` (linear), or to halve the distance to it
            (exponential).
        shape: ``constant``, ``linear`` or ``exponential``.
    """

    value: float = 1.0
    final: float = 0.0
    begin: int = 0
    iterations: int = 100
    shape: str = "constant"

    def __post_init__(self) -> None:
        check_not_negative(self, "schedule", ("value", "final"))
        check_one_of("a schedule", self.shape, SHAPES)
        if self.iterations < 1 or self.begin < 0:
            raise RoboTSError(
                "a schedule with iterations >= 1 and begin >= 0",
                f"{self.iterations} and {self.begin}",
                "mend it",
            )

    def at(self, iteration: int) -> float:
        """The number in this round."""
        since = max(iteration - self.begin, 0)
        if self.shape == "linear":
            share = min(since / self.iterations, 1.0)
            return self.value + share * (self.final - self.value)
        if self.shape == "exponential":
            return self.final + (self.value - self.final) * 0.5 ** (since / self.iterations)
        return self.value
