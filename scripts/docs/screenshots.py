"""Pictures of each task's page: ``python scripts/docs/screenshots.py [TASK ...]``.

Starts ``robo-ts view`` as users do, lets it run in a headless Chromium, pauses it, and writes
``docs/pictures/view-<task>.webp``. What acts is the best there is: the policies in ``artifacts/``,
else a scripted teacher, else the task's plain action. Run it again when there are new policies, and
look at the result.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
LARGEST = 300_000  # bytes
_SIZE = {"width": 1600, "height": 900}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 300_000  # ms; software drawing on a busy machine


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        words: what follows ``robo-ts view``.
        step: the control step that is drawn.
        clicks: names of tabs to click then.
    """

    words: tuple[str, ...]
    step: int
    clicks: tuple[str, ...] = ()


# A few steps at a time, so that the picture is of that very step however slow the machine is.
_STEP = """async last => {
    const shown = () => +document.querySelector('[data-step]').innerText;
    const find = () => [...document.querySelectorAll('button, label')]
        .find(one => one.innerText.trim() === 'Step');
    for (let next = Math.min(4, last); shown() < last; next = Math.min(next + 4, last)) {
        for (let i = shown(); i < next; i++) find().click();
        while (shown() < next) await new Promise(done => setTimeout(done, 10));
    }
}"""
SHOTS = {
    "quadrotor": Shot(("quadrotor", "--beside", "teacher", "--num-envs", "16"), 80),
    "grasp": Shot(("grasp", "--num-envs", "9"), 44),
    "soccer": Shot(("soccer", "--num-envs", "4", "--condition", "chaser_1v1"), 120),
    "reacher": Shot(("reacher", "--num-envs", "16"), 30, ("Plots",)),
    "ray_navigation": Shot(("ray_navigation", "--num-envs", "8"), 62, ("Sees",)),
    "hidden_cue": Shot(("hidden_cue", "--num-envs", "16"), 14),
}


def main(tasks: list[str]) -> None:
    """Draw the pictures of ``tasks``; of all when there are none."""
    unknown = sorted(set(tasks) - set(SHOTS))
    if unknown:
        sys.exit(f"screenshots: expected tasks among {', '.join(SHOTS)}; got {', '.join(unknown)}")
    for task in tasks or SHOTS:
        path = PICTURES / f"view-{task}.webp"
        path.write_bytes(compact(shoot(SHOTS[task])))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def shoot(shot: Shot) -> bytes:
    """The page as PNG."""
    with _served(shot.words) as url, _visited(url) as page:
        shown = page.locator("[data-step]").first
        shown.wait_for()
        deadline = time.monotonic() + _PATIENCE / 1000
        while time.monotonic() < deadline:
            if page.locator("canvas").count() and int(shown.inner_text()) > 0:
                break
            time.sleep(0.2)
        page.get_by_role("button", name="Pause", exact=True).click()
        page.get_by_role("button", name="Run", exact=True).wait_for()
        page.get_by_text("Again", exact=True).first.click()
        page.wait_for_function("() => +document.querySelector('[data-step]').innerText === 0")
        page.evaluate(_STEP, shot.step)
        for name in shot.clicks:
            page.get_by_text(name, exact=True).first.click()
        time.sleep(6.0)  # until all that is on its way has been drawn
        for notice in page.locator(".mantine-Notification-closeButton").all():
            notice.click()  # that the browser draws in software
        time.sleep(1.0)
        return page.screenshot(timeout=_PATIENCE)


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
def _served(words: tuple[str, ...]) -> Iterator[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "robo_ts.cli", "view", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                yield found[0]
                return
        raise SystemExit("screenshots: robo-ts view gave no address")
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def _visited(url: str) -> Iterator[Page]:
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
