"""Settings of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one
from robo_ts.errors import RoboTSError


@dataclass
class EvaluateConfig:
    """How policies are measured.

    Attributes:
        episodes: whole episodes per policy.
        num_envs: worlds at once; the last batch is cut to fit.
        memory_resets: the memory ablation clears the memory every so many steps; one run each.
        ablation_episodes: episodes per ablation.
        ablated: groups that lie in the ablations of what is seen; all images when empty. Name the
            point clouds of a student that reads those.
        trials: names or groups of the task's trials in which teacher and student are compared.
    """

    episodes: int = 2048
    num_envs: int = 1024
    memory_resets: list[int] = field(default_factory=lambda: [1, 5, 20])
    ablation_episodes: int = 512
    ablated: list[str] = field(default_factory=list)
    trials: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_at_least_one(self, "evaluate", ("episodes", "num_envs", "ablation_episodes"))
        if any(k < 1 for k in self.memory_resets):
            raise RoboTSError(
                "evaluate.memory_resets >= 1", str(self.memory_resets), "give steps between resets"
            )
