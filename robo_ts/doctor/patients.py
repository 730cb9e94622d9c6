"""The words of ``robo-ts doctor``: who is to be examined?"""

from __future__ import annotations

from pathlib import Path

from robo_ts.doctor import examine
from robo_ts.doctor.finding import Examination
from robo_ts.env import get_task, list_tasks
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.pipeline.config import compose_run

MACHINE = "machine"


def examine_all(words: list[str], seed: int = 0) -> list[Examination]:
    """Every patient that the words name.

    Two policy bundles are examined as teacher and student; ``key=value`` words are one run that has
    not begun.

    Raises:
        RoboTSError: for a word that names nothing.
    """
    settings = [word for word in words if "=" in word]
    rest = [word for word in words if "=" not in word]
    bundles = [word for word in rest if _is_bundle(Path(word))]
    done: list[Examination] = []
    if len(bundles) == 2:
        done.append(examine.couple(bundles[0], bundles[1], seed))
        rest = [word for word in rest if word not in bundles]
    for word in rest:
        done += _one(word, seed)
    if settings:
        done.append(examine.before_launch(compose_run(settings)))
    return done


def _one(word: str, seed: int) -> list[Examination]:
    path = Path(word)
    if word == MACHINE:
        return [examine.this_machine()]
    if word in list_tasks():
        return [examine.environment(get_task(word), seed=seed)]
    if _is_bundle(path):
        return [examine.bundle(path, seed)]
    if (path / "config.yaml").is_file():
        return examine.run_folder(path, seed)
    if path.suffix == ".onnx" and path.is_file():
        return [examine.export(path.parent)]
    if (path / "policy.onnx").is_file():
        return [examine.export(path)]
    raise RoboTSError(
        "a task, a policy bundle, a run's folder, an export's folder, 'machine' or key=value",
        f"{word!r}, which is none of these{'' if path.exists() else ' (no such file or folder)'}",
        did_you_mean(word, [*list_tasks(), MACHINE]),
    )


def _is_bundle(path: Path) -> bool:
    """Whether a folder is, or was meant to be, a policy bundle."""
    weights, card = path / "policy.safetensors", path / "policy.json"
    return weights.is_file() or (card.is_file() and not (path / "policy.onnx").is_file())
