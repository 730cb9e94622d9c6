"""The words of ``robo-ts doctor``: who is to be examined?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from robo_ts.doctor import examine
from robo_ts.doctor.finding import Examination
from robo_ts.env import get_task, list_tasks
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.pipeline.config import compose_run

MACHINE = "machine"
_Waiting = Callable[[], list[Examination]]


def examine_all(words: list[str], seed: int = 0) -> list[Examination]:
    """Every patient that the words name.

    Two policy bundles are examined as teacher and student; ``key=value`` words are one run that has
    not begun, and where a task's name stands before them, also that task as the run measures in it.

    Raises:
        RoboTSError: for a word that names nothing.
    """
    settings = [word for word in words if "=" in word]
    rest = [word for word in words if "=" not in word]
    bundles = [word for word in rest if _is_bundle(Path(word))]
    waiting: list[_Waiting] = []
    if len(bundles) == 2:
        waiting.append(lambda: [examine.couple(bundles[0], bundles[1], seed)])
        rest = [word for word in rest if word not in bundles]
    waiting += [_one(word, seed) for word in rest if not (settings and word in list_tasks())]
    if settings:
        tasks = [word for word in rest if word in list_tasks()]
        waiting.append(lambda: _to_come(tasks, settings, seed))
    # Nobody is examined before everybody is known: a typing error shows at once.
    return [found for patient in waiting for found in patient()]


def _to_come(tasks: list[str], settings: list[str], seed: int) -> list[Examination]:
    """A run that has not begun."""
    named = [word for word in settings if word.startswith("task=")]
    if len(tasks) + len(named) > 1:
        said = " ".join([*tasks, *named])
        raise RoboTSError(
            "settings of one task", said, "name it once; examine others by themselves"
        )
    run = compose_run([*(f"task={name}" for name in tasks), *settings])
    if not tasks:
        return [examine.before_launch(run)]
    spec, subject = get_task(run.task), f"task {run.task}, {' '.join(settings)}"
    seen = examine.environment(spec, run.config.task, seed, subject)
    return [seen, examine.before_launch(run)]


def _one(word: str, seed: int) -> _Waiting:
    path = Path(word)
    if word == MACHINE:
        return lambda: [examine.this_machine()]
    if word in list_tasks():
        return lambda: examine.task(get_task(word), seed)
    if _is_bundle(path):
        return lambda: [examine.bundle(path, seed)]
    if (path / "config.yaml").is_file():
        return lambda: examine.run_folder(path, seed)
    if any((path / name / "policy.json").is_file() for name in ("teacher", "student")):
        return lambda: examine.kept(path, seed)
    if path.suffix == ".onnx" and path.is_file():
        return lambda: [examine.export(path.parent)]
    if (path / "policy.onnx").is_file():
        return lambda: [examine.export(path)]
    raise RoboTSError(
        "a task, a policy bundle, a folder with teacher and student, a run's folder, an export's "
        "folder, 'machine' or key=value",
        f"{word!r}, which is none of these{'' if path.exists() else ' (no such file or folder)'}",
        did_you_mean(word, [*list_tasks(), MACHINE]),
    )


def _is_bundle(path: Path) -> bool:
    """Whether a folder is, or was meant to be, a policy bundle."""
    weights, card = path / "policy.safetensors", path / "policy.json"
    return weights.is_file() or (card.is_file() and not (path / "policy.onnx").is_file())
