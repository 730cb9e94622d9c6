"""Writing files so that a run that dies at any moment leaves whole files only."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robo_ts.errors import RoboTSError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary sibling to write to; renamed over ``path`` when the block ends well.

    Raises:
        RoboTSError: when the disk is full or the folder cannot be written; ``path`` keeps its old
            content.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        if temporary.is_dir() and path.exists():
            _swap_folders(temporary, path)
        else:
            temporary.replace(path)
    except OSError as error:
        raise RoboTSError(
            f"to write {path}",
            f"{error.strerror or error}",
            "free space or mend the permissions, then run the same command again; "
            "everything saved before is intact",
        ) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete what writers that were killed left in ``folder`` and below."""
    for leftover in [*folder.rglob(".*.tmp"), *folder.rglob(".*.old")]:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def write_json(path: str | Path, data: Any) -> None:
    """Write ``data`` as indented JSON, atomically. NaN becomes null."""
    text = json.dumps(_finite(data), indent=2, sort_keys=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def check_writable(path: str | Path) -> None:
    """Raise unless a file can be written at ``path``; makes its folder.

    Raises:
        RoboTSError: naming what is in the way.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise RoboTSError(
            f"to write {path}", f"{error.strerror or error}", "choose another file"
        ) from error


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        RoboTSError: when it is missing or damaged.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RoboTSError(
            f"a readable JSON file {path}", str(error), "restore it or make it anew"
        ) from error


def sha256(path: str | Path) -> str:
    """Hex digest of a file, or of a folder's files with their relative names."""
    path, digest = Path(path), hashlib.sha256()
    root = path if path.is_dir() else path.parent
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _sync(path: Path) -> None:
    """Flush to the disk, so that a rename never outlives its content."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _swap_folders(new: Path, old: Path) -> None:
    """Put ``new`` in the place of ``old``; at no moment, where the system can, is there neither."""
    if _exchange(new, old):
        return  # the old folder now bears the temporary name, and goes with it
    aside = old.with_name(f".{old.name}.{os.getpid()}.old")
    old.replace(aside)
    try:
        new.replace(old)
    except BaseException:
        aside.replace(old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, two: Path) -> bool:
    """Swap two paths in one step (Linux's renameat2); False where the system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    at_cwd, exchange = -100, 2
    return rename is not None and not rename(
        at_cwd, os.fsencode(one), at_cwd, os.fsencode(two), exchange
    )
