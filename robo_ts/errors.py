"""Errors a user can act on: what was expected, what came, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RoboTSError(Exception):
    """An error caused by input, not by a bug.

    The command line prints the message without a traceback and exits with status 2.

    Args:
        expected: what would have been right.
        got: what came instead.
        fix: what to do about it.
    """

    def __init__(self, expected: str, got: str, fix: str) -> None:
        super().__init__(f"expected {expected}\n     got {got}\n     fix {fix}")
        self.expected = expected
        self.got = got
        self.fix = fix

    def __reduce__(self):
        return type(self), (self.expected, self.got, self.fix)


class BundleError(RoboTSError):
    """A policy bundle is missing, damaged or does not fit the task."""


class SimulationDiverged(RoboTSError):
    """A simulated world became non-finite; ``dump`` names the folder with the last good state."""

    dump: str = ""


class GateFailed(RoboTSError):
    """A stage's result is too weak for the next stage to be worth its time."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Names close to ``name`` as a hint, or all known names when none is close."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"choose one of: {', '.join(known)}"
