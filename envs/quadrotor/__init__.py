"""Fly any quadrotor to a still or moving reference."""

from robo_ts.env.registry import TaskSpec
from robo_ts.envs.quadrotor.config import DroneRanges, QuadrotorConfig
from robo_ts.envs.quadrotor.task import Quadrotor, hover
from robo_ts.envs.quadrotor.transfer import CRAZYFLOW
from robo_ts.envs.quadrotor.trials import trials
from robo_ts.envs.quadrotor.twin import QuadrotorTwin
from robo_ts.envs.quadrotor.view import view

TASK = TaskSpec(
    name="quadrotor",
    description="hold and track a position with a quadrotor nobody has seen before",
    config=QuadrotorConfig,
    build=Quadrotor,
    obs_groups={
        "actor": ["privileged"],
        "critic": ["privileged"],
        "teacher": ["privileged"],
        "student": ["proprioception"],
    },
    bins={
        "torque_to_inertia": [40.0, 80.0, 150.0, 300.0, 600.0, 1200.0],
        "thrust_to_weight": [1.5, 1.75, 2.0, 2.5, 3.5, 5.0],
    },
    plain_action=hover,
    differentiable=QuadrotorTwin,
    pool="drones",
    outcomes=("within_limits", "survived"),
    trials=trials,
    perfect_sensors={
        "sensors": {
            name: {"low": 0.0, "high": 0.0}
            for name in ("noise", "bias", "observation_delay", "action_delay", "latency")
        }
    },
    error_metric="position_error_m",
    simulators={"crazyflow": CRAZYFLOW},
    view=view,
)

__all__ = ["TASK", "DroneRanges", "Quadrotor", "QuadrotorConfig", "QuadrotorTwin"]
