"""The verbs that show policies at work: a live page and videos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from robo_ts import completion
from robo_ts.arguments import not_negative
from robo_ts.errors import RoboTSError

TEXTS = {
    "view": "watch and steer policies in a browser",
    "video": "policies at work, as an MP4 file",
}
EXAMPLES = {
    "view": (
        "robo-ts view quadrotor                      # the committed policies",
        "robo-ts view quadrotor --beside teacher     # student and teacher in the same worlds",
        "robo-ts view runs/huber                     # a run, also one still training",
        "robo-ts view policy.onnx --port 8080",
        "robo-ts view runs/nan_dumps/20260101-120000-000000",
    ),
    "video": (
        "robo-ts video quadrotor --beside teacher",
        "robo-ts video quadrotor --condition eight_5.5s --world 3 --speed 0.5 --out eight.mp4",
        "robo-ts video runs/huber --seconds 10 --size 1920x1080",
    ),
}
_SHOWN = """a task (its policies in artifacts/), a bundle, an ONNX file, a run directory, even one
still training, or a NaN dump; several words put policies of one task together"""


def add_view(view: argparse.ArgumentParser) -> None:
    """What may follow ``view``."""
    _add_rollout(view)
    view.add_argument("--port", type=int, default=0, help="a free one if left out")
    view.add_argument("--open", action="store_true", help="open a browser on this machine")


def add_video(video: argparse.ArgumentParser) -> None:
    """What may follow ``video``."""
    _add_rollout(video)
    video.add_argument("--out", type=Path, default=None, help="runs/clips/TASK.mp4 if left out")
    video.add_argument("--seconds", type=float, default=6.0, help="of the video; 6 if left out")
    video.add_argument("--fps", type=float, default=30.0)
    video.add_argument("--speed", type=float, default=1.0, help="0.5 is slow motion")
    video.add_argument("--size", default="1280x720", metavar="WxH")
    video.add_argument("--world", type=int, default=None, help="look closely at this world")
    video.add_argument("--renderer", default="auto", help="auto, gl or raytracer")


def _add_rollout(command: argparse.ArgumentParser) -> None:
    what = command.add_argument("what", nargs="+", metavar="TASK|PATH", help=_SHOWN)
    what.completer = completion.shown  # type: ignore[attr-defined]
    command.add_argument("--num-envs", type=int, default=16, help="worlds; 16 if left out")
    command.add_argument("--seed", type=not_negative, default=0, help="of the first episodes")
    for name, text in (
        ("--policy", "who acts: student, teacher, onnx, ..."),
        ("--beside", "who acts beside it, in the same worlds"),
    ):
        command.add_argument(name, default="", help=text).completer = completion.policies  # type: ignore[attr-defined]
    command.add_argument("--condition", default="", help="one of the task's trials")


def watch(words: argparse.Namespace) -> int:
    """The page or the video."""
    from robo_ts.view.gl import choose_gl

    choose_gl()  # before MuJoCo is imported
    from robo_ts.view.app import VideoOptions, ViewOptions, run_video, run_view

    common = {
        name: getattr(words, name) for name in ("num_envs", "seed", "policy", "beside", "condition")
    }
    if words.command == "view":
        options = ViewOptions(**common, port=words.port, browser=words.open)
        try:
            run_view(words.what, options, _open_run)
        except KeyboardInterrupt:
            print("robo-ts: stopped")
        return 0
    own = ("out", "seconds", "fps", "speed", "renderer", "world")
    chosen = {name: getattr(words, name) for name in own}
    run_video(words.what, VideoOptions(**common, **chosen, size=_size(words.size)), _open_run)
    return 0


def _open_run(path: Path) -> Any:
    from robo_ts.pipeline.unfinished import open_run

    return open_run(path)


def _size(text: str) -> tuple[int, int]:
    width, times, height = text.partition("x")
    if not (times and width.isdigit() and height.isdigit()):
        raise RoboTSError("--size as WIDTHxHEIGHT", repr(text), "write for example 1280x720")
    return int(width), int(height)
