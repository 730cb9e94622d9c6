"""Take whatever lies on the table with a dexterous hand, and lift it."""

from robo_ts.env.registry import TaskSpec
from robo_ts.envs.grasp.config import GraspConfig
from robo_ts.envs.grasp.eyes_config import CAMERAS, PERFECT
from robo_ts.envs.grasp.objects.families import FAMILIES
from robo_ts.envs.grasp.task import Grasp
from robo_ts.envs.grasp.trials import trials
from robo_ts.envs.grasp.view import view

TASK = TaskSpec(
    name="grasp",
    description="grasp any of thousands of objects with a dexterous hand and lift it",
    config=GraspConfig,
    build=Grasp,
    obs_groups={
        "actor": ["proprioception", "privileged"],
        "critic": ["proprioception", "privileged"],
        "teacher": ["proprioception", "privileged"],
        "student": ["proprioception", "wrist", "fixed_depth", "palm_depth"],
    },
    perfect_sensors={"eyes": dict.fromkeys(CAMERAS, PERFECT)},
    bins={
        "friction": [0.5, 0.7, 0.9, 1.2001],
        "mass_kg": [0.0, 0.03, 0.1, 0.3, 2.0],
        "start_distance_m": [0.0, 0.15, 0.2, 0.25, 0.3, 0.5],
    },
    # In how close to the goal the object is held at the end.
    curves={"held_distance_m": [0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2]},
    classes={"family": (*FAMILIES, "own mesh")},
    trials=trials,
    view=view,
)

__all__ = ["TASK", "Grasp", "GraspConfig"]
