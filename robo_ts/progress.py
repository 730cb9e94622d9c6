"""Progress bars with rate and time left, and the record of every round on disk."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter
from tqdm import tqdm

from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path

# Generated protobuf modules build their classes at import, out of a type checker's sight.
_event: Any = event_pb2
_summary: Any = summary_pb2


class Progress:
    """A bar on a terminal, a line now and then in a log file.

    Args:
        label: what is being done.
        total: units until done.
        unit: what is counted.
        initial: units already done by an earlier run.
        shown: whether to show it at all; of several processes only the first does.
    """

    def __init__(
        self, label: str, total: int, unit: str = "step", initial: int = 0, shown: bool = True
    ) -> None:
        interactive = sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            initial=initial,
            desc=label,
            unit=unit,
            unit_scale=True,
            dynamic_ncols=True,
            mininterval=0.2 if interactive else 15.0,
            miniters=None if interactive else 1,
            ascii=None if interactive else " -",
            disable=not shown,
        )

    def update(self, count: int, **numbers: float) -> None:
        """``count`` more units are done; ``numbers`` are shown behind the bar."""
        if numbers:
            self._bar.set_postfix({k: f"{v:.3g}" for k, v in numbers.items()}, refresh=False)
        self._bar.update(count)

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class MetricsLog:
    """One JSON line per round, and the same numbers in TensorBoard.

    Args:
        folder: receives ``metrics.jsonl``.
        tensorboard: receives TensorBoard's event files.
        keep: rounds of an earlier, interrupted run that stay; later ones are done again.

    Raises:
        RoboTSError: when the disk is full.
    """

    def __init__(self, folder: Path, tensorboard: Path, keep: int = 0) -> None:
        path = folder / "metrics.jsonl"
        kept = [row for row in read_metrics(path) if row["iteration"] <= keep]
        with atomic_path(path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in kept))
        with _writing(path):
            self._file = path.open("a")
            self._events = _EventFile(tensorboard, keep + 1)

    def write(self, iteration: int, samples: int, numbers: dict[str, float]) -> None:
        """Record one round.

        Raises:
            RoboTSError: when the disk is full.
        """
        row: dict[str, Any] = {"iteration": iteration, "samples": samples, **numbers}
        with _writing(Path(self._file.name)):
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            self._events.write(iteration, numbers)

    def close(self) -> None:
        """Close the files; every round was flushed when it was written."""
        with contextlib.suppress(OSError):
            self._file.close()
            self._events.close()


class NoLog:
    """What the other processes of a parallel run write: nothing."""

    def write(self, iteration: int, samples: int, numbers: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class _EventFile:
    """TensorBoard events written at once, without the background thread of its own writer, whose
    errors nobody can catch."""

    def __init__(self, folder: Path, first: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time())}.{os.getpid()}"
        self._file = (folder / name).open("wb")
        self._writer = RecordWriter(self._file)
        self._add(_event.Event(wall_time=time.time(), file_version="brain.Event:2"))
        # Tells TensorBoard to forget rounds that an interrupted attempt recorded and we do again.
        start = _event.SessionLog(status=_event.SessionLog.START)
        self._add(_event.Event(wall_time=time.time(), step=first, session_log=start))

    def write(self, step: int, numbers: dict[str, float]) -> None:
        values = [_summary.Summary.Value(tag=k, simple_value=v) for k, v in numbers.items()]
        summary = _summary.Summary(value=values)
        self._add(_event.Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        self._file.close()

    def _add(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())
        self._file.flush()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RoboTSError(
            f"to write {path}",
            str(error.strerror or error),
            "free space, then run the same command again; checkpoints are intact",
        ) from error


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rounds in a ``metrics.jsonl``; a last line cut off by a kill is left out."""
    rows = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return rows


def set_threads(torch_threads: int) -> None:
    """Give torch its threads; 0 takes every core this process may use."""
    import torch

    from robo_ts.sim.api import available_cores

    torch.set_num_threads(torch_threads or available_cores())
