"""References: every command's help, every setting."""

from __future__ import annotations

import argparse
import os
from contextlib import contextmanager

from robo_ts.cli import build_parser
from scripts.docs import docstrings
from scripts.docs.markdown import code, fenced, prose, table


def commands() -> str:
    """What ``--help`` says, of every verb."""
    with _width(96):
        parser = build_parser()
        parts = [fenced(parser.format_help())]
        for name, verb in _verbs(parser).items():
            parts.append(f"## {name}\n\n{fenced(verb.format_help())}")
    return "\n\n".join(parts)


def configuration(what: str) -> str:
    """All settings of a run (``run``), of a task by its name, or of what teaches otherwise."""
    if what == "run":
        from robo_ts.pipeline.config import PipelineConfig

        return _groups(PipelineConfig(), "", leave=("task",))
    from robo_ts.env import get_task

    return _groups(get_task(what).config(), "task.")


def _groups(value: object, prefix: str, leave: tuple[str, ...] = ()) -> str:
    parts = []
    for at, group in docstrings.groups(value, prefix):
        rows = [
            (code(one.key), code(one.kind), code(one.default), prose(one.text))
            for one in docstrings.settings(group, at)
            if one.key not in leave
        ]
        if not rows:
            continue
        name = at.rstrip(".")
        head = f"### `{name}`\n\n" if name else ""
        body = table(("setting", "type", "default", "what"), rows)
        parts.append(f"{head}{prose(docstrings.summary(type(group)))}\n\n{body}")
    return "\n\n".join(parts)


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise ValueError("the command line has no verbs")


@contextmanager
def _width(columns: int):
    """argparse asks the terminal for its width."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(columns)
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
