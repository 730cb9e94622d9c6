"""How soon the page answers, and how often it is updated while a visitor looks."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from robo_ts.errors import RoboTSError
from robo_ts.lineage import commit, hardware, versions

_SECONDS, _STARTS = 10.0, 3
_QUADROTORS = 16


@dataclass(frozen=True)
class _Case:
    """What is shown: a task, how many worlds of it, who acts beside the first policy."""

    task: str
    num_envs: int
    beside: str = ""


_CASES = {
    "16 quadrotors": _Case("quadrotor", _QUADROTORS),
    "16 quadrotors, student beside teacher": _Case("quadrotor", _QUADROTORS, "teacher"),
    "4 hands, with their cameras": _Case("grasp", 4),
}


def run_suite(seeds: Sequence[int] | None = None, threads: int = 0) -> dict[str, Any]:
    """Measure the page as it is without training: committed policies, else scripted ones.

    Args:
        seeds: the first one is that of the episodes; 0 when None.
        threads: of torch; 1 when 0, as for the page itself.

    Returns:
        ``seconds_to_answer`` and ``seconds_to_show`` of a fresh ``robo-ts view quadrotor`` (the
        least of three starts; all of them beside it), and per case who acted, ``updates_per_s``,
        ``cpu_ms_per_update`` (of all threads, the visitor's included), ``steps_per_s``,
        ``bytes_per_s`` to one visitor, and the machine's ``load_average`` over the last minute;
        ``niceness`` is that of this process, where others shared the machine.
    """
    import torch

    torch.set_num_threads(threads or 1)
    seed = next(iter(seeds)) if seeds else 0
    starts = [_start() for _ in range(_STARTS)]
    return {
        "seconds_to_answer": min(answer for answer, _ in starts),
        "seconds_to_show": min(show for _, show in starts),
        "starts": starts,
        "updates": {name: _updates(seed, case) for name, case in _CASES.items()},
        "niceness": os.nice(0),
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }


def _start() -> tuple[float, float]:
    """Seconds until the page answers, and until it shows worlds that move."""
    from robo_ts.view.web import HOST, free_port

    begun, port = time.monotonic(), free_port()
    words = ["view", "quadrotor", "--num-envs", str(_QUADROTORS), "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "robo_ts.cli", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        while not _answers(f"http://{HOST}:{port}/"):
            if process.poll() is not None:
                raise RoboTSError("a page that starts", "one that stopped", "run robo-ts view")
            time.sleep(0.02)
        answered = time.monotonic() - begun
        assert process.stdout is not None
        line = process.stdout.readline()
        if not re.search(rf":{port}", line):
            raise RoboTSError("the page's address", repr(line), "run robo-ts view quadrotor")
        return answered, time.monotonic() - begun
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as page:
            return page.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _updates(seed: int, case: _Case) -> dict[str, Any]:
    from robo_ts.view.page import Page
    from robo_ts.view.session import Session
    from robo_ts.view.sources import open_sources
    from robo_ts.view.web import HOST, close_server, open_server

    session = Session(open_sources([case.task]), case.num_envs, seed, beside=case.beside)
    server = open_server()
    page = Page(session, server, Path("runs/clips"))
    visitor = _Visitor(f"ws://{HOST}:{server.get_port()}")
    try:
        page.run(2.0)  # the visitor arrives, caches fill
        before, received, stepped = page.updates, visitor.received, page.steps
        begun, worked = time.monotonic(), time.process_time()
        page.run(_SECONDS)
        seconds, worked = time.monotonic() - begun, time.process_time() - worked
        return {
            "players": session.players,
            "updates_per_s": (page.updates - before) / seconds,
            "cpu_ms_per_update": 1000.0 * worked / max(1, page.updates - before),
            "steps_per_s": (page.steps - stepped) / seconds,
            "bytes_per_s": (visitor.received - received) / seconds,
            "load_average": os.getloadavg()[0],
        }
    finally:
        visitor.leave()
        close_server(server)
        session.close()


class _Visitor:
    """Somebody who receives everything and draws nothing."""

    def __init__(self, url: str) -> None:
        self.received, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(url,), daemon=True)
        self._thread.start()

    def _listen(self, url: str) -> None:
        import viser
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        protocol = Subprotocol(f"viser-v{viser.__version__}")
        with connect(url, subprotocols=[protocol], max_size=None) as socket:
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    try:
                        self.received += len(socket.recv(timeout=0.5))
                    except ConnectionClosed:
                        return

    def leave(self) -> None:
        """Go."""
        self._stop.set()
        self._thread.join(5.0)


def print_view(figures: dict[str, Any]) -> None:
    """Print what :func:`run_suite` returned."""
    where = figures["hardware"]
    table = Table(
        title="the page",
        caption=f"robo-ts view quadrotor answers after {figures['seconds_to_answer']:.1f} s, shows "
        f"worlds after {figures['seconds_to_show']:.1f} s; {where['cpu']}, {where['cores']} cores",
    )
    columns = ("", "updates/s", "CPU ms/update", "control steps/s", "kB/s to a visitor", "load")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for name, row in figures["updates"].items():
        table.add_row(
            name,
            f"{row['updates_per_s']:.1f}",
            f"{row['cpu_ms_per_update']:.1f}",
            f"{row['steps_per_s']:.0f}",
            f"{row['bytes_per_s'] / 1000.0:.0f}",
            f"{row['load_average']:.1f}",
        )
    Console().print(table)
