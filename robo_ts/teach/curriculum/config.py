"""Settings of a curriculum over variants."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one, check_one_of, check_shares
from robo_ts.errors import RoboTSError

KINDS = ("none", "random", "geo")


@dataclass
class CurriculumConfig:
    """From few variants of a task to all of them.

    Attributes:
        kind: ``none`` (all from the start), ``random`` (stages of random variants) or ``geo``
            (stages of representatives by shape; GeoCurriculum of UniDexGrasp++).
        stages: variants per stage, rising; 0 for all.
        advance: success over a stage's variants at which the next begins.
        episodes: least episodes per variant of a stage, on average, before the next begins.
        longest: rounds after which the next stage begins in any case; 0 for never.
        focus: how much more often variants that fail are drawn: a variant's weight is
            ``1 - focus * success``.
        memory: episodes over which a variant's success is averaged.
    """

    kind: str = "none"
    stages: list[int] = field(default_factory=lambda: [1, 300, 0])
    advance: float = 0.8
    episodes: float = 5.0
    longest: int = 0
    focus: float = 0.5
    memory: int = 20

    def __post_init__(self) -> None:
        check_one_of("teacher.curriculum.kind", self.kind, KINDS)
        check_shares(self, "teacher.curriculum", ("advance",))
        check_at_least_one(self, "teacher.curriculum", ("memory",))
        if not 0.0 <= self.focus < 1.0:
            raise RoboTSError(
                "teacher.curriculum.focus in [0, 1)", str(self.focus), "at 1 nothing known is drawn"
            )
        sizes = [float("inf") if size == 0 else size for size in self.stages]
        if not sizes or min(sizes) < 0 or sizes != sorted(sizes):
            raise RoboTSError(
                "teacher.curriculum.stages that rise, 0 last for all",
                str(self.stages),
                "write for example [1, 300, 0]",
            )
