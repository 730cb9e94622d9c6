"""Settings of self-play."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one, check_not_negative, check_shares
from robo_ts.errors import RoboTSError


@dataclass
class SelfPlayConfig:
    """Who a learning teacher plays against.

    Attributes:
        snapshot_every: rounds between two snapshots of the teacher.
        share: opponents are drawn from this first share of the snapshots so far: old selves that it
            must keep beating (Haarnoja et al. 2023: a quarter; all of them is much worse).
        untrained: whether a policy that never learnt is among them.
        others: players of the task's own, or folders of bundles, that play as well.
        others_share: share of the episodes against one of them.
        largest: opponents at once, at most, ``others`` among them; more snapshots are thinned out
            evenly. The critic of a task may know no more of them.
        kept: snapshots saved as bundles beside the teacher's, evenly over the training: a fixed
            pool that later policies can be ranked in.
    """

    snapshot_every: int = 10
    share: float = 0.25
    untrained: bool = True
    others: list[str] = field(default_factory=list)
    others_share: float = 0.5
    largest: int = 16
    kept: int = 3

    def __post_init__(self) -> None:
        check_at_least_one(self, "self_play", ("snapshot_every", "largest"))
        if not 0.0 < self.share <= 1.0:
            raise RoboTSError("self_play.share in (0, 1]", str(self.share), "give a share")
        check_shares(self, "self_play", ("others_share",))
        check_not_negative(self, "self_play", ("kept",))
        if self.room < 1:
            raise RoboTSError(
                "self_play.largest with room for a snapshot",
                f"{self.largest} with {len(self.others)} others",
                "raise it, or name fewer others",
            )

    @property
    def room(self) -> int:
        """Snapshots that play at once, at most."""
        return self.largest - int(self.untrained) - len(self.others)
