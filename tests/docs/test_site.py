"""The built site: warnings are errors, and nothing in it asks another machine."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from robo_ts.env import get_task, list_tasks
from robo_ts.tasks import task_folders
from tests.docs.pages import ROOT
from tests.view.chromium import headless_chromium, visit

# Attributes that make a browser fetch something by itself.
_FETCHES = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "object": ("data",),
}
_FETCHING_LINKS = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "manifest"}
_IN_CSS = re.compile(r"url\(\s*['\"]?(?:https?:)?//|@import\s+['\"]?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as CI builds it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


class _Fetched(HTMLParser):
    """Addresses a page fetches by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        names = _FETCHES.get(tag, ())
        if tag == "link" and _FETCHING_LINKS & set(given.get("rel", "").split()):
            names = ("href",)
        self.found += [given[name] for name in names if name in given]
        self.found += re.findall(r"url\(\s*['\"]?([^'\")]*)", given.get("style", ""))


def fetched(html: str) -> list[str]:
    """Addresses beyond the site that a page fetches by itself."""
    parser = _Fetched()
    parser.feed(html)
    return [one for one in parser.found if re.match(r"(https?:)?//", one.strip())]


def test_no_page_fetches_anything_from_another_machine(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) >= 20
    for page in pages:
        assert fetched(page.read_text()) == [], page
    for sheet in site.rglob("*.css"):
        assert not _IN_CSS.search(sheet.read_text()), sheet


def test_what_fetches_is_told_from_a_link() -> None:
    assert fetched('<a href="https://a.b">x</a><script src="assets/a.js"></script>') == []
    for html in (
        '<script src="https://a.b/c.js"></script>',
        '<link rel="stylesheet" href="//fonts.a.b/x.css">',
        '<img src="http://a.b/c.png">',
        '<p style="background: url(https://a.b/c.png)">',
    ):
        assert len(fetched(html)) == 1, html


def test_a_browser_asks_nobody_for_the_site(site: Path) -> None:
    with headless_chromium() as browser:
        asked: list[str] = []
        page = visit(browser, (site / "idea.html").as_uri(), asked)
        page.locator("figure svg text", has_text="Teacher").first.wait_for()
        page.goto((site / "tasks" / "quadrotor.html").as_uri())
        page.locator("table").first.wait_for()
    assert len(asked) > 4
    assert [one for one in asked if not one.startswith(("file:", "data:", "blob:"))] == []


def test_every_task_has_a_page_with_all_its_terms_and_a_picture(site: Path) -> None:
    for task in task_folders():
        html = (site / "tasks" / f"{task}.html").read_text()
        assert f"view-{task}.webp" in html
        picture = ROOT / "docs" / "pictures" / f"view-{task}.webp"
        assert picture.stat().st_size < 300_000
    text = (site / "tasks" / "reacher.html").read_text()
    from robo_ts.env import make_env

    env = make_env("reacher", 1)
    for group in env.spec.values():
        assert group.name in text
        for term in group.terms:
            assert f"<code>{term.name}</code>" in text
    env.close()
    assert set(task_folders()) <= set(list_tasks())
    assert get_task("reacher").obs_groups["student"] == ["proprioception"]


def test_every_benchmark_and_every_verb_is_in_the_references(site: Path) -> None:
    from robo_ts.cli import build_parser
    from scripts.docs.reference import _verbs

    shown = (site / "reference" / "benchmarks.html").read_text()
    for file in (ROOT / "benchmarks").glob("*.json"):
        assert f'id="{file.stem.lower()}"' in shown, file
    commands = (site / "reference" / "commands.html").read_text()
    for verb in _verbs(build_parser()):
        assert f'id="{verb}"' in commands, verb
