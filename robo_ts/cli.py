"""``robo-ts``: one word for what to do, then settings as key=value."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

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
    bench = commands.add_parser("bench", help="measure speed against the raw engine in one run")
    bench.add_argument("what", nargs="*", default=["sim", "env"], help="sim, env")
    bench.add_argument("--num-envs", type=int, default=4096)
    bench.add_argument("--task", default="quadrotor")
    bench.add_argument("--engine", default="cpu")
    bench.add_argument("--threads", type=int, default=0)
    bench.add_argument("--seed", type=int, default=0)
    bench.add_argument("--json", type=Path, default=None, help="write the figures here")
    commands.add_parser("list", help="the tasks that can be run")
    return parser


def _dispatch(words: argparse.Namespace) -> int:
    if words.command == "list":
        return _list()
    if words.command == "bench":
        from robo_ts.files import check_writable

        check_writable(words.json or "runs/bench.json")
        return _bench(words)
    return _run(words.command, words.settings)


def _list() -> int:
    from robo_ts.env import get_task, list_tasks

    for name in list_tasks():
        task = get_task(name)
        print(f"{name:12s} {task.gym_id:24s} {task.description}")
    return 0


def _bench(words: argparse.Namespace) -> int:
    from robo_ts.bench import print_report, run_bench
    from robo_ts.files import write_json
    from robo_ts.sim import EngineConfig

    engine = EngineConfig(name=words.engine, threads=words.threads)
    figures = run_bench(words.what, words.num_envs, engine, seed=words.seed, task=words.task)
    path = words.json or Path(f"runs/bench-{words.task}-{words.engine}.json")
    write_json(path, figures)
    print_report(figures)
    print(f"written to {path}")
    return 0


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
