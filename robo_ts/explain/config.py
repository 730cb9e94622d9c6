"""What an explanation may cost."""

from __future__ import annotations

from dataclasses import dataclass

from robo_ts.checks import check_at_least_one
from robo_ts.errors import RoboTSError


@dataclass
class ExplainConfig:
    """The budget of the ladder's own distillations and measurements.

    Attributes:
        rounds: of each short distillation; 0 for a third of the run's, but at least 20 and at most
            the run's.
        num_envs: worlds each gathers data in; 0 for as many as the run had.
        episodes: whole episodes each rung is measured on, the same worlds for all.
        seed: of everything the ladder draws.
    """

    rounds: int = 0
    num_envs: int = 0
    episodes: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least_one(self, "explain", ("episodes",))
        for name in ("rounds", "num_envs"):
            if getattr(self, name) < 0:
                raise RoboTSError(
                    f"explain.{name} >= 0", str(getattr(self, name)), "0 lets the ladder decide"
                )
