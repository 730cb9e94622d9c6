"""The code blocks of the documentation, and what a mark before them asks for.

A mark is an HTML comment on the line before a block, ``<!-- code: MARK -->``:

- none: the block is run. Python blocks of a page share their names, like cells of a notebook.
- ``check``: too long for a test, or needs a GPU. Every command line is parsed, and its settings are
  composed, but nothing is started.
- ``slow``: run, in a test that is marked slow.
- ``file PATH``: written to a file, which later blocks use.
- ``compile``: a piece of something larger; only its syntax is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARKS = ("", "check", "slow", "file", "compile")
# What blocks may be written in, and whether a test looks at them.
LANGUAGES = {"python": True, "bash": True, "c": True, "yaml": True, "toml": True, "text": False}
_MARK = re.compile(r"^\s*<!-- code: (\w+)(?: (\S+))? -->\s*$")
_FENCE = re.compile(r"^(\s*)```(\w*)\s*$")


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        page: path below the repository.
        line: where it begins.
        language: what stands after the fence.
        mark: one of ``MARKS``.
        path: of a ``file``.
        text: the code.
    """

    page: str
    line: int
    language: str
    mark: str
    path: str
    text: str


def pages() -> list[str]:
    """README.md and everything below docs/."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in found]


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    found: list[Block] = []
    mark = path = ""
    opened: tuple[int, str, str] | None = None
    lines: list[str] = []
    for number, line in enumerate((ROOT / page).read_text().splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is not None:
            if fence and not fence[2]:
                start, indent, language = opened
                text = "\n".join(one.removeprefix(indent) for one in lines)
                found.append(Block(page, start, language, mark, path, text))
                opened, lines, mark, path = None, [], "", ""
            else:
                lines.append(line)
        elif fence:
            opened = (number, fence[1], fence[2])
        elif marked := _MARK.match(line):
            mark, path = marked[1], marked[2] or ""
        elif line.strip():
            mark = path = ""
    assert opened is None, f"{page}: a block that never ends"
    return found
