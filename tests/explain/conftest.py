"""One teacher for all tests of the ladder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.explain.parts import network_teacher, save_teacher


@pytest.fixture(scope="session")
def reacher_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a network that reaches as the scripted teacher does."""
    return save_teacher(network_teacher(), tmp_path_factory.mktemp("reacher") / "teacher")
