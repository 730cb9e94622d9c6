"""Pictures of each task's page: ``python scripts/docs/screenshots.py [TASK ...]``.

Opens the page of ``robo-ts view TASK``, steps it to a certain moment, looks at it with a headless
Chromium, and writes ``docs/pictures/view-<task>.webp``. What acts is the best there is: the
policies in ``artifacts/``, else a scripted policy. Run it again when there are new policies, and
look at the result.
"""

from __future__ import annotations

import io
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page as Visitor
from playwright.sync_api import sync_playwright

from robo_ts.env import list_tasks
from robo_ts.view.app import ViewOptions, open_session
from robo_ts.view.page import Page
from robo_ts.view.web import HOST, close_server, open_server

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
LARGEST = 300_000  # bytes
_SIZE = {"width": 1600, "height": 900}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 600_000  # ms; software drawing on a busy machine


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        options: as of ``robo-ts view``.
        step: the control step that is drawn.
        tab: the tab on the right.
    """

    options: ViewOptions
    step: int
    tab: str = "Now"


SHOTS = {
    "quadrotor": Shot(ViewOptions(16, seed=1, beside="teacher"), 80),
    "grasp": Shot(ViewOptions(9), 50, "Sees"),
    "soccer": Shot(ViewOptions(4, condition="chaser_1v1"), 110),
    "reacher": Shot(ViewOptions(16), 30, "Plots"),
    "ray_navigation": Shot(ViewOptions(8), 62, "Sees"),
    "hidden_cue": Shot(ViewOptions(16), 5),
}


def main(tasks: list[str]) -> None:
    """Draw the pictures of ``tasks``; of all when there are none."""
    unknown = sorted(set(tasks) - set(SHOTS))
    if unknown:
        sys.exit(f"screenshots: expected tasks among {', '.join(SHOTS)}; got {', '.join(unknown)}")
    for task in tasks or SHOTS:
        path = PICTURES / f"view-{task}.webp"
        path.write_bytes(compact(shoot(task, SHOTS[task])))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def shoot(task: str, shot: Shot) -> bytes:
    """The page as PNG."""
    with _shown(task, shot) as url, _visited(url) as visitor:
        visitor.locator("[data-step]", has_text=str(shot.step)).first.wait_for()
        visitor.locator("canvas").first.wait_for()
        visitor.get_by_text(shot.tab, exact=True).first.click()
        visitor.wait_for_timeout(8000)  # until all that is on its way has been drawn
        for notice in visitor.locator(".mantine-Notification-closeButton").all():
            notice.click()  # that the browser draws in software
        visitor.wait_for_timeout(2000)
        return visitor.screenshot(timeout=_PATIENCE)


def compact(png: bytes) -> bytes:
    """A PNG as WebP of at most ``LARGEST`` bytes."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for quality in (88, 80, 70, 60, 50):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=6)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    raise SystemExit(f"screenshots: expected a picture under {LARGEST} bytes; make it smaller")


@contextmanager
def _shown(task: str, shot: Shot) -> Iterator[str]:
    """The address of a page that stands still at the shot's step."""
    server = open_server()
    session = open_session([task], shot.options, None)
    page = Page(session, server, Path("runs/clips"), list_tasks(), lambda _: session)
    page.clock.paused = True
    for _ in range(shot.step):
        page.clock.step_once()
        page.tick()
        if page.session.over:
            raise SystemExit(f"screenshots: expected {shot.step} steps of {task}; got fewer")
    page.shown.plots()
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.5):  # seldom: the browser needs the processor
            page.tick()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.get_port()}"
    finally:
        stop.set()
        thread.join(60)
        close_server(server)


@contextmanager
def _visited(url: str) -> Iterator[Visitor]:
    browser_path = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        raise SystemExit("screenshots: expected Chromium; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path,
            args=["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"],
            timeout=_PATIENCE,
        )
        page = browser.new_page(viewport=_SIZE)  # type: ignore[arg-type]
        page.set_default_timeout(_PATIENCE)
        page.goto(url, timeout=_PATIENCE)
        yield page
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
