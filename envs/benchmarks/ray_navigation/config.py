"""Settings of the ray-navigation task."""

from __future__ import annotations

from dataclasses import dataclass

from robo_ts.checks import check_positive
from robo_ts.errors import RoboTSError

# Posts and rays decide the lengths of the observation groups, so they are not settings.
NUM_POSTS = 5
NUM_RAYS = 64
ROBOT_RADIUS = 0.08  # m
POST_RADIUS = 0.12  # m


@dataclass
class RayNavigationConfig:
    """The ray-navigation task. The corridor runs along x; the goal lies on its middle line.

    Attributes:
        episode_steps: time limit in control steps of 50 ms.
        goal_distance: from the start to the goal along the corridor, m.
        goal_radius: the goal is reached this close to its middle, m.
        half_width: from the corridor's middle line to each wall, m.
        start_spread: starts lie within this of the middle line, m.
        post_spread: posts' middles lie within this of the middle line, m.
        ray_range: rays see this far, m.
        reached: reward for reaching the goal.
        collided: reward for a collision.
        progress: reward per m by which the goal comes closer.
        step_cost: reward lost in every control step.
    """

    episode_steps: int = 100
    goal_distance: float = 5.0
    goal_radius: float = 0.2
    half_width: float = 1.0
    start_spread: float = 0.7
    post_spread: float = 0.7
    ray_range: float = 2.0
    reached: float = 1.0
    collided: float = -1.0
    progress: float = 0.3
    step_cost: float = 0.005

    def __post_init__(self) -> None:
        if self.episode_steps < 1:
            raise RoboTSError("task.episode_steps >= 1", str(self.episode_steps), "raise it")
        check_positive(self, "task", ("goal_radius", "ray_range"))
        if not self.goal_distance >= 3.0:
            raise RoboTSError(
                "task.goal_distance >= 3 m", str(self.goal_distance), "leave room for the posts"
            )
        free = self.half_width - ROBOT_RADIUS
        if not 0.0 <= self.start_spread < free:
            raise RoboTSError(
                f"task.start_spread from 0 to below {free:g} m",
                str(self.start_spread),
                "keep the starts clear of the walls",
            )
        if not 0.0 <= self.post_spread <= self.half_width:
            raise RoboTSError(
                f"task.post_spread from 0 to {self.half_width:g} m",
                str(self.post_spread),
                "keep the posts between the walls",
            )
