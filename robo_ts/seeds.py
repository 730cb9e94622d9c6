"""Independent streams of chance from one seed."""

from __future__ import annotations

import zlib

import numpy as np


def derive(seed: int, *path: str | int) -> int:
    """A seed for one purpose; streams of different seeds or purposes have nothing in common.

    Args:
        seed: the user's seed, of any size and sign.
        path: what it is for, such as ``"evaluate", 3``.

    Returns:
        63 bits, fit for torch and numpy.
    """
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in path]
    entropy = [abs(seed), int(seed < 0), *words]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
