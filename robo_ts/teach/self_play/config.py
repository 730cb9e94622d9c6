"""Settings of self-play."""

from __future__ import annotations

from dataclasses import dataclass

from robo_ts.checks import check_at_least_one
from robo_ts.errors import RoboTSError


@dataclass
class SelfPlayConfig:
    """Who a learning teacher plays against.

    Attributes:
        snapshot_every: rounds between two snapshots of the teacher.
        share: opponents are drawn from this first share of the snapshots so far: old selves that it
            must keep beating (Haarnoja et al. 2023: a quarter; all of them is much worse).
        untrained: whether a policy that never learnt is among them.
        largest: opponents at once, at most; more are thinned out evenly. The critic of a task may
            know no more of them.
    """

    snapshot_every: int = 10
    share: float = 0.25
    untrained: bool = True
    largest: int = 16

    def __post_init__(self) -> None:
        check_at_least_one(self, "self_play", ("snapshot_every", "largest"))
        if not 0.0 < self.share <= 1.0:
            raise RoboTSError("self_play.share in (0, 1]", str(self.share), "give a share")
