"""What words of a command line may be, said so that one knows what to write instead."""

from __future__ import annotations

import argparse


def not_negative(text: str) -> int:
    """A whole number of at least 0, such as a seed.

    Raises:
        argparse.ArgumentTypeError: for anything else.
    """
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 0, got {text!r}; write for example 7"
        )
    return number
