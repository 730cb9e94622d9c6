"""What a settings dataclass says of its fields, read from its docstring."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from robo_ts.sim.randomize import Range

_ENTRY = re.compile(r"^(\w+): (.*)$")


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        key: its dotted name.
        kind: its type, as people write it.
        default: its value when nobody says otherwise.
        text: what it is.
    """

    key: str
    kind: str
    default: str
    text: str


def summary(kind: type) -> str:
    """The part of a docstring before its list of attributes."""
    return (inspect.getdoc(kind) or "").partition("Attributes:")[0].strip()


def attributes(kind: type) -> dict[str, str]:
    """Every attribute's text, by name; inherited ones too."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if "__doc__" in vars(one) and dataclasses.is_dataclass(one):
            found |= _entries(inspect.getdoc(one) or "")
    return found


def settings(value: Any, prefix: str = "") -> list[Setting]:
    """The settings of a dataclass's instance, without those of groups inside it.

    Raises:
        ValueError: for a setting that the docstring does not explain.
    """
    texts, hints = attributes(type(value)), typing.get_type_hints(type(value))
    found = []
    for item in dataclasses.fields(value):
        one = getattr(value, item.name)
        if _is_group(one):
            continue
        if item.name not in texts:
            raise ValueError(f"{type(value).__name__}: its docstring does not explain {item.name}")
        found.append(
            Setting(prefix + item.name, _kind(hints[item.name]), _shown(one), texts[item.name])
        )
    return found


def groups(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A dataclass's instance and all those inside it, with their dotted prefixes."""
    yield prefix, value
    for item in dataclasses.fields(value):
        one = getattr(value, item.name)
        if _is_group(one):
            yield from groups(one, f"{prefix}{item.name}.")


def _is_group(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, Range)


def _entries(doc: str) -> dict[str, str]:
    """``name: text`` of the section ``Attributes:``, whose further lines are indented."""
    _, _, section = doc.partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if indent == 0 and stripped:
            break
        entry = _ENTRY.match(stripped) if indent == 4 else None
        if entry:
            name = entry[1]
            found[name] = entry[2]
        elif name:
            found[name] += f" {stripped}"
    return found


def _kind(hint: Any) -> str:
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__name__
    return re.sub(r"\w+\.", "", str(hint))


def _shown(value: Any) -> str:
    if isinstance(value, Range):
        law = "" if value.law == "uniform" else f", {value.law}"
        return f"{value.low:g} to {value.high:g}{law}"
    return '""' if value == "" else str(value)
