"""Settings of the reacher task."""

from __future__ import annotations

from dataclasses import dataclass

from robo_ts.checks import check_at_least_one, check_not_negative
from robo_ts.errors import RoboTSError

LINK = 0.1  # length of each link, m


@dataclass
class ReacherConfig:
    """The reacher task.

    Attributes:
        substeps: simulation steps of 10 ms per control step; 2 gives 50 Hz.
        episode_steps: time limit in control steps.
        success_distance: greatest mean distance of fingertip and target in the late steps, m.
        late_steps: that many last control steps decide.
        nearest_target: least distance of the target from the shoulder, m.
        farthest_target: greatest distance of the target from the shoulder, m.
        start_velocity: greatest joint speed at the start, rad/s.
        distance_weight: reward lost per m of distance and control step.
        effort_weight: reward lost per squared action and control step.
        sensor_noise: standard deviation of what the group ``proprioception`` errs by, drawn anew
            in every step: as it stands for cosines and sines, a tenth of it in m for the fingertip.
    """

    substeps: int = 2
    episode_steps: int = 50
    success_distance: float = 0.02
    late_steps: int = 5
    nearest_target: float = 0.06
    farthest_target: float = 0.19
    start_velocity: float = 3.0
    distance_weight: float = 1.0
    effort_weight: float = 0.01
    sensor_noise: float = 0.0

    def __post_init__(self) -> None:
        check_at_least_one(self, "task", ("substeps", "episode_steps", "late_steps"))
        check_not_negative(self, "task", ("sensor_noise",))
        if self.late_steps > self.episode_steps:
            raise RoboTSError(
                f"task.late_steps <= task.episode_steps ({self.episode_steps})",
                str(self.late_steps),
                "lower it",
            )
        if not 0.0 < self.nearest_target <= self.farthest_target <= 2 * LINK:
            raise RoboTSError(
                f"0 < task.nearest_target <= task.farthest_target <= {2 * LINK}",
                f"{self.nearest_target} and {self.farthest_target}",
                "keep the targets within the arm's reach",
            )
