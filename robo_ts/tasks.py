"""Which task folders the package has, and their gymnasium ids; imports nothing heavy."""

from __future__ import annotations

import pkgutil
from pathlib import Path

_FOLDER = Path(__file__).parent / "envs"


def task_folders() -> list[str]:
    """Names of the folders under ``envs/`` that are packages."""
    return sorted(module.name for module in pkgutil.iter_modules([str(_FOLDER)]) if module.ispkg)


def gym_id(task: str) -> str:
    """The gymnasium id of a task folder: ``quadrotor`` is ``RoboTS/Quadrotor-v0``."""
    return f"RoboTS/{task.title().replace('_', '')}-v0"


def register_gymnasium() -> None:
    """Give every task its gymnasium id; safe to call twice. Loads no task yet."""
    import gymnasium

    for task in task_folders():
        if gym_id(task) not in gymnasium.registry:
            gymnasium.register(
                id=gym_id(task),
                entry_point="robo_ts.env.adapters.gymnasium:SingleEnv",
                vector_entry_point="robo_ts.env.adapters.gymnasium:BatchedEnv",
                kwargs={"task": task},
                disable_env_checker=True,
            )
