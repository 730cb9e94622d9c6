"""Drive between posts to a goal, seeing them only through range rays."""

from robo_ts.env.registry import TaskSpec
from robo_ts.envs.benchmarks.ray_navigation.config import RayNavigationConfig
from robo_ts.envs.benchmarks.ray_navigation.task import RayNavigation
from robo_ts.envs.benchmarks.ray_navigation.view import view

TASK = TaskSpec(
    name="ray_navigation",
    description="drive between posts to a goal, seeing them through 64 range rays",
    config=RayNavigationConfig,
    build=RayNavigation,
    obs_groups={
        "actor": ["state", "privileged"],
        "critic": ["state", "privileged"],
        "teacher": ["state", "privileged"],
        "student": ["state", "rays"],
    },
    bins={"posts_in_the_way": [-0.5, 0.5, 1.5, 2.5, 5.5]},
    view=view,
)

__all__ = ["TASK", "RayNavigation", "RayNavigationConfig"]
