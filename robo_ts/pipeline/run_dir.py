"""The run directory: where each stage's files lie, which stages are done, what may be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from robo_ts.distributed import rank, wait_for_all
from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path, read_json, remove_leftovers, write_json
from robo_ts.pipeline.config import Run

STAGES = ("teacher", "student", "eval", "export")


class RunDir:
    """One folder per run.

    Layout: ``config.yaml manifest.json summary.json report.html`` and, per stage, ``teacher/`` and
    ``student/`` (a bundle, ``metrics.jsonl``, ``checkpoint.pt`` while unfinished), ``eval/``,
    ``export/``, ``tensorboard/``. A stage is done when its ``done.json`` is there; it is written
    last.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, run: Run) -> None:
        """Create the folder, or check that it holds this very run.

        Of several processes the first one does so.

        Raises:
            RoboTSError: when it belongs to another task or other settings.
        """
        if rank() == 0:
            self._open(run)
        wait_for_all()

    def _open(self, run: Run) -> None:
        config = self.path / "config.yaml"
        if self.path.is_dir() and (config.exists() or self._only_leftovers()):
            remove_leftovers(self.path)
        if config.exists():
            self._check_same(run, config)
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise RoboTSError(
                f"an empty or new folder, or one of an earlier run, at {self.path}",
                "a folder or file with other content",
                "choose another run_dir",
            )
        with atomic_path(config) as temporary:
            temporary.write_text(
                yaml.safe_dump({**run.to_dict(), "digest": run.digest()}, sort_keys=False)
            )

    def _only_leftovers(self) -> bool:
        """Whether an earlier run was killed before it had written anything whole."""
        return all(p.name.startswith(".") and p.suffix == ".tmp" for p in self.path.iterdir())

    def _check_same(self, run: Run, config: Path) -> None:
        try:
            kept = yaml.safe_load(config.read_text())
            task, digest = kept["task"], kept["digest"]
        except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
            raise RoboTSError(
                f"the settings of an earlier run in {config}", str(error), "choose another run_dir"
            ) from error
        if task != run.task:
            raise RoboTSError(
                f"a run_dir of task {run.task!r}",
                f"{self.path}, which holds a run of task {task!r}",
                "choose another run_dir",
            )
        if digest != run.digest():
            raise RoboTSError(
                f"the settings that {self.path} was begun with",
                f"others: {', '.join(_differences(kept, run.to_dict())) or 'a different version'}",
                "run with the same settings to resume, or choose another run_dir",
            )

    # -- stages ------------------------------------------------------------------------------------

    def stage(self, name: str) -> Path:
        """A stage's folder."""
        return self.path / name

    def is_done(self, name: str) -> bool:
        """Whether a stage has finished."""
        return (self.stage(name) / "done.json").is_file()

    def result(self, name: str) -> dict[str, Any]:
        """What a finished stage left, at least ``seconds``.

        Raises:
            RoboTSError: when it has not finished.
        """
        if not self.is_done(name):
            raise RoboTSError(
                f"a finished stage {name!r} in {self.path}",
                "none",
                "run that stage first with the same settings, or all with 'robo-ts pipeline'",
            )
        return read_json(self.stage(name) / "done.json")

    def finish(self, name: str, result: dict[str, Any]) -> None:
        """Mark a stage as done, then drop its checkpoint."""
        if rank() == 0:
            write_json(self.stage(name) / "done.json", result)
        wait_for_all()
        self.drop_checkpoint(name)

    def drop_checkpoint(self, name: str) -> None:
        """Delete this process's checkpoint of a stage."""
        self._checkpoint(name).unlink(missing_ok=True)

    def _checkpoint(self, name: str) -> Path:
        """Every process has worlds of its own, and so a checkpoint of its own."""
        return self.stage(name) / (f"checkpoint-{rank()}.pt" if rank() else "checkpoint.pt")

    # -- checkpoints -------------------------------------------------------------------------------

    def save_checkpoint(self, name: str, state: dict[str, Any]) -> None:
        """Replace the stage's checkpoint, whole or not at all."""
        with atomic_path(self._checkpoint(name)) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:  # torch reports a full disk as a RuntimeError
                raise OSError(f"the checkpoint could not be written ({error})") from error

    def load_checkpoint(self, name: str) -> dict[str, Any] | None:
        """The stage's checkpoint, read without running pickled code; None when there is none."""
        path = self._checkpoint(name)
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise RoboTSError(
                f"a readable checkpoint {path}",
                f"{type(error).__name__}",
                "delete the file to begin this stage anew",
            ) from error


def _differences(kept: Any, now: Any, prefix: str = "") -> list[str]:
    """Dotted names of settings that differ."""
    if isinstance(kept, dict) and isinstance(now, dict):
        names = []
        ours = {*now, "digest"} if not prefix else set(now)  # the kept file also has its digest
        for key in sorted((set(kept) | ours) - {"digest"}):
            names += _differences(kept.get(key), now.get(key), f"{prefix}{key}.")
        return names
    return [] if kept == now else [prefix.removeprefix("config.").rstrip(".")]
