"""Many objects as arrays: what the model, the task and the curriculum need of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from robo_ts.envs.grasp.objects.families import HELD_OUT, MAX_PIECES, TRAIN
from robo_ts.envs.grasp.objects.generator import MAX_POSES, VERSION, GraspObject, generate
from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path
from robo_ts.progress import Progress
from robo_ts.sim.variants import VariantTable, make_table

SPLITS = ("train", "instance", "family")
# Held-out instances of the training families are numbered from here.
_HELD_OUT_FROM = 1_000_000


@dataclass
class ObjectSet:
    """``V`` objects. Lengths in metres; frames have their origin in the centre of mass.

    Attributes:
        names: ``family/index``, ``(V,)``.
        families: ``(V,)``.
        pieces: convex pieces' corners per object.
        table: what each object's model is made of.
        points: on the surfaces, ``(V, P, 3)``.
        normals: outward, ``(V, P, 3)``.
        pose_quat: orientations of rest, ``(V, MAX_POSES, 4)`` wxyz.
        pose_height: of the centre of mass above the table, ``(V, MAX_POSES)``.
        pose_probability: zero for a pose that is not there, ``(V, MAX_POSES)``.
        diameter: of the bounding spheres, ``(V,)``.
        features: what shapes are compared by, ``(V, 12)``.
    """

    names: np.ndarray
    families: np.ndarray
    pieces: list[list[np.ndarray]]
    table: VariantTable
    points: np.ndarray
    normals: np.ndarray
    pose_quat: np.ndarray
    pose_height: np.ndarray
    pose_probability: np.ndarray
    diameter: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def select(self, ids: Sequence[int] | np.ndarray) -> ObjectSet:
        """The objects ``ids``, in this order."""
        ids = np.asarray(ids, np.int64)
        chosen = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in chosen.items():
            if isinstance(value, np.ndarray):
                chosen[name] = value[ids]
        chosen["pieces"] = [self.pieces[i] for i in ids]
        chosen["table"] = self.table.select(ids)
        return ObjectSet(**chosen)


def collect(objects: Sequence[GraspObject]) -> ObjectSet:
    """Objects as arrays."""
    pieces = [item.pieces for item in objects]
    return ObjectSet(
        names=np.array([item.name for item in objects]),
        families=np.array([item.family for item in objects]),
        pieces=pieces,
        table=make_table(pieces, MAX_PIECES),
        points=np.stack([item.points for item in objects]).astype(np.float32),
        normals=np.stack([item.normals for item in objects]).astype(np.float32),
        pose_quat=_padded([item.poses.quat for item in objects]),
        pose_height=_padded([item.poses.height for item in objects]),
        pose_probability=_padded([item.poses.probability for item in objects]),
        diameter=np.array([item.diameter for item in objects]),
        features=np.stack([item.features for item in objects]),
    )


def joined(sets: Sequence[ObjectSet]) -> ObjectSet:
    """Several sets, one after the other."""
    whole: dict[str, object] = {}
    for f in fields(ObjectSet):
        parts = [getattr(one, f.name) for one in sets]
        if isinstance(parts[0], np.ndarray):
            whole[f.name] = np.concatenate(parts)
    tables = [one.table for one in sets]
    columns = {
        f.name: np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(VariantTable)
    }
    columns["first"] = np.concatenate([[0], np.cumsum(columns["count"])[:-1]])
    whole["table"] = VariantTable(**columns)
    whole["pieces"] = [pieces for one in sets for pieces in one.pieces]
    return ObjectSet(**whole)  # type: ignore[arg-type]


def generated(
    count: int, split: str = "train", seed: int = 0, families: Iterable[str] = ()
) -> ObjectSet:
    """``count`` generated objects of a split, the families in turn.

    What has been generated before is read from :func:`cache_dir`.

    Args:
        count: how many.
        split: ``train``, ``instance`` (unseen objects of the training families) or ``family``
            (unseen families).
        seed: of the generator.
        families: only these; the split's own when empty.

    Raises:
        RoboTSError: for an unknown split or family, or no objects.
    """
    if split not in SPLITS:
        raise RoboTSError(f"a split among {', '.join(SPLITS)}", repr(split), "choose one")
    if count < 1:
        raise RoboTSError("at least one object", str(count), "ask for more")
    names = list(families) or list(HELD_OUT if split == "family" else TRAIN)
    first = _HELD_OUT_FROM if split == "instance" else 0
    each = -(-count // len(names))
    whole = joined([_family(name, first, each, seed) for name in names])
    # One of each family, then the next of each.
    order = np.arange(len(names) * each).reshape(len(names), each).T.ravel()
    return whole.select(order[:count])


def _family(name: str, first: int, count: int, seed: int) -> ObjectSet:
    """Instances ``first`` to ``first + count`` of a family, cached."""
    start = cache_dir() / f"objects-v{VERSION}-seed{seed}-{name}-{first}"
    for path in sorted(start.parent.glob(f"{start.name}-*.npz")):
        if int(path.stem.rpartition("-")[2]) >= count:
            return load(path).select(range(count))
    bar = Progress(f"generate {name}", count, "object", shown=count >= 20)
    found = []
    for index in range(first, first + count):
        found.append(generate(name, index, seed))
        bar.update(1)
    bar.close()
    whole = collect(found)
    save(whole, Path(f"{start}-{count}.npz"))
    return whole


def cache_dir() -> Path:
    """Where generated objects are kept: ``$ROBO_TS_CACHE``, else ``~/.cache/robo_ts``."""
    folder = os.environ.get("ROBO_TS_CACHE") or Path.home() / ".cache" / "robo_ts"
    return Path(folder)


def save(objects: ObjectSet, path: Path) -> None:
    """Write a set as one ``.npz`` without pickled objects."""
    arrays = {
        f.name: getattr(objects, f.name)
        for f in fields(ObjectSet)
        if f.name not in ("pieces", "table")
    }
    arrays |= {f"table_{f.name}": getattr(objects.table, f.name) for f in fields(VariantTable)}
    flat = [points for pieces in objects.pieces for points in pieces]
    arrays["corners"] = np.concatenate(flat).astype(np.float32)
    arrays["corner_counts"] = np.array([len(points) for points in flat])
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load(path: Path) -> ObjectSet:
    """Read what :func:`save` wrote.

    Raises:
        RoboTSError: when the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise RoboTSError(
            f"a set of objects in {path}", f"{error}", "delete the file; it is made anew"
        ) from error
    ends = np.cumsum(arrays.pop("corner_counts"))
    flat = np.split(arrays.pop("corners").astype(np.float64), ends[:-1])
    columns = {f.name: arrays.pop(f"table_{f.name}") for f in fields(VariantTable)}
    table = VariantTable(**columns)
    pieces = [flat[a : a + n] for a, n in zip(table.first, table.count, strict=True)]
    return ObjectSet(pieces=pieces, table=table, **arrays)


def _padded(values: Sequence[np.ndarray]) -> np.ndarray:
    padded = np.zeros((len(values), MAX_POSES, *values[0].shape[1:]))
    for row, value in zip(padded, values, strict=True):
        row[: len(value)] = value
    return padded
