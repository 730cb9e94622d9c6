"""The last moments of some numbers per world."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class History:
    """A ring of the last ``length`` control steps; a number not given in a step is NaN there.

    Args:
        length: control steps kept.
        num: number of worlds.
    """

    def __init__(self, length: int, num: int) -> None:
        self._length, self._num = length, num
        self._rows: dict[str, np.ndarray] = {}
        self._times = np.full(length, np.nan)
        self._next = self._filled = 0

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self._next = self._filled = 0

    def add(self, time: float, numbers: Mapping[str, np.ndarray]) -> None:
        """One step: its time in s, and by name ``(num,)`` numbers."""
        self._times[self._next] = time
        for name in [*self._rows, *(n for n in numbers if n not in self._rows)]:
            if name not in self._rows:
                self._rows[name] = np.full((self._length, self._num), np.nan)
            self._rows[name][self._next] = numbers.get(name, np.nan)
        self._next = (self._next + 1) % self._length
        self._filled = min(self._filled + 1, self._length)

    def names(self) -> list[str]:
        """Names seen so far, in order."""
        return list(self._rows)

    def times(self) -> np.ndarray:
        """``(steps,)`` s, oldest first."""
        return self._times[self._order()]

    def of(self, name: str, world: int) -> np.ndarray:
        """A number of one world over :meth:`times`; NaN where it was not given."""
        if name not in self._rows:
            return np.full(self._filled, np.nan)
        return self._rows[name][self._order(), world]

    def mean(self, name: str) -> np.ndarray:
        """Its mean over the worlds."""
        if name not in self._rows:
            return np.full(self._filled, np.nan)
        rows = self._rows[name][self._order()]
        seen = np.isfinite(rows)
        return np.where(seen, rows, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)

    def _order(self) -> np.ndarray:
        return (np.arange(self._filled) + self._next - self._filled) % self._length
