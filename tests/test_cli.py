"""The command line's front door."""

import socket
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


@pytest.mark.parametrize("verb", ["view", "video"])
def test_watching_shows_examples_and_names_what_is_not_there(
    verb: str, capsys: pytest.CaptureFixture
):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert f"robo-ts {verb} quadrotor --beside teacher" in capsys.readouterr().out
    assert main([verb, "quadrotr"]) == 2
    assert "did you mean quadrotor?" in capsys.readouterr().err


def test_a_taken_port_and_a_bad_size_are_named(capsys: pytest.CaptureFixture):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["view", "quadrotor", "--port", str(port)]) == 2
    assert f"port {port} free" in capsys.readouterr().err
    assert main(["video", "quadrotor", "--size", "large"]) == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err


def test_an_unknown_policy_or_condition_is_named(capsys: pytest.CaptureFixture):
    assert main(["video", "quadrotor", "--policy", "studnt"]) == 2
    assert "student" in capsys.readouterr().err
    assert main(["video", "quadrotor", "--condition", "eigth_5.5s"]) == 2
    assert "eight_5.5s" in capsys.readouterr().err
