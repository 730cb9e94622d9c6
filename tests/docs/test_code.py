"""Every code block of README.md and docs/ does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from omegaconf import OmegaConf

from robo_ts.envs.soccer.walkers import WALKERS
from robo_ts.errors import RoboTSError
from tests.docs import commands
from tests.docs.pages import LANGUAGES, MARKS, ROOT, Block, blocks, pages

PAGES = [page for page in pages() if blocks(page)]
SLOW = [block for page in PAGES for block in blocks(page) if block.mark == "slow"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with the committed policies; what pages import or register is forgotten."""
    (tmp_path / "artifacts").symlink_to(ROOT / "artifacts")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    known, threads = set(sys.modules), torch.get_num_threads()
    with mock.patch.dict(WALKERS):
        yield tmp_path
    torch.set_num_threads(threads)
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_looked_at(page: str) -> None:
    for block in blocks(page):
        where = f"{page}:{block.line}"
        assert block.language in LANGUAGES, f"{where}: a block needs a language"
        assert block.mark in MARKS, f"{where}: unknown mark {block.mark!r}"
        assert block.mark != "check" or block.language == "bash", where
        assert block.mark != "compile" or block.language == "python", where
        assert (block.mark == "file") == bool(block.path), where


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_runs(page: str, folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.mark == "file":
            path = folder / block.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text + "\n")
        elif block.mark in ("", "compile"):
            _RUN[block.language](block, names, folder)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_only_shows_is_a_command_line_that_would_work(page: str) -> None:
    for block in blocks(page):
        if block.mark == "check":
            try:
                commands.check(block.text)
            except RoboTSError as error:
                raise AssertionError(f"{page}:{block.line}: {error}") from error


@pytest.mark.slow
@pytest.mark.parametrize("block", SLOW, ids=lambda block: f"{block.page}:{block.line}")
def test_what_takes_longer_runs_too(block: Block, folder: Path) -> None:
    _bash(block, {}, folder)


@pytest.mark.parametrize(
    "line",
    [
        "robo-ts pipeline task=quadrotr",
        "robo-ts pipeline task=quadrotor distill.iteration=3",
        "robo-ts trials artifacts/quadrotor/student --only hovering",
        "robo-ts evaluate bundle=artifacts/nothing",
        "robo-ts view quadrotor --besides teacher",
        "robo-ts view quadrotor --condition storm",
        "robo-ts bench sims",
        "torchrun --no-python robo-ts distil",
        "make everything",
        "python scripts/nothing.py",
        "pip install 'robo_ts[nothing]'",
        "for seed in a; do robo-ts pipeline seed=$seed; done",
        "curl https://example.org",
    ],
)
def test_a_wrong_command_line_is_found(line: str) -> None:
    with pytest.raises((RoboTSError, commands.NotUnderstood)):
        commands.check(line)


def test_there_are_blocks_of_every_kind() -> None:
    every = [block for page in PAGES for block in blocks(page)]
    assert {block.mark for block in every} == set(MARKS)
    assert sum(block.language == "python" and not block.mark for block in every) >= 15


def _python(block: Block, names: dict[str, Any], folder: Path) -> None:
    # Line numbers of a traceback are those of the page.
    code = compile("\n" * block.line + block.text, block.page, "exec")
    if block.mark != "compile":
        exec(code, names)


def _bash(block: Block, names: dict[str, Any], folder: Path) -> None:
    shim = folder / "bin" / "robo-ts"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m robo_ts.cli "$@"\n')
    shim.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{block.page}:{block.line}\n{done.stdout}\n{done.stderr}"


def _yaml(block: Block, names: dict[str, Any], folder: Path) -> None:
    settings = OmegaConf.create(block.text)
    if commands.is_recipe(block.text):
        commands.check_recipe(settings)  # type: ignore[arg-type]


def _c(block: Block, names: dict[str, Any], folder: Path) -> None:
    (folder / "main.c").write_text(block.text + "\n")


_RUN = {
    "python": _python,
    "bash": _bash,
    "yaml": _yaml,
    "toml": lambda block, names, folder: tomllib.loads(block.text),
    "c": _c,
    "text": lambda block, names, folder: None,
}
