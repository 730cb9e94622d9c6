"""Fly any quadrotor to a still or moving reference."""

from robo_ts.env.registry import TaskSpec
from robo_ts.envs.quadrotor.config import DroneRanges, QuadrotorConfig
from robo_ts.envs.quadrotor.task import Quadrotor

TASK = TaskSpec(
    name="quadrotor",
    description="hold and track a position with a quadrotor nobody has seen before",
    gym_id="RoboTS/Quadrotor-v0",
    config=QuadrotorConfig,
    build=Quadrotor,
    obs_groups={
        "actor": ["proprioception", "privileged"],
        "critic": ["proprioception", "privileged"],
        "teacher": ["proprioception", "privileged"],
        "student": ["proprioception"],
    },
)

__all__ = ["TASK", "DroneRanges", "Quadrotor", "QuadrotorConfig"]
