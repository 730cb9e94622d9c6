"""The task contract, observation groups, and the registry of tasks."""

from robo_ts.env.base import Step, TaskEnv
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.env.registry import TaskSpec, get_task, list_tasks, make_env
from robo_ts.tasks import register_gymnasium

__all__ = [
    "ObservationGroup",
    "ObservationSpec",
    "Step",
    "TaskEnv",
    "TaskSpec",
    "Term",
    "get_task",
    "list_tasks",
    "make_env",
]

register_gymnasium()
