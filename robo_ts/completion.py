"""Shell completion: what may follow on a command line. Imports nothing heavy; it runs at every tab.

``eval "$(robo-ts completion bash)"`` switches it on (``zsh`` and ``fish`` likewise).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.paths import CONFIG_DIR

SHELLS = ("bash", "zsh", "fish")
# Settings that are typed most, beside those whose values are files under configs/.
_COMMON = (
    "seed",
    "run_dir",
    "teacher_bundle",
    "student_bundle",
    "finetune",
    "processes",
    "distill.iterations",
    "distill.num_envs",
    "distill.loss",
    "teacher.iterations",
    "evaluate.episodes",
)
_GROUPS = ("engine", "teacher", "student", "distill")
_VALUES = {"finetune": ("none", "reward", "apg")}


def shell_code(shell: str) -> str:
    """What a shell has to run.

    Raises:
        RoboTSError: for a shell that is not known, or without the package argcomplete.
    """
    if shell not in SHELLS:
        raise RoboTSError("a shell", repr(shell), did_you_mean(shell, SHELLS))
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError as error:
        raise RoboTSError("the package argcomplete", "none", "pip install argcomplete") from error
    return shellcode(["robo-ts"], shell=shell)


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell if it is the shell that asks; then the process ends here."""
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser, always_complete_options="long")


def settings(prefix: str, parsed_args: Any = None, **_: Any) -> list[str]:
    """Completions of a ``key=value`` word."""
    key, equals, value = prefix.partition("=")
    if not equals:
        keys = ("task", "recipe", *_GROUPS, *_COMMON)
        return [f"{name}=" for name in keys if name.startswith(key)]
    return [f"{key}={one}" for one in _values(key, parsed_args) if one.startswith(value)]


def _values(key: str, parsed_args: Any) -> list[str]:
    if key == "task":
        return tasks()
    if key == "recipe":
        typed = getattr(parsed_args, "settings", None) or []
        task = next((w.partition("=")[2] for w in typed if w.startswith("task=")), "quadrotor")
        return _stems(CONFIG_DIR / "recipe" / task)
    if key in _GROUPS:
        return _stems(CONFIG_DIR / key)
    if key in ("run_dir", "teacher_bundle", "student_bundle", "bundle", "out"):
        return runs("")
    return list(_VALUES.get(key, ()))


def tasks(prefix: str = "", **_: Any) -> list[str]:
    """Names of tasks."""
    from robo_ts.tasks import foreign_tasks, task_folders

    return sorted(t for t in {*task_folders(), *foreign_tasks()} if t.startswith(prefix))


def runs(prefix: str = "", **_: Any) -> list[str]:
    """Folders of runs and of policies at hand."""
    found = [str(p.parent) for p in Path("runs").glob("*/config.yaml")]
    found += [str(p.parent) for p in Path("artifacts").glob("*/*/policy.json")]
    return sorted(path for path in found if path.startswith(prefix))


def shown(prefix: str = "", **_: Any) -> list[str]:
    """What can be watched: a task, a folder of a run or of a policy, or else a file."""
    from argcomplete.completers import FilesCompleter

    known = [word for word in (*tasks(), *runs()) if word.startswith(prefix)]
    return known or list(FilesCompleter()(prefix))


def policies(prefix: str = "", **_: Any) -> list[str]:
    """Those that most folders hold."""
    return [name for name in ("student", "teacher", "onnx") if name.startswith(prefix)]


def measurements(prefix: str = "", **_: Any) -> list[str]:
    """Words of ``robo-ts bench``."""
    from robo_ts.bench.suite import CAMERAS, SPEED, SUITE

    return [word for word in (*SPEED, CAMERAS, *SUITE) if word.startswith(prefix)]


def patients(prefix: str = "", **_: Any) -> list[str]:
    """Whom the doctor may be asked about."""
    return [w for w in (*tasks(), "machine", *runs()) if w.startswith(prefix)]


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))
