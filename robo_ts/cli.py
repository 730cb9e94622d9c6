"""``robo-ts``: one word for what to do, then settings as key=value."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robo_ts import __version__
from robo_ts.errors import GateFailed, RoboTSError

_EPILOG = """settings are Hydra overrides, for example:
  robo-ts pipeline task=quadrotor recipe=smoke
  robo-ts pipeline task=quadrotor seed=1 distill.loss=huber run_dir=runs/huber
  robo-ts distill task=quadrotor teacher_bundle=artifacts/quadrotor/teacher run_dir=runs/again
running the same command again resumes the run. Every setting: configs/ and the dataclasses it
names."""

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
    words = _parser().parse_args(argv)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="robo-ts", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"robo_ts {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("settings", nargs="*", metavar="key=value")
    _add_bench(commands.add_parser("bench", help="measure speed, memory and methods"))
    _add_trials(commands.add_parser("trials", help="policies side by side in a task's conditions"))
    _add_matches(commands.add_parser("matches", help="policies against each other, ranked"))
    commands.add_parser("list", help="the tasks that can be run")
    return parser


def _add_bench(bench: argparse.ArgumentParser) -> None:
    from robo_ts.bench.suite import SUITE

    bench.epilog = "measurements: sim env (together or alone: speed against the raw engine); " + (
        "; ".join(f"{word} ({one.text})" for word, one in SUITE.items())
    )
    bench.add_argument("what", nargs="*", default=["sim", "env"], metavar="WORD")
    bench.add_argument("--num-envs", type=int, default=None, help="sim, env: 4096 if left out")
    bench.add_argument("--task", default=None, help="sim, env: quadrotor if left out")
    bench.add_argument("--engine", default=None, help="sim, env: cpu if left out")
    bench.add_argument("--threads", type=int, default=0)
    bench.add_argument("--seed", type=int, default=None, help="the first seed; 0 if left out")
    bench.add_argument("--seeds", type=int, default=None, help="how many, where methods need many")
    bench.add_argument("--json", type=Path, default=None, help="write the figures here")


def _add_trials(trials: argparse.ArgumentParser) -> None:
    trials.epilog = "example: robo-ts trials artifacts/quadrotor/student --only hold,tracking"
    trials.add_argument("policies", nargs="+", metavar="[NAME=]PATH")
    trials.add_argument("--task", default="quadrotor")
    trials.add_argument("--only", default="", help="names of trials or groups, with commas")
    trials.add_argument("--engine", default="cpu")
    trials.add_argument("--seed", type=int, default=0)
    trials.add_argument("--json", type=Path, default=None, help="write the figures here")


def _add_matches(matches: argparse.ArgumentParser) -> None:
    matches.epilog = (
        "example: robo-ts matches mine=runs/a/teacher/bundle chaser goalkeeper random --games 100"
    )
    matches.add_argument("players", nargs="+", metavar="[NAME=]PLAYER")
    matches.add_argument("--task", default="soccer")
    matches.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    matches.add_argument("--games", type=int, default=100, help="per pair")
    matches.add_argument(
        "--only", default="", help="names, with commas: only pairs with one of them"
    )
    matches.add_argument("--engine", default="cpu")
    matches.add_argument("--seed", type=int, default=0)
    matches.add_argument("--json", type=Path, default=None, help="write the figures here")


def _dispatch(words: argparse.Namespace) -> int:
    if words.command == "list":
        return _list()
    if words.command == "bench":
        from robo_ts.files import check_writable

        check_writable(words.json or "runs/bench.json")
        return _bench(words)
    if words.command == "trials":
        return _trials(words)
    if words.command == "matches":
        return _matches(words)
    return _run(words.command, words.settings)


def _list() -> int:
    from robo_ts.env import get_task, list_tasks

    for name in list_tasks():
        task = get_task(name)
        print(f"{name:12s} {task.gym_id:24s} {task.description}")
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


def _matches(words: argparse.Namespace) -> int:
    from robo_ts.files import check_writable, write_json
    from robo_ts.pipeline.matches import rank, show
    from robo_ts.sim import EngineConfig

    if words.json:
        check_writable(words.json)
    only = [word for word in words.only.split(",") if word]
    figures = rank(
        words.players,
        words.task,
        words.changes,
        words.games,
        only,
        EngineConfig(words.engine),
        words.seed,
    )
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
        elif key in ("task", "engine"):
            setattr(words, key, value)
        elif key in ("num_envs", "seed", "seeds", "threads") and value.isdigit():
            setattr(words, key, int(value))
        else:
            raise RoboTSError(
                "task=, engine=, or a whole number for num_envs=, threads=, seed= or seeds=",
                repr(word),
                "see robo-ts bench --help",
            )
    return plain or ["sim", "env"]


def _bench_speed(words: argparse.Namespace) -> _Measured:
    from robo_ts.bench import print_report, run_bench
    from robo_ts.sim import EngineConfig

    _refuse(words, ("seeds",), "sim and env, which are measured with one seed")
    task, name = words.task or "quadrotor", words.engine or "cpu"
    num_envs = 4096 if words.num_envs is None else words.num_envs
    engine = EngineConfig(name=name, threads=words.threads)
    figures = run_bench(words.what, num_envs, engine, seed=words.seed or 0, task=task)
    return Path(f"runs/bench-{task}-{name}.json"), figures, print_report


def _bench_suite(word: str, words: argparse.Namespace) -> _Measured:
    from robo_ts.bench.suite import run_one, show_one

    _refuse(words, ("num_envs", "task", "engine"), f"{word}, which has worlds of its own")
    seeds = None
    if words.seed is not None or words.seeds is not None:
        first = words.seed or 0
        seeds = range(first, first + (1 if words.seeds is None else words.seeds))
    figures = run_one(word, seeds, words.threads)
    return Path(f"runs/bench-{word}.json"), figures, lambda found: show_one(word, found)


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
        print(f"report: {report}")
    else:
        print_result(command, run_stage(run, command))
        print(f"run_dir: {run.run_dir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
