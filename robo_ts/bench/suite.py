"""Which measurements ``robo-ts bench WORD`` knows beside the speed of engine and task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from robo_ts.errors import RoboTSError, did_you_mean

# The words of robo_ts.bench.run, which are measured together; kept here so that nothing heavy is
# imported only to read a command line.
SPEED = ("sim", "env")
CAMERAS = "cameras"  # has options of its own as well, and is measured after those two


@dataclass(frozen=True)
class Measurement:
    """One measurement, imported only when it is asked for.

    Attributes:
        text: what it measures, in a few words.
        run: ``module:function``, called as ``run(seeds=..., threads=...)``: the seeds to run with,
            None for its own choice; threads of torch or the engine, 0 for its own choice. Returns
            plain data.
        show: ``module:function`` that prints what ``run`` returned.
        options: further options ``run`` takes by name, among :data:`OPTIONS`.
        task: the one task it measures, where that may be said.
    """

    text: str
    run: str
    show: str
    options: tuple[str, ...] = ()
    task: str = ""


# What an option is when nobody gives it: whole numbers, 0 for a measurement's own choice, words,
# and ``json``, the file its figures are kept in while it runs.
OPTIONS = {"steps": 0, "percent": 0, "episodes": 0, "arms": "", "json": None}
_METHODS = {
    "reacher": "DAgger with a window against cloning, no memory of data, rsl_rl's loop",
    "hidden_cue": "imitation, reward, and both, where a cue is hidden from the student",
    "coverage": "whether the student's 90% interval holds 90%",
    "gates": "labels saved by S-Aware Gating; PIER against uniform replay",
    "adapters": "adapter students against feeding predicted state to the teacher",
}
SUITE: dict[str, Measurement] = {
    "distill": Measurement(
        "update and memory of the distiller against rsl_rl's",
        "robo_ts.bench.distill:run_suite",
        "robo_ts.bench.distill.report:print_distill",
    ),
    "view": Measurement(
        "how soon the page answers, and its updates per second",
        "robo_ts.bench.view:run_suite",
        "robo_ts.bench.view:print_view",
    ),
    **{
        name: Measurement(
            text, f"robo_ts.bench.methods.suite:{name}", "robo_ts.bench.methods.suite:show_arms"
        )
        for name, text in _METHODS.items()
    },
    "sag": Measurement(
        "what S-Aware Gating promises, on a drifting novice",
        "robo_ts.bench.methods.suite:sag",
        "robo_ts.bench.methods.suite:show_sag",
    ),
    "teachers": Measurement(
        "which teacher gives the better student of a quadrotor; hours",
        "robo_ts.bench.teachers:run",
        "robo_ts.bench.teachers:show",
        ("steps", "episodes"),
        "quadrotor",
    ),
    "ablations": Measurement(
        "what each part of the quadrotor's recipe is worth; hours, resumable",
        "robo_ts.bench.ablations:run",
        "robo_ts.bench.ablations:show",
        ("percent", "episodes", "arms", "json"),
        "quadrotor",
    ),
}


def chosen(words: Sequence[str]) -> str | None:
    """The one word of :data:`SUITE` among ``words``; None when all are of :data:`SPEED`.

    Raises:
        RoboTSError: for an unknown word, or words that cannot be measured in one run.
    """
    known = (*SPEED, CAMERAS, *SUITE)
    for word in words:
        if word not in known:
            raise RoboTSError(
                f"measurements among {', '.join(known)}", repr(word), did_you_mean(word, known)
            )
    if not any(word in SUITE for word in words):
        return None
    if len(words) > 1:
        raise RoboTSError(
            f"{', '.join(SPEED)} and {CAMERAS} together, or one of {', '.join(SUITE)} alone",
            " ".join(words),
            "run robo-ts bench once for each",
        )
    return words[0]


def run_one(
    word: str, seeds: Sequence[int] | None = None, threads: int = 0, **options: Any
) -> dict[str, Any]:
    """Run a measurement of :data:`SUITE`."""
    return _load(SUITE[word].run)(seeds=seeds, threads=threads, **options)


def show_one(word: str, figures: dict[str, Any]) -> None:
    """Print what :func:`run_one` returned."""
    _load(SUITE[word].show)(figures)


def _load(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
