"""Small pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; cells may hold Markdown but no bars."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def code(text: object) -> str:
    """Text in code type; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def fenced(text: str, language: str = "text") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def prose(text: str) -> str:
    """A docstring's words as Markdown: one line, Sphinx's marks as code."""
    joined = " ".join(text.split())
    return _ROLE.sub(r"`\1`", joined).replace("``", "`")


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", r"\|") for cell in cells) + " |"
