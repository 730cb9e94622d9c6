"""The run directory: where each stage's files lie, which stages are done, what may be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from robo_ts.distributed import rank, wait_for_all
from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path, read_json, remove_leftovers, write_json
from robo_ts.pipeline.config import Run, decides_results
from robo_ts.policies import PolicyBundle

STAGES = ("teacher", "student", "eval", "export")
_EVAL = ("teacher", "student", "teacher_to_student", "memory_cleared_every")
# What a finished stage's done.json holds beside "seconds", and the files it leaves.
_RESULTS = {
    "teacher": ("samples", "gate", "digest"),
    "student": ("samples", "parameters", "digest"),
    "eval": _EVAL,
    "export": ("file", "bytes", "onnx", "max_abs_diff_vs_torch", "steps_compared"),
}
_FILES = {
    "teacher": ("bundle",),
    "student": ("bundle",),
    "eval": tuple(f"{name}.json" for name in _EVAL),
    "export": ("policy.onnx", "policy.json", "golden.npz"),
}


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
            if self._check_same(run, config):
                return
            # The earlier try left nothing worth keeping.
            (self.path / "manifest.json").unlink(missing_ok=True)
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
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

    def _has_begun(self) -> bool:
        """Whether any stage left a checkpoint, a part or a result."""
        names = ("checkpoint*.pt", "shares/*", "done.json")
        return any(list(self.path.glob(f"*/{name}")) for name in names)

    def _check_same(self, run: Run, config: Path) -> bool:
        """Whether the folder holds this run; False when it holds another that never got far."""
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
            if not self._has_begun():
                return False
            others = ", ".join(setting_differences(kept, run.to_dict()))
            raise RoboTSError(
                f"the settings that {self.path} was begun with",
                f"others: {others or 'a different version'}",
                "run with the same settings to resume, or choose another run_dir",
            )
        return True

    # -- stages ------------------------------------------------------------------------------------

    def stage(self, name: str) -> Path:
        """A stage's folder."""
        return self.path / name

    def is_done(self, name: str) -> bool:
        """Whether a stage has finished."""
        return (self.stage(name) / "done.json").is_file()

    def result(self, name: str) -> dict[str, Any]:
        """What a finished stage left, at least ``seconds``; its files are there, its bundle is its
        own.

        Raises:
            RoboTSError: when it has not finished, or when its files are missing or others.
        """
        if not self.is_done(name):
            raise RoboTSError(
                f"a finished stage {name!r} in {self.path}",
                "none",
                "run that stage first with the same settings, or all with 'robo-ts pipeline'",
            )
        path = self.stage(name) / "done.json"
        result, again = read_json(path), self._again(name)
        if not isinstance(result, dict) or not {"seconds", *_RESULTS[name]} <= set(result):
            raise RoboTSError(f"{path} as its stage wrote it", "other content", again)
        for file in _FILES[name]:
            if not (path.parent / file).exists():
                raise RoboTSError(
                    f"{path.parent / file}, which the finished stage {name!r} left", "none", again
                )
        if "digest" in result:
            digest = PolicyBundle.load(path.parent / "bundle").digest()
            if digest != result["digest"]:
                raise RoboTSError(
                    f"the policy {result['digest'][:16]} in {path.parent / 'bundle'}, "
                    "which its done.json names",
                    f"another one, {digest[:16]}",
                    again,
                )
        return result

    def _again(self, name: str) -> str:
        """How to mend a damaged stage: later stages were made from it."""
        later = [n for n in STAGES[STAGES.index(name) + 1 :] if self.is_done(n)]
        if name == "eval":  # nothing is made from it
            later = []
        fix = f"restore it, or delete {self.stage(name) / 'done.json'} to make it again"
        return f"{fix} (and that of {', '.join(later)}, made from it)" if later else fix

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
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise self.bad_checkpoint(name, type(error).__name__) from error
        if not isinstance(state, dict) or not {"learner", "seconds"} <= set(state):
            raise self.bad_checkpoint(name, "a file with other content")
        return state

    def bad_checkpoint(self, name: str, got: str) -> RoboTSError:
        """The error for a checkpoint that cannot be gone on from."""
        return RoboTSError(
            f"a readable checkpoint {self._checkpoint(name)} of this stage",
            got,
            "delete the file to begin this stage anew",
        )


def setting_differences(kept: Any, now: Any, prefix: str = "") -> list[str]:
    """Dotted names of the settings that decide results and differ between two ``config.yaml``."""
    if isinstance(kept, dict) and isinstance(now, dict):
        names = []
        ours = {*now, "digest"} if not prefix else set(now)  # the kept file also has its digest
        for key in sorted((set(kept) | ours) - {"digest"}):
            names += setting_differences(kept.get(key), now.get(key), f"{prefix}{key}.")
        return names
    name = prefix.removeprefix("config.").rstrip(".")
    return [name] if kept != now and decides_results(name) else []
