"""Which tasks there are, and their gymnasium ids; imports nothing heavy."""

from __future__ import annotations

import ast
import pkgutil
from importlib import metadata
from pathlib import Path

_FOLDER = Path(__file__).parent / "envs"


def task_folders() -> dict[str, str]:
    """Every task's module below ``robo_ts.envs``: ``{"quadrotor": "quadrotor"}``.

    A package is a task when it has a ``task.py``; another one holds tasks:
    ``{"reacher": "benchmarks.reacher"}``.
    """
    found: dict[str, str] = {}
    for name in _packages(_FOLDER):
        if _is_task(_FOLDER / name):
            found[name] = name
        else:
            inner = _packages(_FOLDER / name)
            found |= {task: f"{name}.{task}" for task in inner if _is_task(_FOLDER / name / task)}
    return found


def _packages(folder: Path) -> list[str]:
    return [module.name for module in pkgutil.iter_modules([str(folder)]) if module.ispkg]


def _is_task(folder: Path) -> bool:
    return (folder / "task.py").is_file()


def foreign_tasks() -> dict[str, metadata.EntryPoint]:
    """Tasks that other installed packages declare, not loaded yet."""
    return {point.name: point for point in metadata.entry_points(group="robo_ts.tasks")}


def gym_id(task: str) -> str:
    """The gymnasium id of a task folder: ``quadrotor`` is ``RoboTS/Quadrotor-v0``."""
    return f"RoboTS/{task.title().replace('_', '')}-v0"


def description(task: str) -> str:
    """The line a task of this package says of itself, read without importing it; empty for a task
    that writes it otherwise than as a plain string."""
    folder = task_folders().get(task)
    if folder is None:
        return ""
    source = (_FOLDER / folder.replace(".", "/") / "__init__.py").read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TaskSpec":
            for word in node.keywords:
                if word.arg == "description" and isinstance(word.value, ast.Constant):
                    return str(word.value.value)
    return ""


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
