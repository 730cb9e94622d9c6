"""Go through the right one of two doors; what tells which lies off the way."""

from robo_ts.env.registry import TaskSpec
from robo_ts.envs.benchmarks.hidden_cue.config import HiddenCueConfig
from robo_ts.envs.benchmarks.hidden_cue.task import HiddenCue
from robo_ts.envs.benchmarks.hidden_cue.view import view

TASK = TaskSpec(
    name="hidden_cue",
    description="go through the right one of two doors, after looking up which it is",
    config=HiddenCueConfig,
    build=HiddenCue,
    obs_groups={
        "actor": ["proprioception", "privileged"],
        "critic": ["proprioception", "privileged"],
        "teacher": ["proprioception", "privileged"],
        "student": ["proprioception"],
    },
    view=view,
)

__all__ = ["TASK", "HiddenCue", "HiddenCueConfig"]
