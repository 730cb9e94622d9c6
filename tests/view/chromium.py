"""A real browser for the tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# The machine may be busy, and draws in software.
PATIENCE = 180_000


@contextmanager
def headless_chromium() -> Iterator[Browser]:
    """The browser; skips the test where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"],
            timeout=PATIENCE,
        )
        yield browser
        browser.close()


def visit(browser: Browser, url: str, asked: list[str] | None = None) -> Page:
    """A page in the browser.

    Args:
        browser: the browser.
        url: of the page.
        asked: receives every address the page asks for.
    """
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    page.set_default_timeout(PATIENCE)
    if asked is not None:
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(url, timeout=PATIENCE)
    return page
