"""The command line's front door."""

import os
import socket
import subprocess
import sys
from pathlib import Path

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


VERBS = (
    "pipeline teach distill evaluate export bench trials view video doctor explain matches probe "
    "transfer compare report completion"
)


@pytest.mark.parametrize("verb", VERBS.split())
def test_a_verb_alone_says_what_to_type(verb: str, capsys: pytest.CaptureFixture):
    assert main([verb]) == 2
    assert f"robo-ts {verb} " in capsys.readouterr().err


@pytest.mark.parametrize("verb", [*VERBS.split(), "list"])
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert f"examples:\n  robo-ts {verb}" in capsys.readouterr().out.replace('eval "$(', "")


def test_nothing_at_all_says_what_to_type(capsys: pytest.CaptureFixture):
    assert main([]) == 2
    assert "robo-ts pipeline task=quadrotor" in capsys.readouterr().err


def test_help_and_list_import_nothing_heavy():
    heavy = ("torch", "mujoco", "numpy", "hydra", "gymnasium", "matplotlib")
    code = (
        "import sys, contextlib\n"
        "from robo_ts.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "main(['list'])\n"
        f"print(*[n for n in {heavy} if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert "hold and track a position" in done.stdout


def test_descriptions_read_without_importing_are_the_tasks_own():
    from robo_ts.env import get_task
    from robo_ts.tasks import description, task_folders

    for name in task_folders():
        assert description(name) == get_task(name).description != ""


# -- completion ------------------------------------------------------------------------------------


def _completed(line: str, tmp_path: Path) -> list[str]:
    """What a shell is told at the end of ``line``."""
    answer = tmp_path / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "fish",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run([sys.executable, "-m", "robo_ts.cli"], env=os.environ | asked, check=False)
    return [one.split("\t")[0].strip() for one in answer.read_text().splitlines()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("robo-ts expl", ["explain"]),
        ("robo-ts doctor quad", ["quadrotor"]),
        ("robo-ts pipeline task=rea", ["task=reacher"]),
        ("robo-ts pipeline task=quadrotor recipe=sm", ["recipe=smoke"]),
        ("robo-ts distill student=ad", ["student=adapter"]),
        ("robo-ts view quad", ["quadrotor"]),
        ("robo-ts view quadrotor --beside t", ["teacher"]),
        ("robo-ts video pyproj", ["pyproject.toml"]),
        ("robo-ts bench hid", ["hidden_cue"]),
    ],
)
def test_the_shell_completes(line: str, expected: list[str], tmp_path: Path):
    assert _completed(line, tmp_path) == expected


def test_completion_prints_what_a_shell_runs(capsys: pytest.CaptureFixture):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "robo-ts" in capsys.readouterr().out
    assert main(["completion", "powershell"]) == 2
    assert "a shell" in capsys.readouterr().err


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


@pytest.mark.parametrize("seed", ["-1", "seven"])
@pytest.mark.parametrize("verb", ["view", "video", "doctor"])
def test_a_seed_is_a_whole_number_of_at_least_zero(
    verb: str, seed: str, capsys: pytest.CaptureFixture
):
    with pytest.raises(SystemExit):
        main([verb, "quadrotor", "--seed", seed])
    assert f"of at least 0, got '{seed}'" in capsys.readouterr().err
