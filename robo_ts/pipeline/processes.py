"""A training stage carried out by several processes of this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

import torch.multiprocessing as mp

from robo_ts.distributed import started
from robo_ts.errors import RoboTSError

Work = Callable[[], Any]


def together(count: int, work: Work) -> Any:
    """What ``work`` returns in the first of ``count`` processes, which train together.

    The others do the same work and end with it; :mod:`robo_ts.distributed` tells them apart.

    Args:
        count: processes; with one, or where ``torchrun`` has started them, none is added.
        work: can be pickled.

    Raises:
        RoboTSError: when one of them died.
    """
    if count == 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        with started():
            return work()
    place = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(count),
    }
    context = mp.get_context("spawn")
    others = [
        context.Process(target=_follow, args=(work, place, i), daemon=True) for i in range(1, count)
    ]
    for process in others:
        process.start()
    before = dict(os.environ)
    os.environ.update(place, RANK="0", LOCAL_RANK="0")
    try:
        with started():
            try:
                return work()
            except BaseException as error:
                # A process that is gone is first noticed as a message that did not come.
                if isinstance(error, RuntimeError) and "onnection" in str(error):
                    gone = wait([p.sentinel for p in others], timeout=60.0)
                    for process in (p for p in others if p.sentinel in gone):
                        process.join(timeout=10.0)  # its exit code comes a moment later
                dead = [p.exitcode for p in others if p.exitcode]
                # Before the group is left, or the others would complain about its end.
                for process in others:
                    process.kill()
                if dead:
                    raise RoboTSError(
                        f"{count} processes that train together",
                        f"one that ended with exit code {dead[0]}",
                        "see what it said above; processes=1 needs the least memory",
                    ) from None
                raise
    finally:
        os.environ.clear()
        os.environ.update(before)
        for process in others:
            process.join(timeout=10)


def _follow(work: Work, place: dict[str, str], index: int) -> None:
    os.environ.update(place, RANK=str(index), LOCAL_RANK=str(index))
    # An interrupt reaches every process of a terminal; the first one speaks for all.
    with suppress(KeyboardInterrupt), started():
        work()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
