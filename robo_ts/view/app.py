"""``robo-ts view`` and ``robo-ts video``: from the words of a command line to a page or a file."""

from __future__ import annotations

import contextlib
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_ts.errors import RoboTSError

# What shows worlds imports torch and MuJoCo; the page answers before that.
if TYPE_CHECKING:
    from robo_ts.view.sources import OpenRun


@dataclass
class ViewOptions:
    """How a session is shown.

    Attributes:
        num_envs: number of worlds.
        seed: of the first episodes.
        policy: who acts; the first when empty.
        beside: who acts beside it; nobody when empty.
        condition: one of the task's trials; as trained when empty.
        port: of the page; a free one when 0.
        clips: folder for clips recorded from the page.
        browser: whether to open a browser.
    """

    num_envs: int = 16
    seed: int = 0
    policy: str = ""
    beside: str = ""
    condition: str = ""
    port: int = 0
    clips: Path = Path("runs/clips")
    browser: bool = False


def open_session(words: Sequence[str], options: ViewOptions, open_run: OpenRun | None) -> Any:
    """The session that words and options name; a replay for a NaN dump.

    Raises:
        RoboTSError: for words that name nothing, and options that do not fit.
    """
    import torch

    from robo_ts.view.replay import Replay
    from robo_ts.view.session import Session
    from robo_ts.view.sources import is_dump, open_sources

    torch.set_num_threads(1)  # small networks; the other cores draw and serve
    paths = [Path(word) for word in words]
    if any(is_dump(path) for path in paths):
        if len(paths) > 1:
            raise RoboTSError("a NaN dump alone", " ".join(words), "give one word")
        return Replay(paths[0])
    offer = open_sources(words, open_run)
    if not offer.players:
        print(
            f"no trained policies of {offer.task} in artifacts/: what needs no training acts; "
            "give a bundle, an ONNX file or a run to see others"
        )
    session = Session(offer, options.num_envs, options.seed, options.policy, options.beside)
    if options.condition:
        session.set_condition(options.condition)
    return session


def run_view(
    words: Sequence[str],
    options: ViewOptions,
    open_run: OpenRun | None = None,
    seconds: float | None = None,
) -> None:
    """Show a page until interrupted.

    Args:
        words: what to show, see :func:`robo_ts.view.sources.open_sources`.
        options: how.
        open_run: opens runs that are still training.
        seconds: stop after so many; None for never.

    Raises:
        RoboTSError: for a taken port, missing packages, and words that name nothing.
    """
    from robo_ts.view.web import HOST, close_server, open_server

    server = open_server(options.port)
    url = f"http://{HOST}:{server.get_port()}"
    # It can be opened at once; what it shows takes longer to load.
    print(f"{url}  (opening {' '.join(words)})", flush=True)
    try:
        session = open_session(words, options, open_run)
        from robo_ts.env import list_tasks
        from robo_ts.view.page import Page

        first = session.task_name

        def open_task(name: str) -> Any:
            if name == first:
                return open_session(words, options, open_run)
            plain = ViewOptions(options.num_envs, options.seed)
            return open_session([name], plain, open_run)

        tasks = list_tasks() if session.can_record else ()
        page = Page(session, server, options.clips, tasks, open_task)
        page.tick()
        print(f"{session.task_name}: {url}  (Ctrl+C stops)", flush=True)
        if options.browser:
            open_browser(url)
        page.run(seconds)
    finally:
        close_server(server)


def open_browser(url: str) -> None:
    """Open a browser on this machine.

    A machine without one gets a line that says what to do instead.
    """
    opened = False
    with contextlib.suppress(webbrowser.Error, OSError):
        opened = webbrowser.open(url)
    if not opened:
        port = url.rpartition(":")[2]
        print(
            f"no browser found here: open {url} yourself; from another machine, first run "
            f"ssh -L {port}:127.0.0.1:{port} THIS_MACHINE there"
        )


@dataclass
class VideoOptions(ViewOptions):
    """How a video is made.

    Attributes:
        out: the file; ``runs/clips/<task>.mp4`` when None.
        seconds: its length.
        fps: frames per second.
        speed: simulated seconds per second of the video.
        size: width and height, px.
        renderer: ``auto``, ``gl`` or ``raytracer``.
        world: a world to look at closely; all of them when None.
    """

    out: Path | None = None
    seconds: float = 6.0
    fps: float = 30.0
    speed: float = 1.0
    size: tuple[int, int] = (1280, 720)
    renderer: str = "auto"
    world: int | None = None


def run_video(words: Sequence[str], options: VideoOptions, open_run: OpenRun | None = None) -> Path:
    """Roll out and write an MP4 file; returns its path.

    Raises:
        RoboTSError: for words that name nothing, options that do not fit, missing packages or
            OpenGL, and a file that cannot be written.
    """
    from robo_ts.checks import check_one_of
    from robo_ts.files import check_writable
    from robo_ts.progress import Progress
    from robo_ts.view.render import RENDERERS
    from robo_ts.view.stage import Camera
    from robo_ts.view.video import check_encoder, check_length, check_size, record, write_clip

    check_encoder()
    check_length(options.seconds, options.fps, options.speed)
    check_size(options.size)
    check_one_of("--renderer", options.renderer, RENDERERS)
    if options.out is not None:
        check_writable(options.out)
    session = open_session(words, options, open_run)
    if not session.can_record:
        raise RoboTSError(
            "a task, a bundle, an ONNX file or a run for a video",
            f"the NaN dump {words[0]}",
            f"look at it with: robo-ts view {words[0]}",
        )
    path = options.out or options.clips / f"{session.task_name}.mp4"
    if options.world is not None:
        session.select(options.world)
    bar = Progress("rollout", max(1, round(options.seconds * options.fps)), "frame")
    try:
        clip = record(session, options.seconds, options.fps, options.speed, bar.update)
    finally:
        bar.close()
        session.close()
    bar = Progress("drawing", len(clip.moments), "frame")
    try:
        camera = Camera(options.world, options.size)
        used = write_clip(clip, path, camera, options.renderer, bar.update)
    finally:
        bar.close()
    print(f"{path}: {len(clip.moments)} frames, H.264, drawn by {_WORDS[used]}")
    return path


_WORDS = {"gl": "OpenGL", "raytracer": "the ray tracer of mujoco_warp (no OpenGL was found)"}
