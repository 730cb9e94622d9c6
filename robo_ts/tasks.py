"""Which tasks there are, and their gymnasium ids; imports nothing heavy."""

from __future__ import annotations

import pkgutil
from importlib import metadata
from pathlib import Path

_FOLDER = Path(__file__).parent / "envs"


def task_folders() -> list[str]:
    """Names of the folders under ``envs/`` that are packages."""
    return sorted(module.name for module in pkgutil.iter_modules([str(_FOLDER)]) if module.ispkg)


def foreign_tasks() -> dict[str, metadata.EntryPoint]:
    """Tasks that other installed packages declare, not loaded yet."""
    return {point.name: point for point in metadata.entry_points(group="robo_ts.tasks")}


def gym_id(task: str) -> str:
    """The gymnasium id of a task folder: ``quadrotor`` is ``RoboTS/Quadrotor-v0``."""
    return f"RoboTS/{task.title().replace('_', '')}-v0"


def register_gymnasium() -> None:
    """Give every task its gymnasium id; safe to call twice. Loads no task yet."""
    import gymnasium

    for task in {*task_folders(), *foreign_tasks()}:
        if gym_id(task) not in gymnasium.registry:
            gymnasium.register(
                id=gym_id(task),
                entry_point="robo_ts.env.adapters.gymnasium:SingleEnv",
                vector_entry_point="robo_ts.env.adapters.gymnasium:BatchedEnv",
                kwargs={"task": task},
                disable_env_checker=True,
            )
