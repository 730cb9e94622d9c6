"""The verbs that look at what is there: view, video, doctor, explain, matches, probe, ...."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from robo_ts import completion, watching
from robo_ts.arguments import not_negative
from robo_ts.errors import RoboTSError

TEXTS = {
    **watching.TEXTS,
    "doctor": "find what is wrong with a task, a policy, a pair, a run or this machine",
    "explain": "where a student loses its teacher's success, and what to try",
    "matches": "policies against each other, ranked",
    "probe": "what a student's memory knows, against time",
    "transfer": "policies in another simulator, with MuJoCo beside",
    "compare": "runs side by side, on the terminal and as one HTML page",
    "report": "make a run's HTML page anew, finished or not",
    "completion": "print what makes a shell complete robo-ts",
}
EXAMPLES = {
    **watching.EXAMPLES,
    "doctor": (
        "robo-ts doctor quadrotor                  # the task, as chance finds it",
        "robo-ts doctor runs/a                     # teacher, student, log, export of a run",
        "robo-ts doctor artifacts/quadrotor        # a teacher and its student, or two bundles",
        "robo-ts doctor soccer recipe=eyes         # the task with these settings, and the launch",
        "robo-ts doctor machine --json machine.json",
        "robo-ts doctor task=quadrotor distill.num_envs=65536    # does it fit, before it runs",
    ),
    "explain": (
        "robo-ts explain runs/a",
        "robo-ts explain runs/a --rounds 40 --num-envs 256 --episodes 256    # cheaper",
    ),
    "matches": ("robo-ts matches mine=runs/a/teacher/bundle chaser goalkeeper random --games 100",),
    "probe": ("robo-ts probe artifacts/quadrotor/student --times 0.1,1,5",),
    "transfer": (
        "robo-ts transfer artifacts/quadrotor/student            # in Crazyflow, all its vehicles",
        "robo-ts transfer mine=runs/a/export/policy.onnx --robots cf21B_500 --spread 0.2",
    ),
    "compare": (
        "robo-ts compare runs/a runs/b",
        "robo-ts compare runs/* --out runs/compare.html",
    ),
    "report": ("robo-ts report runs/a",),
    "completion": (
        'eval "$(robo-ts completion bash)"        # in ~/.bashrc; zsh likewise',
        "robo-ts completion fish | source",
    ),
}


def add_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """What may follow one of these verbs."""
    {
        "view": watching.add_view,
        "video": watching.add_video,
        "doctor": _add_doctor,
        "explain": _add_explain,
        "matches": _add_matches,
        "probe": _add_probe,
        "transfer": _add_transfer,
        "compare": _add_compare,
        "report": _add_report,
        "completion": _add_completion,
    }[name](parser)


def run(words: argparse.Namespace) -> int:
    """Carry out one of these verbs; the exit status."""
    return {
        "view": watching.watch,
        "video": watching.watch,
        "doctor": _doctor,
        "explain": _explain,
        "matches": _matches,
        "probe": _probe,
        "transfer": _transfer,
        "compare": _compare,
        "report": _report,
        "completion": _completion,
    }[words.command](words)


def _completed(action: argparse.Action, by: Any) -> None:
    action.completer = by  # type: ignore[attr-defined]


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "exit status: 0 nothing found, 1 findings, 2 bad input"
    what = parser.add_argument(
        "what",
        nargs="+",
        metavar="WHAT",
        help="a task, a policy bundle, a teacher and a student, a run, an export, machine, or "
        "key=value of a run to come",
    )
    _completed(what, completion.patients)
    parser.add_argument("--seed", type=not_negative, default=0)
    parser.add_argument("--json", type=Path, default=None, help="write the findings here")


def _add_explain(parser: argparse.ArgumentParser) -> None:
    _completed(parser.add_argument("run", metavar="RUN"), completion.runs)
    parser.add_argument("--rounds", type=int, default=0, help="of each short distillation")
    parser.add_argument("--num-envs", type=int, default=0, help="worlds of each")
    parser.add_argument("--episodes", type=int, default=512, help="per rung")
    parser.add_argument("--seed", type=not_negative, default=0)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")


def _add_matches(matches: argparse.ArgumentParser) -> None:
    matches.add_argument("players", nargs="+", metavar="[NAME=]PLAYER")
    matches.add_argument("--task", default="soccer")
    matches.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    matches.add_argument("--games", type=int, default=100, help="per pair")
    matches.add_argument(
        "--only", default="", help="names, with commas: only pairs with one of them"
    )
    matches.add_argument("--engine", default="cpu")
    matches.add_argument("--seed", type=not_negative, default=0)
    matches.add_argument("--json", type=Path, default=None, help="write the figures here")


def _add_probe(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument("policy", metavar="PATH", help="a bundle, or a run with a student")
    _completed(what, completion.patients)
    parser.add_argument("--times", default="", help="s after an episode's start, with commas")
    parser.add_argument("--num-envs", type=int, default=4096)
    parser.add_argument("--engine", default="cpu")
    parser.add_argument("--seed", type=not_negative, default=0)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")


def _add_transfer(parser: argparse.ArgumentParser) -> None:
    policies = parser.add_argument("policies", nargs="+", metavar="[NAME=]PATH")
    _completed(policies, completion.shown)
    parser.add_argument("--task", default="quadrotor")
    parser.add_argument("--simulator", default="crazyflow")
    parser.add_argument("--robots", default="", help="with commas; all of them if left out")
    parser.add_argument("--episodes", type=int, default=256, help="per robot")
    parser.add_argument(
        "--spread", type=float, default=0.0, help="draw its parameters this far around, 0.2 is 20%%"
    )
    parser.add_argument("--seed", type=not_negative, default=0)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    _completed(parser.add_argument("runs", nargs="+", metavar="RUN"), completion.runs)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/compare.html"), help="the page (runs/compare.html)"
    )
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")


def _add_report(parser: argparse.ArgumentParser) -> None:
    _completed(parser.add_argument("run", metavar="RUN"), completion.runs)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", help=", ".join(completion.SHELLS))


def _doctor(words: argparse.Namespace) -> int:
    from robo_ts.files import check_writable, write_json

    if words.json:
        check_writable(words.json)
    from robo_ts.doctor import examine_all, show

    done = examine_all(words.what, words.seed)
    if words.json:
        write_json(words.json, [one.to_json() for one in done])
    show(done)
    return 1 if any(one.counted for one in done) else 0


def _explain(words: argparse.Namespace) -> int:
    from robo_ts.files import check_writable, write_json

    if words.json:
        check_writable(words.json)
    from robo_ts.explain import ExplainConfig, explain
    from robo_ts.explain.show import show
    from robo_ts.pipeline.page import rewrite_report

    budget = ExplainConfig(words.rounds, words.num_envs, words.episodes, words.seed)
    found = explain(words.run, budget)
    if words.json:
        write_json(words.json, found)
    show(found)
    print(f"report: {rewrite_report(words.run).resolve().as_uri()}")
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


def _probe(words: argparse.Namespace) -> int:
    from robo_ts.files import check_writable, write_json

    if words.json:
        check_writable(words.json)
    from robo_ts.pipeline.probe import TIMES, probe_bundle, show
    from robo_ts.sim import EngineConfig

    try:
        times = [float(word) for word in words.times.split(",") if word] or list(TIMES)
    except ValueError:
        raise RoboTSError("--times with seconds and commas", words.times, "write 0.1,1,5") from None
    engine = EngineConfig(words.engine)
    found = probe_bundle(Path(words.policy), times, words.num_envs, engine, words.seed)
    if words.json:
        write_json(words.json, found)
    show(found)
    return 0


def _transfer(words: argparse.Namespace) -> int:
    from robo_ts.files import check_writable, write_json

    if words.json:
        check_writable(words.json)
    from robo_ts.pipeline.transfer import show, transfer

    robots = [word for word in words.robots.split(",") if word]
    found = transfer(
        words.policies,
        words.task,
        words.simulator,
        robots,
        words.episodes,
        words.spread,
        words.seed,
    )
    if words.json:
        write_json(words.json, found)
    show(found)
    return 0


def _compare(words: argparse.Namespace) -> int:
    from robo_ts.files import check_writable, write_json

    for path in (words.out, words.json):
        if path:
            check_writable(path)
    from robo_ts.pipeline.side_by_side import compare_runs
    from robo_ts.view.compare import show_comparison, write_comparison

    found = compare_runs(words.runs)
    if words.json:
        write_json(words.json, found)
    show_comparison(found)
    print(f"page: {write_comparison(words.out, found).resolve().as_uri()}")
    return 0


def _report(words: argparse.Namespace) -> int:
    from robo_ts.pipeline.page import rewrite_report

    print(f"report: {rewrite_report(words.run).resolve().as_uri()}")
    return 0


def _completion(words: argparse.Namespace) -> int:
    print(completion.shell_code(words.shell))
    return 0
