"""Trials: conditions under which a task's policies are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trial:
    """One condition.

    Attributes:
        group: trials that belong together, such as one sweep.
        text: what it is, in a few words.
        changes: to the task's settings, nested as in a recipe.
        episodes: whole episodes per repeat.
        repeats: with seeds of their own, so that chance shows.
        bins: edges per metric, in which everything is reported apart.
    """

    group: str
    text: str
    changes: dict[str, Any] = field(default_factory=dict)
    episodes: int = 512
    repeats: int = 1
    bins: dict[str, list[float]] = field(default_factory=dict)
