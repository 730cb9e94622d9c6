"""Rounds of any learner, with checkpoints, a progress bar and a log."""

from __future__ import annotations

import time
from typing import Any, NamedTuple, Protocol

import torch

from robo_ts.distributed import agreed, all_mean, rank, world_size
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.progress import MetricsLog, NoLog, Progress


class Learner(Protocol):
    """What a training stage drives: PPO or the distiller."""

    @property
    def iteration(self) -> int: ...

    @property
    def samples(self) -> int: ...

    def learn_one(self) -> dict[str, float]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Spent(NamedTuple):
    """Seconds of learning: of all attempts, and of those before this one."""

    seconds: float
    earlier: float

    def __add__(self, more: Spent) -> Spent:  # type: ignore[override]
        return Spent(self.seconds + more.seconds, self.earlier + more.earlier)


_ALARM = (
    "alarm: the imitation loss falls while success falls; the student fits the teacher better and "
    "does worse. Look at the worst action dimensions and at who acts while data is gathered."
)


def learn(
    run: Run,
    folder: RunDir,
    stage: str,
    learner: Learner,
    iterations: int,
    shown: tuple[str, ...],
) -> Spent:
    """Rounds until the plan is fulfilled, with checkpoints."""
    saved = folder.load_checkpoint(stage)
    before = 0.0
    _check_processes(folder, stage, saved)
    if saved is not None:
        before = _restore(learner, saved, folder, stage)
    begun = last = time.monotonic()
    alarmed = False
    log = _log(folder, stage, learner.iteration)
    bar = Progress(f"{stage:8s}", iterations, "round", learner.iteration, shown=rank() == 0)
    try:
        while learner.iteration < iterations:
            samples, round_begun = learner.samples, time.monotonic()
            numbers = learner.learn_one()
            now = time.monotonic()
            elapsed = before + now - begun
            numbers["seconds"] = elapsed
            log.write(learner.iteration, learner.samples, numbers)
            rate = world_size() * (learner.samples - samples) / (now - round_begun)
            bar.update(1, **{k: numbers[k] for k in shown if k in numbers}, steps_per_s=rate)
            if numbers.get("alarm") and not alarmed:
                bar.say(_ALARM)
            alarmed = bool(numbers.get("alarm"))
            due = agreed(now - last >= run.config.checkpoint_seconds)
            if due and learner.iteration < iterations:
                folder.save_checkpoint(stage, _checkpoint(learner, elapsed))
                last = time.monotonic()
    finally:
        bar.close()
        log.close()
    seconds = before + time.monotonic() - begun
    # Between this moment and done.json the stage must not have to learn its last rounds again.
    folder.save_checkpoint(stage, _checkpoint(learner, seconds))
    return Spent(seconds, before)


def _checkpoint(learner: Learner, seconds: float) -> dict[str, Any]:
    return {"learner": learner.state_dict(), "seconds": seconds, "processes": world_size()}


def _check_processes(folder: RunDir, stage: str, saved: dict[str, Any] | None) -> None:
    """A run is resumed by as many processes as it was begun with, or by none of them."""
    begun_with = (saved or {}).get("processes", world_size())
    if begun_with != world_size() or all_mean(float(saved is None)) not in (0.0, 1.0):
        raise RoboTSError(
            f"as many processes as {folder.stage(stage)} was begun with",
            f"{world_size()}, with a checkpoint of {begun_with}",
            "start torchrun with that many, or delete the checkpoints to begin the stage anew",
        )


def _log(folder: RunDir, stage: str, iteration: int) -> MetricsLog | NoLog:
    if rank():
        return NoLog()
    return MetricsLog(folder.stage(stage), folder.path / "tensorboard" / stage, iteration)


def _restore(learner: Learner, saved: dict[str, Any], folder: RunDir, stage: str) -> float:
    """Go on from a checkpoint; the seconds it took to get there."""
    try:
        learner.load_state_dict(saved["learner"])
        return float(saved["seconds"])
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        got = f"one that does not fit ({type(error).__name__}: {said})"
        raise folder.bad_checkpoint(stage, got) from error
