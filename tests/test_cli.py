"""The command line's front door."""

import subprocess
import sys

import pytest

from robo_ts import __version__
from robo_ts.cli import main


def test_list_names_every_task(capsys: pytest.CaptureFixture):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "quadrotor" in said
    assert "RoboTS/Quadrotor-v0" in said


def test_help_shows_an_example(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "robo-ts pipeline task=quadrotor" in capsys.readouterr().out


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stop:
        main(["trian"])
    assert stop.value.code == 2
    assert "pipeline" in capsys.readouterr().err


def test_version_is_the_packages():
    said = subprocess.run(
        [sys.executable, "-m", "robo_ts.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == f"robo_ts {__version__}"
