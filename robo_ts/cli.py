"""``robo-ts``: one word for what to do, then settings as key=value."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robo_ts import __version__, commands, completion
from robo_ts.errors import GateFailed, RoboTSError

_EPILOG = """settings are Hydra overrides; running the same command again resumes the run. Every
setting: configs/ and the dataclasses it names. 'robo-ts COMMAND --help' shows more."""

_EXAMPLES = {
    "pipeline": (
        "robo-ts pipeline task=quadrotor recipe=raptor    # the whole line, 25 minutes of a core",
        "robo-ts pipeline task=quadrotor recipe=smoke     # every file in a minute",
        "robo-ts pipeline task=quadrotor seed=1 distill.loss=huber run_dir=runs/huber",
    ),
    "teach": ("robo-ts teach task=quadrotor recipe=smoke run_dir=runs/a",),
    "distill": (
        "robo-ts distill task=quadrotor teacher_bundle=artifacts/quadrotor/teacher run_dir=runs/b",
        "robo-ts distill task=quadrotor student=lstm distill.iterations=60 run_dir=runs/c",
    ),
    "evaluate": (
        "robo-ts evaluate task=quadrotor run_dir=runs/a",
        "robo-ts evaluate bundle=artifacts/quadrotor/student seed=7",
    ),
    "export": (
        "robo-ts export task=quadrotor run_dir=runs/a",
        "robo-ts export bundle=artifacts/quadrotor/student out=exported",
    ),
    "bench": (
        "robo-ts bench sim env",
        "robo-ts bench sim env --task reacher --num-envs 1024",
        "robo-ts bench view",
        "robo-ts bench reacher --seeds 2",
        "robo-ts bench ablations task=quadrotor --json benchmarks/ablations.json",
    ),
    "trials": (
        "robo-ts trials artifacts/quadrotor/student --only hold,tracking",
        "robo-ts trials old=runs/a/student/bundle new=runs/b/student/bundle --json trials.json",
    ),
    "list": ("robo-ts list",),
    **commands.EXAMPLES,
}

_COMMANDS = {
    "pipeline": "teacher, student, evaluation, ONNX, report: the whole line",
    "teach": "train the teacher of a run",
    "distill": "make the student of a run's teacher",
    "evaluate": "measure a run's teacher and student, or one bundle (bundle=DIR)",
    "export": "write and check a run's ONNX file, or that of one bundle (bundle=DIR out=DIR)",
}


# Where figures are written by default, the figures, and what prints them.
_Measured = tuple[Path, dict[str, Any], Callable[[dict[str, Any]], None]]


def main(argv: list[str] | None = None) -> int:
    """Entry point. Returns the exit status: 0, 1 for a failed gate, 2 for bad input."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    parser, argv = build_parser(), sys.argv[1:] if argv is None else argv
    if "_ARGCOMPLETE" in os.environ:
        completion.complete(parser)
    if not argv or (len(argv) == 1 and argv[0] in _EXAMPLES and argv[0] != "list"):
        return _what_to_type(parser, *argv)
    words = parser.parse_args(argv)
    try:
        return _dispatch(words)
    except RoboTSError as error:
        print(f"robo-ts: {error}", file=sys.stderr)
        return 1 if isinstance(error, GateFailed) else 2
    except OSError as error:
        print(
            f"robo-ts: expected to read and write files\n     got {error}\n"
            "     fix free space or mend the path, then run the same command again",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("robo-ts: stopped; run the same command again to resume", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The command line: one subparser per verb."""
    parser = argparse.ArgumentParser(prog="robo-ts", **_layout("pipeline", "doctor", "explain"))
    parser.epilog = f"{parser.epilog}\n{_EPILOG}"
    parser.add_argument("--version", action="version", version=f"robo_ts {__version__}")
    added = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = added.add_parser(name, help=text, description=text, **_layout(name))
        typed = command.add_argument("settings", nargs="*", metavar="key=value")
        typed.completer = completion.settings  # type: ignore[attr-defined]
    for name, add, text in (
        ("bench", _add_bench, "measure speed, memory and methods"),
        ("trials", _add_trials, "policies side by side in a task's conditions"),
    ):
        add(added.add_parser(name, help=text, description=text, **_layout(name)))
    for name, text in commands.TEXTS.items():
        command = added.add_parser(name, help=text, description=text, **_layout(name))
        examples = command.epilog
        commands.add_arguments(name, command)
        if command.epilog != examples:
            command.epilog = f"{examples}\n{command.epilog}"
    text = "the tasks that can be run"
    added.add_parser("list", help=text, description=text, **_layout("list"))
    return parser


def _layout(*names: str) -> dict[str, Any]:
    """Examples below a verb's help, kept line by line."""
    lines = [line for name in names for line in _EXAMPLES[name]]
    return {
        "epilog": "\n".join(["examples:", *(f"  {line}" for line in lines)]),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def _what_to_type(parser: argparse.ArgumentParser, verb: str = "") -> int:
    """Answer a command line that says too little."""
    if not verb:
        parser.print_help(sys.stderr)
        return 2
    text = {
        **_COMMANDS,
        **commands.TEXTS,
        "bench": "measure",
        "trials": "compare policies",
    }[verb]
    print(f"robo-ts {verb}: {text}. Type for example:", file=sys.stderr)
    for line in _EXAMPLES[verb]:
        print(f"  {line}", file=sys.stderr)
    print(f"robo-ts {verb} --help says more", file=sys.stderr)
    return 2


def _add_bench(bench: argparse.ArgumentParser) -> None:
    from robo_ts.bench.suite import SUITE

    lines = ["sim, env, cameras  speed against the raw engine and renderer, together or alone"]
    lines += [f"{word:9s} {one.text}" for word, one in SUITE.items()]
    bench.epilog = "\n  ".join([f"{bench.epilog}\nmeasurements:", *lines])
    what = bench.add_argument("what", nargs="*", default=["sim", "env"], metavar="WORD")
    what.completer = completion.measurements  # type: ignore[attr-defined]
    bench.add_argument("--num-envs", type=int, default=None, help="4096 if left out; cameras: 64")
    bench.add_argument("--task", default=None, help="quadrotor, or a scene, if left out")
    bench.add_argument("--engine", default=None, help="cpu if left out")
    bench.add_argument("--threads", type=int, default=0)
    bench.add_argument("--seed", type=int, default=None, help="the first seed; 0 if left out")
    bench.add_argument("--seeds", type=int, default=None, help="how many, where methods need many")
    bench.add_argument("--steps", type=int, default=None, help="teachers: of every stage")
    bench.add_argument(
        "--percent", type=int, default=None, help="ablations: of the recipe's iterations"
    )
    bench.add_argument(
        "--episodes", type=int, default=None, help="teachers, ablations: per student and condition"
    )
    bench.add_argument("--arms", default=None, help="ablations: names, with commas")
    bench.add_argument("--json", type=Path, default=None, help="write the figures here")


def _add_trials(trials: argparse.ArgumentParser) -> None:
    policies = trials.add_argument("policies", nargs="+", metavar="[NAME=]PATH")
    policies.completer = completion.shown  # type: ignore[attr-defined]
    trials.add_argument("--task", default="quadrotor")
    trials.add_argument("--only", default="", help="names of trials or groups, with commas")
    trials.add_argument("--engine", default="cpu")
    trials.add_argument("--seed", type=int, default=0)
    trials.add_argument("--json", type=Path, default=None, help="write the figures here")


def _dispatch(words: argparse.Namespace) -> int:
    if words.command == "list":
        return _list()
    if words.command == "bench":
        from robo_ts.files import check_writable

        check_writable(words.json or "runs/bench.json")
        return _bench(words)
    if words.command == "trials":
        return _trials(words)
    if words.command in commands.TEXTS:
        return commands.run(words)
    return _run(words.command, words.settings)


def _list() -> int:
    from robo_ts.tasks import description, foreign_tasks, gym_id, task_folders

    foreign = foreign_tasks()
    names = sorted({*task_folders(), *foreign})
    width = max((len(name) for name in names), default=0)
    for name in names:
        # A task of another package is described by its own code, which has to be imported.
        text = description(name) or (foreign[name].load().description if name in foreign else "")
        print(f"{name:{width}s}  {gym_id(name):26s} {text}")
    return 0


def _trials(words: argparse.Namespace) -> int:
    from robo_ts.files import check_writable, write_json
    from robo_ts.pipeline.trials import compare, show
    from robo_ts.sim import EngineConfig

    if words.json:
        check_writable(words.json)
    only = [word for word in words.only.split(",") if word]
    figures = compare(words.policies, words.task, only, EngineConfig(words.engine), words.seed)
    if words.json:
        write_json(words.json, figures)
    show(figures)
    return 0


def _bench(words: argparse.Namespace) -> int:
    from robo_ts.bench.suite import chosen
    from robo_ts.files import write_json

    words.what = _settings_apart(words)
    word = chosen(words.what)
    path, figures, show = _bench_speed(words) if word is None else _bench_suite(word, words)
    path = words.json or path
    write_json(path, figures)
    show(figures)
    print(f"written to {path}")
    return 0


def _settings_apart(words: argparse.Namespace) -> list[str]:
    """Words without ``key=value``, which mean the options of that name."""
    plain = []
    for word in words.what:
        key, equals, value = word.partition("=")
        if not equals:
            plain.append(word)
        elif key in ("task", "engine", "arms"):
            setattr(words, key, value)
        elif key in _NUMBERS and value.isdigit():
            setattr(words, key, int(value))
        else:
            raise RoboTSError(
                f"task=, engine=, arms=, or a whole number for {'=, '.join(_NUMBERS)}=",
                repr(word),
                "see robo-ts bench --help",
            )
    return plain or ["sim", "env"]


_NUMBERS = ("num_envs", "threads", "seed", "seeds", "steps", "percent", "episodes")


def _bench_speed(words: argparse.Namespace) -> _Measured:
    from robo_ts.bench import print_cameras, print_report, run_bench, run_cameras
    from robo_ts.bench.suite import CAMERAS
    from robo_ts.sim import EngineConfig
    from robo_ts.sim.api import ENGINES

    only = ("seeds", "steps", "percent", "episodes", "arms")
    _refuse(words, only, "sim, env and cameras, which are measured with one seed")
    task, name = words.task or "quadrotor", words.engine or "cpu"
    num_envs = 4096 if words.num_envs is None else words.num_envs
    engine = EngineConfig(name=name, threads=words.threads)
    stepped = [word for word in words.what if word != CAMERAS]
    if len(stepped) == len(words.what):
        seed = words.seed or 0
        figures = run_bench(stepped, num_envs, engine, seed=seed, task=task, beside=ENGINES)
        return Path(f"runs/bench-{task}-{name}.json"), figures, print_report
    seen = run_cameras(words.num_envs or 64, engine, seed=words.seed or 0, task=words.task)
    where = Path(f"runs/bench-cameras-{words.task or 'scene'}-{name}.json")
    if not stepped:
        return where, seen, print_cameras
    figures = run_bench(stepped, num_envs, engine, seed=words.seed or 0, task=task)

    def show(found: dict[str, Any]) -> None:
        print_report(found)
        print_cameras(found["cameras"])

    return where, figures | {"cameras": seen}, show


def _bench_suite(word: str, words: argparse.Namespace) -> _Measured:
    from robo_ts.bench.suite import OPTIONS, SUITE, run_one, show_one

    measurement, path = SUITE[word], words.json or Path(f"runs/bench-{word}.json")
    own = ("num_envs", "engine", *(() if words.task == measurement.task else ("task",)))
    _refuse(words, own, f"{word}, which has worlds of its own" + _of(measurement.task))
    options = measurement.options
    others = sorted(set(OPTIONS) - {"json", *options})
    _refuse(words, tuple(others), f"{word}, whose size is fixed")
    given = {name: getattr(words, name) or OPTIONS[name] for name in options}
    if "json" in options:
        given["json"] = path
    seeds = None
    if words.seed is not None or words.seeds is not None:
        first = words.seed or 0
        seeds = range(first, first + (1 if words.seeds is None else words.seeds))
    figures = run_one(word, seeds, words.threads, **given)
    return path, figures, lambda found: show_one(word, found)


def _of(task: str) -> str:
    return f" of task={task}" if task else ""


def _refuse(words: argparse.Namespace, options: tuple[str, ...], what: str) -> None:
    given = [f"--{name.replace('_', '-')}" for name in options if getattr(words, name) is not None]
    if given:
        raise RoboTSError(f"options that fit {what}", " ".join(given), "leave them out")


def _run(command: str, settings: list[str]) -> int:
    from robo_ts.pipeline.config import compose_run

    own: dict[str, str] = {}
    rest = []
    for word in settings:
        key, _, value = word.partition("=")
        if key in ("bundle", "out") and command in ("evaluate", "export"):
            own[key] = value
        else:
            rest.append(word)
    for key in own:
        if not own.get("bundle") or not own[key]:
            raise RoboTSError(
                "bundle=DIR with the folder of a policy, and out= where wanted",
                " ".join(f"{name}={value}" for name, value in own.items()),
                f"give bundle= a path, or leave both out to {command} a run's policies",
            )
    run = compose_run(rest)
    if own:
        from robo_ts.pipeline.single import evaluate_bundle, export_one

        if command == "evaluate":
            return evaluate_bundle(run, Path(own["bundle"]), own.get("out", ""))
        return export_one(run, Path(own["bundle"]), own.get("out", ""))
    from robo_ts.pipeline.pipeline import run_pipeline, run_stage
    from robo_ts.pipeline.show import print_result, print_summary

    if command == "pipeline":
        report, summary = run_pipeline(run)
        print_summary(summary)
        print(f"report: {report.resolve().as_uri()}")
    else:
        print_result(command, run_stage(run, command))
        print(f"run_dir: {run.run_dir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
