"""Command lines of the documentation, understood without being carried out."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator

from omegaconf import DictConfig

from robo_ts.bench.suite import chosen
from robo_ts.cli import build_parser
from robo_ts.completion import SHELLS
from robo_ts.env import get_task, list_tasks
from robo_ts.evaluate.trials import choose_trials
from robo_ts.pipeline.config import compose_run
from tests.docs.pages import ROOT

_ENDS = {";", "&&", "||", "|"}
# Folders of the repository: a path into one of them has to be there.
_OWN = ("artifacts/", "assets/", "benchmarks/", "configs/", "scripts/")
# Folders that runs of the reader's make.
_MADE = ("runs/", "/shared/runs/")
_SETTINGS = ("pipeline", "teach", "distill", "evaluate", "export")


class NotUnderstood(AssertionError):
    """A command line that would not work, or that nobody here can check."""


def check(text: str) -> None:
    """Check every command of a block.

    Raises:
        NotUnderstood: for one that would not work.
    """
    for words in commands(text):
        if words[0] not in _CHECKERS:
            raise NotUnderstood(f"no check for {' '.join(words)!r}")
        _CHECKERS[words[0]](words[1:])


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block as words; those of a loop once, with its first value."""
    values: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in _ENDS:
                words.append(word)
                continue
            if words and words[0] == "for":
                values[words[1]] = words[3]
                words = []
            words = [w for w in words if w not in ("do", "done")]
            if words:
                yield [_with(values, w) for w in words]
            words = []


def _with(values: dict[str, str], word: str) -> str:
    for name, value in values.items():
        word = word.replace(f"${name}", value)
    return word


def _robo_ts(words: list[str]) -> None:
    words = [word for word in words if word != "..."]  # "and whatever else you set"
    try:
        asked = build_parser().parse_args(words)
    except SystemExit as error:
        raise NotUnderstood(f"robo-ts {' '.join(words)}") from error
    for word in words:
        _path(word.partition("=")[2] or word)
    if asked.command in _SETTINGS:
        compose_run([w for w in asked.settings if not w.startswith(("bundle=", "out="))])
    elif asked.command in _VERBS:
        _VERBS[asked.command](asked)


def _path(word: str) -> None:
    if word.startswith(_OWN) and not (ROOT / word).exists():
        raise NotUnderstood(f"{word}: not in the repository")


def _named(words: list[str], *others: str) -> str:
    """The task that words name; words have to be tasks, paths or one of ``others``."""
    for word in words:
        plain = word.rpartition("=")[2]
        if plain not in (*list_tasks(), *others) and not plain.startswith((*_OWN, *_MADE)):
            raise NotUnderstood(f"{word}: no task and no path")
    return next((word for word in words if word in list_tasks()), "quadrotor")


def _doctor(asked) -> None:
    settings = [word for word in asked.what if "=" in word]
    _named([word for word in asked.what if word not in settings], "machine")
    if settings:
        compose_run(settings)


def _view(asked) -> None:
    task = get_task(_named(asked.what))
    known = task.trials() if task.trials is not None else {}
    if asked.condition and asked.condition not in known:
        raise NotUnderstood(f"{asked.condition}: no condition of {task.name}")
    for name in (asked.policy, asked.beside):
        if name and name not in ("teacher", "student", "onnx"):
            raise NotUnderstood(f"{name}: no policy")


def _trials(asked) -> None:
    _named(asked.policies)
    choose_trials(get_task(asked.task), [word for word in asked.only.split(",") if word])


def _bench(asked) -> None:
    chosen([word for word in asked.what if "=" not in word])
    if asked.task:
        get_task(asked.task)


def _paths(name: str) -> Callable[..., None]:
    def look(asked) -> None:
        given = getattr(asked, name)
        _named(given if isinstance(given, list) else [given])

    return look


def _completion(asked) -> None:
    if asked.shell not in SHELLS:
        raise NotUnderstood(f"{asked.shell}: no shell we know")


_VERBS: dict[str, Callable[..., None]] = {
    "doctor": _doctor,
    "view": _view,
    "video": _view,
    "trials": _trials,
    "bench": _bench,
    "explain": _paths("run"),
    "report": _paths("run"),
    "compare": _paths("runs"),
    "probe": _paths("policy"),
    "completion": _completion,
}


def _make(words: list[str]) -> None:
    rules = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for word in words:
        if word not in rules:
            raise NotUnderstood(f"make {word}: no such rule")


def _python(words: list[str]) -> None:
    if not words[0].startswith("scripts/") or not (ROOT / words[0]).is_file():
        raise NotUnderstood(f"python {' '.join(words)}")


def _torchrun(words: list[str]) -> None:
    from torch.distributed.run import get_args_parser

    asked = get_args_parser().parse_args(words)
    if not asked.no_python or asked.training_script != "robo-ts":
        raise NotUnderstood(f"torchrun {' '.join(words)}")
    _robo_ts(asked.training_script_args)


def _pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for name in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        if missing := set(name.split(",")) - set(extras):
            raise NotUnderstood(f"pip: no extra {missing}")


def _eval(words: list[str]) -> None:
    for inner in words:
        found = re.fullmatch(r"\$\((.*)\)", inner)
        if not found:
            raise NotUnderstood(f"eval {inner}")
        check(found[1])


def _source(words: list[str]) -> None:
    if words != [".venv/bin/activate"]:
        raise NotUnderstood(f"source {' '.join(words)}")


_CHECKERS: dict[str, Callable[[list[str]], None]] = {
    "robo-ts": _robo_ts,
    "make": _make,
    "python": _python,
    "torchrun": _torchrun,
    "pip": _pip,
    "eval": _eval,
    "source": _source,
}


def is_recipe(text: str) -> bool:
    """Whether a YAML block is a recipe."""
    return text.startswith("# @package _global_")


def check_recipe(settings: DictConfig) -> None:
    """Check the settings of a recipe's block; unknown keys are errors."""
    from omegaconf import OmegaConf

    from robo_ts.pipeline.config import PipelineConfig

    OmegaConf.merge(OmegaConf.structured(PipelineConfig), settings)
