"""Reach a point with a two-link arm whose student feels no velocities."""

from robo_ts.env.registry import TaskSpec
from robo_ts.envs.benchmarks.reacher.config import ReacherConfig
from robo_ts.envs.benchmarks.reacher.task import Reacher
from robo_ts.envs.benchmarks.reacher.view import view

TASK = TaskSpec(
    name="reacher",
    description="reach a point and stay there with a two-link arm, without feeling velocities",
    config=ReacherConfig,
    build=Reacher,
    obs_groups={
        "actor": ["proprioception", "privileged"],
        "critic": ["proprioception", "privileged"],
        "teacher": ["proprioception", "privileged"],
        "student": ["proprioception"],
    },
    bins={"start_distance_m": [0.0, 0.1, 0.2, 0.3, 0.4]},
    perfect_sensors={"sensor_noise": 0.0},
    error_metric="late_distance_m",
    view=view,
)

__all__ = ["TASK", "Reacher", "ReacherConfig"]
