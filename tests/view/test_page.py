"""The page in a real browser: what visitors click is what happens."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from robo_ts.view.page import Page as View
from robo_ts.view.session import Session
from robo_ts.view.web import close_server, open_server
from tests.view.chromium import PATIENCE, headless_chromium, visit
from tests.view.parts import cart_offer

ROOT = Path(__file__).parents[2]


class Served:
    """``robo-ts view quadrotor`` as users start it."""

    def __init__(self) -> None:
        words = ["view", "quadrotor", "--num-envs", "2"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "robo_ts.cli", *words],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert found, said
        self.url, self.port = found[0], int(found[1])
        self.asked: list[str] = []


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """The command line's own page, started once."""
    page = Served()
    yield page
    page.process.terminate()
    page.process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with headless_chromium() as found:
        yield found


@pytest.fixture(scope="module")
def visitor(served: Served, browser: Browser) -> Page:
    """One visitor, who stays for all tests."""
    page = visit(browser, served.url, served.asked)
    page.get_by_text(re.compile(r"step \d+")).first.wait_for()
    return page


def until(holds: Callable[[], bool]) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


def step(page: Page) -> int:
    return int(page.locator("[data-step]").first.inner_text())


def settled(read: Callable[[], float]) -> float:
    """A number once it stands still: what was on its way to the page has arrived."""
    deadline, last = time.monotonic() + PATIENCE / 1000, read()
    while time.monotonic() < deadline:
        time.sleep(1.0)
        now = read()
        if now == last:
            return now
        last = now
    raise AssertionError("it never stands still")


def pause_at_the_start(page: Page) -> None:
    """So that the episode does not end meanwhile."""
    page.get_by_text("Again", exact=True).click()
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).wait_for()


def go_on(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("button", name="Pause", exact=True).wait_for()


def choose(page: Page, now: str, option: str) -> None:
    """In the dropdown that shows ``now``."""
    page.locator(f'input[value="{now}"]').first.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_rollout_moves(visitor: Page):
    first = step(visitor)
    assert until(lambda: step(visitor) != first)


def test_pausing_stops_it_and_a_step_is_one_step(visitor: Page):
    pause_at_the_start(visitor)
    stopped = int(settled(lambda: step(visitor)))
    time.sleep(2.0)
    assert step(visitor) == stopped
    visitor.get_by_text("Step", exact=True).click()
    assert until(lambda: step(visitor) == stopped + 1)
    go_on(visitor)
    assert until(lambda: step(visitor) > stopped + 1)


def test_switching_the_policy_changes_who_is_shown(visitor: Page):
    assert visitor.get_by_text("GRU 16").count()
    choose(visitor, "student", "teacher")
    visitor.get_by_text("no memory").first.wait_for()
    assert not visitor.get_by_text("GRU 16").count()
    choose(visitor, "teacher", "student")
    visitor.get_by_text("GRU 16").first.wait_for()


def test_a_push_is_seen_in_the_state(visitor: Page):
    pause_at_the_start(visitor)
    visitor.get_by_text("Sees", exact=True).click()
    term = visitor.locator("[data-term=velocity_error]")
    term.wait_for()
    before = settled(lambda: float(term.inner_text().split()[2]))
    choose(visitor, "any side", "up")
    visitor.get_by_text("This world", exact=True).click()
    time.sleep(0.5)
    visitor.get_by_text("Step", exact=True).click()
    # 1 m/s, and what drone and gravity do in a hundredth of a second.
    assert until(lambda: abs(float(term.inner_text().split()[2]) - before - 1.0) < 0.3)
    go_on(visitor)
    visitor.get_by_text("Now", exact=True).click()


def test_putting_the_teacher_beside_shows_both(visitor: Page):
    choose(visitor, "nobody", "teacher")
    assert until(lambda: visitor.get_by_text("off the teacher's").count() == 1)
    assert until(lambda: visitor.get_by_text("no memory").count() == 1)


def test_the_page_asks_no_other_machine(served: Served, visitor: Page):
    hosts = {
        address.split("/")[2] for address in served.asked if address.startswith(("http", "ws"))
    }
    assert hosts == {f"127.0.0.1:{served.port}"}


def test_nothing_listens_beyond_this_machine(served: Served):
    listening = _listening(served.process.pid)
    assert ("0100007F", served.port) in listening  # 127.0.0.1 as the kernel writes it
    assert {address for address, _ in listening} == {"0100007F"}


def _listening(pid: int) -> set[tuple[str, int]]:
    """Addresses and ports a process listens on, from Linux's own tables."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        target = str(entry.readlink()) if entry.is_symlink() else ""
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in sockets:
                address, port = words[1].split(":")
                found.add((address, int(port, 16)))
    return found


def test_another_task_is_chosen_on_the_page(visitor: Page):
    choose(visitor, "quadrotor", "soccer")
    visitor.locator('input[value="teacher"]').first.wait_for()  # soccer's committed policy
    assert until(lambda: visitor.locator('input[value="student"]').count() == 0)
    first = step(visitor)
    assert until(lambda: step(visitor) != first)


def test_the_opponent_is_chosen_on_the_page(visitor: Page):
    choose(visitor, "as in the settings", "goalkeeper")
    visitor.get_by_text("opponent goalkeeper").wait_for()


@pytest.fixture
def with_camera(cart: None, tmp_path: Path) -> Iterator[tuple[View, str]]:
    """A page of the cart, whose student has a camera."""
    server = open_server()
    page = View(Session(cart_offer(), 2), server, tmp_path)
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            page.run(0.2)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield page, f"http://127.0.0.1:{server.get_port()}"
    stop.set()
    thread.join(30)
    close_server(server)


def test_the_students_camera_image_is_shown_and_not_blank(
    with_camera: tuple[View, str], browser: Browser
):
    page = visit(browser, with_camera[1])
    page.get_by_text("Sees", exact=True).click()
    page.get_by_text("eye, 8 × 6").wait_for()
    image = page.locator('img:not([src*="svg"])').first  # the logo is one too
    image.wait_for()
    assert until(lambda: len(set(_brightness(image))) > 1)


def _brightness(image: Any) -> list[int]:
    """Red of the picture's left and right half."""
    return image.evaluate(
        """image => {
            const canvas = document.createElement('canvas');
            canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
            const context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            const at = x => context.getImageData(x, 2, 1, 1).data[0];
            return [at(2), at(canvas.width - 3)];
        }"""
    )


def test_a_free_port_is_chosen_and_a_taken_one_is_named():
    from robo_ts.errors import RoboTSError

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RoboTSError, match=f"port {port} free"):
            open_server(port)
    first, second = open_server(), open_server()
    try:
        assert first.get_port() != second.get_port()
        assert first.get_host() == "127.0.0.1"
    finally:
        close_server(first)
        close_server(second)


def test_without_the_viewers_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    from robo_ts.errors import RoboTSError

    monkeypatch.setitem(sys.modules, "mjviser", None)
    with pytest.raises(RoboTSError, match=r"robo_ts\[viewer\]"):
        open_server()


def test_without_a_browser_it_says_which_page_to_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    import webbrowser

    from robo_ts.view.app import open_browser

    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    open_browser("http://127.0.0.1:8123")
    said = capsys.readouterr().out
    assert "no browser found" in said
    assert "ssh -L 8123:127.0.0.1:8123" in said
