"""Named rows of one packed tensor ``(rows, num)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

# The components of a vector: rows of a tensor or a list of tensors ``(num,)``.
Components = Any
Rows = dict[str, Any]


class Layout:
    """Which rows of a packed tensor carry which name, in order.

    One tensor instead of a dozen keeps a compiled step's entry cheap. A name with one row is a
    ``(num,)`` tensor outside, any other ``(rows, num)``.

    Args:
        sizes: rows of each name.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self.rows = sum(sizes.values())

    def __contains__(self, name: str) -> bool:
        return name in self.sizes

    def split(self, packed: Tensor) -> Rows:
        """Views of a packed ``(rows, num)``."""
        parts = torch.split(packed, list(self.sizes.values()))
        return {
            name: part[0] if self.sizes[name] == 1 else part
            for name, part in zip(self.sizes, parts, strict=True)
        }

    def join(self, rows: Rows) -> Tensor:
        """The packed tensor of these rows."""
        # Row by row, so that a compiler sees one loop over the worlds.
        return torch.stack([x for n, s in self.sizes.items() for x in _rows(rows[n], s)])

    def slice(self, name: str) -> slice:
        """Where a name's rows lie."""
        begin = 0
        for known, size in self.sizes.items():
            if known == name:
                return slice(begin, begin + size)
            begin += size
        raise KeyError(name)


def _rows(value: Components, size: int) -> tuple[Tensor, ...]:
    return (value,) if size == 1 else tuple(value)
