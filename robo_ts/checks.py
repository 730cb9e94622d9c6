"""Checks that all settings share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

from robo_ts.errors import RoboTSError, did_you_mean


def check_finite(settings: Any, group: str = "") -> None:
    """Raise unless every float of a settings dataclass is finite.

    Args:
        settings: the dataclass.
        group: its name, for the message.
    """
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if isinstance(value, float) and not math.isfinite(value):
            name = f"{group}.{item.name}".lstrip(".")
            raise RoboTSError(f"a finite {name}", str(value), "give a number")


def check_not_negative(settings: Any, group: str, names: Iterable[str]) -> None:
    """Raise unless every float is finite and the named numbers are at least zero."""
    check_finite(settings, group)
    for name in names:
        if getattr(settings, name) < 0:
            raise _outside(settings, group, name, ">= 0", "raise it")


def check_positive(settings: Any, group: str, names: Iterable[str]) -> None:
    """Raise unless every float is finite and the named numbers are above zero."""
    check_finite(settings, group)
    for name in names:
        if getattr(settings, name) <= 0:
            raise _outside(settings, group, name, "> 0", "raise it")


def check_shares(settings: Any, group: str, names: Iterable[str]) -> None:
    """Raise unless the named numbers lie in [0, 1]."""
    for name in names:
        if not 0.0 <= getattr(settings, name) <= 1.0:
            raise _outside(settings, group, name, "in [0, 1]", "give a share")


def check_at_least_one(settings: Any, group: str, names: Iterable[str]) -> None:
    """Raise unless the named whole numbers are at least one."""
    for name in names:
        if getattr(settings, name) < 1:
            raise _outside(settings, group, name, ">= 1", "raise it")


def check_range(
    settings: Any,
    group: str,
    names: Iterable[str],
    low: float = -math.inf,
    high: float = math.inf,
    above: bool = False,
    unit: str = "",
) -> None:
    """Raise unless the named :class:`~robo_ts.sim.Range` draw from [low, high] alone.

    Args:
        settings: the dataclass.
        group: its name, for the message.
        names: of the ranges. Of a normal law five standard deviations either side have to fit.
        low: least number that may be drawn.
        high: greatest.
        above: whether ``low`` itself is too low.
        unit: of the limits, for the message.
    """
    for name in names:
        given = getattr(settings, name)
        least, most = given.low, given.high
        if given.law == "normal":
            least, most = given.low - 5.0 * given.high, given.low + 5.0 * given.high
        if least < low or (above and least == low) or most > high:
            where = f"above {low:g}" if above else f"of at least {low:g}"
            where += f" and at most {high:g}" if math.isfinite(high) else ""
            raise RoboTSError(
                f"{group}.{name} {where} {unit}".rstrip(),
                f"{given.law} low={given.low:g} high={given.high:g}",
                "mend the range",
            )


def check_one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Raise unless ``value`` is among ``known``."""
    if value not in known:
        raise RoboTSError(
            f"{name} among {', '.join(known)}", repr(value), did_you_mean(value, known)
        )


def _outside(settings: Any, group: str, name: str, where: str, fix: str) -> RoboTSError:
    full = f"{group}.{name}".lstrip(".")
    return RoboTSError(f"{full} {where}", str(getattr(settings, name)), fix)
