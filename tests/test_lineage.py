"""What a run says of how it came to be."""

from __future__ import annotations

import sys

import pytest

from robo_ts.lineage import command


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/somewhere/bin/robo-ts", "robo-ts teach seed=1"),
        ("/somewhere/robo_ts/cli.py", "robo-ts teach seed=1"),
        ("scripts/train_grasp.py", "train_grasp.py teach seed=1"),
    ],
)
def test_a_command_can_be_given_again(
    program: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "teach", "seed=1"])
    assert command() == said
