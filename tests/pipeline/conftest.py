"""One smoke run that several tests look at."""

from pathlib import Path

import pytest

from robo_ts.cli import main


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished ``recipe=smoke`` run on the CPU engine."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    assert main(["pipeline", "task=quadrotor", "recipe=smoke", f"run_dir={folder}"]) == 0
    return folder
