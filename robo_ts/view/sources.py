"""What a word of the command line names: a task, a bundle, an ONNX file, a run, a NaN dump."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import robo_ts
from robo_ts.env import get_task, list_tasks
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.files import read_json
from robo_ts.policies import PolicyBundle
from robo_ts.view.players import Offer, Player, bundle_player, onnx_player
from robo_ts.view.session import settings_from

# A folder's policies, the best first: where they lie in a run and in artifacts/.
_PLACES = {
    "student": ("student/bundle", "student"),
    "teacher": ("teacher/bundle", "teacher"),
    "onnx": ("export/policy.onnx",),
}


def is_dump(path: Path) -> bool:
    """Whether a folder is a NaN dump of the guard."""
    return (path / "states.npz").is_file() and (path / "model.mjb").is_file()


OpenRun = Callable[[Path], Offer]


def open_sources(words: Sequence[str], open_run: OpenRun | None = None) -> Offer:
    """The task and the policies that words name; the first word decides task and settings.

    Args:
        words: names of tasks (their policies in ``artifacts/``), or paths of bundles, ONNX files
            and run directories, finished or still training.
        open_run: opens a run that is still training,
            :func:`robo_ts.pipeline.unfinished.open_run`.

    Raises:
        RoboTSError: for a word that names nothing, damaged files, and policies of different tasks.
    """
    found = [_open(word, open_run) for word in words]
    first = found[0]
    if len(found) == 1:
        return first
    players: dict[str, Player] = {}
    for word, one in zip(words, found, strict=True):
        if one.task != first.task:
            raise RoboTSError(
                f"policies of one task, {first.task!r}", f"{word} of {one.task!r}", "leave it out"
            )
        players |= _renamed(one, word)
    looks = list(zip(found, words, strict=True))
    return Offer(first.task, first.config, players, lambda: _newest_of(looks, players))


def _renamed(offer: Offer, word: str) -> dict[str, Player]:
    """Players under names that tell where they are from."""
    short = Path(word).name if "/" in word or "\\" in word else word
    return {f"{short}/{n}": replace(p, name=f"{short}/{n}") for n, p in offer.players.items()}


def _newest_of(looks: list[tuple[Offer, str]], players: dict[str, Player]) -> list[str]:
    changed = []
    for offer, word in looks:
        names = offer.newest()
        renamed = _renamed(offer, word)
        for name in renamed:
            if name.rpartition("/")[2] in names:
                players[name] = renamed[name]
                changed.append(name)
    return changed


def _open(word: str, open_run: OpenRun | None) -> Offer:
    path = Path(word)
    if word in list_tasks() and not path.exists():
        return _artifacts(word)
    if path.suffix == ".onnx":
        return _onnx(path)
    if (path / "policy.onnx").is_file():
        return _onnx(path / "policy.onnx")
    if (path / "policy.safetensors").is_file() or (path / "policy.json").is_file():
        return _bundle(path)
    if (path / "config.yaml").is_file():
        finished = (path / "student" / "done.json").is_file() and _collection(path)
        return _folder(path) if finished or open_run is None else open_run(path)
    if _collection(path):
        return _folder(path)
    if word in list_tasks():
        return _artifacts(word)
    if path.is_dir():
        raise RoboTSError(
            "a bundle, a run directory or a NaN dump",
            f"{path}, a folder with neither policy.json, config.yaml nor states.npz",
            "give the folder that 'robo-ts pipeline' printed as run_dir, or one of its bundles",
        )
    raise RoboTSError(
        "a task, or the path of a bundle, an ONNX file, a run or a NaN dump",
        f"{word!r}, which is none of them{'' if path.exists() else ' (no such file or folder)'}",
        f"{did_you_mean(word, list_tasks())} (the tasks), or check the path",
    )


def _artifacts(task: str) -> Offer:
    """The committed policies of a task; without any, what needs no training acts."""
    folder = Path(robo_ts.__file__).resolve().parent.parent / "artifacts" / task
    return _folder(folder) if _collection(folder) else Offer(task, None)


def _collection(folder: Path) -> dict[str, Path]:
    """The policies of a run or of ``artifacts/<task>``."""
    found = {}
    for name, places in _PLACES.items():
        for place in places:
            path = folder / place
            if (path / "policy.safetensors").is_file() or (path.suffix and path.is_file()):
                found[name] = path
                break
    return found


def _folder(folder: Path) -> Offer:
    paths = _collection(folder)
    if not paths:
        raise RoboTSError(f"policies in {folder}", "none", "give a run that got far enough")
    players = {name: _load(name, path) for name, path in paths.items()}
    task, config = _meant(next(iter(paths.values())))
    return Offer(task, config, players, _watch(paths, players))


def _bundle(path: Path) -> Offer:
    """One bundle, with the teacher that lies beside it in a run or in ``artifacts/``."""
    bundle = PolicyBundle.load(path)
    kind = str(bundle.lineage.get("kind", "policy"))
    players = {kind: bundle_player(kind, bundle)}
    root = path.parent.parent if path.name == "bundle" else path.parent
    teacher = _collection(root).get("teacher")
    paths = {kind: path}
    if kind != "teacher" and teacher is not None:
        players["teacher"], paths["teacher"] = _load("teacher", teacher), teacher
    get_task(bundle.task)
    return Offer(bundle.task, _settings(bundle), players, _watch(paths, players))


def _onnx(path: Path) -> Offer:
    player = onnx_player("onnx", path)
    players, paths = {"onnx": player}, {"onnx": path}
    teacher = _collection(path.parent.parent).get("teacher")
    if teacher is not None:
        players["teacher"], paths["teacher"] = _load("teacher", teacher), teacher
    task, config = _meant(path)
    return Offer(task, config, players, _watch(paths, players))


def _load(name: str, path: Path) -> Player:
    if path.suffix == ".onnx":
        return onnx_player(name, path)
    return bundle_player(name, PolicyBundle.load(path))


def _meant(path: Path) -> tuple[str, Any]:
    """The task a policy was made for, and its settings."""
    if path.suffix != ".onnx":
        bundle = PolicyBundle.load(path)
        return bundle.task, _settings(bundle)
    from robo_ts.export.runtime import load

    contract = load(path).contract
    spec = get_task(str(contract.get("task", "")))
    return spec.name, settings_from(spec.config, contract.get("task_config") or {})


def _settings(bundle: PolicyBundle) -> Any:
    return settings_from(get_task(bundle.task).config, bundle.task_config)


def _watch(paths: dict[str, Path], players: dict[str, Player]) -> Callable[[], list[str]]:
    """A look for policies that were written anew."""
    seen = {name: _stamp(path) for name, path in paths.items()}

    def newest() -> list[str]:
        changed = []
        for name, path in paths.items():
            stamp = _stamp(path)
            if stamp and stamp != seen[name]:
                seen[name] = stamp
                players[name] = _load(name, path)
                changed.append(name)
        return changed

    return newest


def _stamp(path: Path) -> int:
    file = path / "policy.safetensors" if path.is_dir() else path
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def dump_reason(path: Path) -> str:
    """Why the guard wrote a dump."""
    try:
        return str(read_json(path / "reason.json")["reason"])
    except (RoboTSError, KeyError, TypeError, json.JSONDecodeError):
        return "a non-finite state"
