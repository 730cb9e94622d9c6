"""MkDocs' hook: fills in what is generated, ``{{ word argument ... }}``, from code and figures.

Nothing of it is committed, so it cannot go out of date. An unknown word, or a figure that is no
longer in ``benchmarks/``, ends the build.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # MkDocs loads this file alone
    sys.path.insert(0, str(ROOT))

from mkdocs.exceptions import PluginError  # noqa: E402

from scripts.docs import measured, reference, tasks  # noqa: E402

# Pictures that stand elsewhere in the repository, by their path in the site.
_PICTURES = {"pictures/quadrotor.png": "assets/pictures/quadrotor.png"}


def drawing(name: str) -> str:
    """A drawing of ours inside the page, so that it follows the page's light and dark."""
    lines = (ROOT / "docs" / "pictures" / name).read_text().splitlines()
    # As one block of HTML, which Markdown leaves alone.
    return "\n".join(["<figure>", *(line for line in lines if line.strip()), "</figure>"])


GENERATORS: dict[str, Callable[..., str]] = {
    one.__name__: one
    for one in (
        drawing,
        tasks.tasks,
        tasks.observations,
        tasks.actions,
        tasks.failures,
        tasks.recipes,
        tasks.trials,
        reference.commands,
        reference.configuration,
        measured.benchmarks,
        measured.benchmark,
        measured.success,
        measured.percent,
        measured.number,
        measured.centimetres,
        measured.minutes,
    )
}
_MARK = re.compile(r"\{\{ (.+?) \}\}")


def fill(markdown: str, where: str) -> str:
    """A page with everything generated in its place.

    Raises:
        PluginError: for an unknown word, wrong arguments or a missing figure.
    """
    return _MARK.sub(lambda found: _generated(found[1], where), markdown)


def on_files(files: Any, config: Any) -> Any:
    """Called by MkDocs with the site's files."""
    from mkdocs.structure.files import File

    for name, where in _PICTURES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / where)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by MkDocs for every page."""
    return fill(markdown, page.file.src_uri)


def _generated(words: str, where: str) -> str:
    name, *arguments = shlex.split(words)
    if name not in GENERATORS:
        raise PluginError(f"{where}: {{{{ {words} }}}}: no generator {name!r}")
    try:
        return GENERATORS[name](*arguments)
    except (TypeError, KeyError, ValueError, OSError) as error:
        raise PluginError(f"{where}: {{{{ {words} }}}}: {error}") from error
