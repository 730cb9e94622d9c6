"""Data of earlier runs, read from disk row by row (Replay across Experiments, arXiv 2311.15951)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path, read_json, write_json
from robo_ts.policies.memory import Hidden

_CARD = "data.json"


def save_data(folder: str | Path, fields: Mapping[str, Tensor], hidden: Hidden) -> Path:
    """Write sequences as one ``.npy`` per field, sequence first, so that rows are read at once.

    Args:
        folder: made anew, whole or not at all.
        fields: ``(time, sequences, ...)`` each.
        hidden: the memories, ``(layers, sequences, width)`` per part.
    """
    folder = Path(folder)
    arrays = {name: value.transpose(0, 1) for name, value in fields.items()}
    arrays |= {f"hidden.{i}": part.transpose(0, 1) for i, part in enumerate(hidden)}
    with atomic_path(folder) as temporary:
        temporary.mkdir(parents=True)
        for name, value in arrays.items():
            np.save(temporary / f"{name}.npy", value.contiguous().cpu().numpy(), allow_pickle=False)
        first = next(iter(fields.values()))
        card = {"sequences": first.shape[1], "steps": first.shape[0], "arrays": sorted(arrays)}
        write_json(temporary / _CARD, card)
    return folder


class EarlierData:
    """Sequences of earlier runs, memory-mapped; only the rows drawn are read.

    Args:
        folders: written by :func:`save_data`.
        fields: the present data set's fields ``(time, rows, ...)``, which the earlier have to fit.
        hidden: a memory of the present student.

    Raises:
        RoboTSError: when a folder is missing, damaged or of other shapes.
    """

    def __init__(
        self, folders: Sequence[str], fields: Mapping[str, Tensor], hidden: Hidden
    ) -> None:
        self._kinds = {name: value.dtype for name, value in fields.items()}
        self._parts = [f"hidden.{i}" for i in range(len(hidden))]
        shapes = {name: (v.shape[0], *v.shape[2:]) for name, v in fields.items()}
        shapes |= {
            name: (part.shape[0], part.shape[2])
            for name, part in zip(self._parts, hidden, strict=True)
        }
        self._arrays = [_open(Path(folder), shapes) for folder in folders]
        self._counts = [len(next(iter(arrays.values()))) for arrays in self._arrays]

    def __len__(self) -> int:
        return sum(self._counts)

    def draw(
        self, count: int, generator: torch.Generator, device: torch.device
    ) -> tuple[dict[str, Tensor], Hidden]:
        """``count`` sequences, uniformly over all runs: fields ``(time, count, ...)``, memories."""
        ids = torch.randint(len(self), (count,), generator=generator).sort().values.numpy()
        begins = np.cumsum([0, *self._counts])
        found: dict[str, list[np.ndarray]] = {}
        for arrays, begin, end in zip(self._arrays, begins[:-1], begins[1:], strict=True):
            mine = ids[(ids >= begin) & (ids < end)] - begin
            for name, array in arrays.items():
                found.setdefault(name, []).append(array[mine])

        def tensor(name: str) -> Tensor:
            rows = np.concatenate(found[name]).swapaxes(0, 1)
            return torch.from_numpy(np.ascontiguousarray(rows)).to(device)

        return (
            {name: tensor(name).to(kind) for name, kind in self._kinds.items()},
            tuple(tensor(name) for name in self._parts),
        )


def _open(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    count = read_json(folder / _CARD)["sequences"]
    if count < 1:
        raise RoboTSError(f"earlier data in {folder}", "no sequences", "leave this folder out")
    arrays = {}
    for name, shape in shapes.items():
        try:
            array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise RoboTSError(
                f"earlier data with {name!r} in {folder}",
                str(error),
                "give data saved by a run of the same task and student",
            ) from error
        if array.shape != (count, *shape):
            raise RoboTSError(
                f"earlier data {name!r} of shape {(count, *shape)}",
                f"{array.shape} in {folder}",
                "give data of the same steps_per_iteration, task and student",
            )
        arrays[name] = array
    return arrays
