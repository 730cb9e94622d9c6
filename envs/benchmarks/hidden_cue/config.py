"""Settings of the hidden-cue task."""

from __future__ import annotations

from dataclasses import dataclass

from robo_ts.checks import check_positive
from robo_ts.errors import RoboTSError


@dataclass
class HiddenCueConfig:
    """The hidden-cue task. Ahead is +y, right is +x; starts lie about the origin.

    Attributes:
        episode_steps: time limit in control steps of 100 ms.
        door_distance: from the middle of the starts ahead to the wall with the doors, m.
        alcove_distance: from the middle to the left, where the alcove begins, m; the length of the
            detour.
        alcove_depth: of the alcove, from there on to the left, m.
        alcove_length: of the alcove along y, half of it on each side of the starts, m.
        nearest_start: from the leftmost start to the alcove, m. Starts close to the alcove let
            reinforcement happen upon the cue; a larger number makes the task harder to explore.
        rightmost_start: from the middle to the right, m.
        right_door: reward for the right door.
        wrong_door: reward for the wrong door.
        step_cost: reward lost in every control step.
    """

    episode_steps: int = 30
    door_distance: float = 0.6
    alcove_distance: float = 0.25
    alcove_depth: float = 0.4
    alcove_length: float = 0.6
    nearest_start: float = 0.02
    rightmost_start: float = 0.1
    right_door: float = 1.0
    wrong_door: float = -1.0
    step_cost: float = 0.01

    def __post_init__(self) -> None:
        if self.episode_steps < 1:
            raise RoboTSError("task.episode_steps >= 1", str(self.episode_steps), "raise it")
        check_positive(self, "task", ("door_distance", "alcove_depth", "alcove_length"))
        if not 0.0 < self.nearest_start <= self.alcove_distance + self.rightmost_start:
            raise RoboTSError(
                "0 < task.nearest_start <= task.alcove_distance + task.rightmost_start",
                f"{self.nearest_start}, {self.alcove_distance} and {self.rightmost_start}",
                "keep the starts out of the alcove",
            )
