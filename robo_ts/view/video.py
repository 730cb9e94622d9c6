"""Clips as H.264 MP4 files."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path, check_writable
from robo_ts.view.captions import caption
from robo_ts.view.clip import Clip, begin_clip, take
from robo_ts.view.render import Renderer, make_renderer
from robo_ts.view.session import Session
from robo_ts.view.stage import Camera, Stage


def check_encoder() -> None:
    """Raise unless videos can be written.

    Raises:
        RoboTSError: when PyAV is not installed.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise RoboTSError(
            "PyAV, which writes videos",
            str(error),
            "pip install 'robo_ts[viewer]' (in a checkout: pip install -c constraints.txt -e "
            "'.[viewer]')",
        ) from error


def check_length(seconds: float, fps: float, speed: float) -> None:
    """Raise unless a clip can be that long, that smooth and that fast.

    Raises:
        RoboTSError: for a number that is not finite and above zero.
    """
    for name, value in (("seconds", seconds), ("fps", fps), ("speed", speed)):
        if not 0.0 < value < math.inf:
            raise RoboTSError(f"a finite --{name} above 0", str(value), "give another one")


def check_size(size: tuple[int, int]) -> None:
    """Raise unless every player takes pictures of that size.

    Raises:
        RoboTSError: for odd and for tiny ones.
    """
    width, height = size
    if width % 2 or height % 2 or min(width, height) < 64:
        raise RoboTSError(
            "a width and a height that are even and at least 64 px",
            f"{width}x{height}",
            "choose another --size",
        )


def record(
    session: Session,
    seconds: float,
    fps: float = 30.0,
    speed: float = 1.0,
    progress: Callable[[int], None] | None = None,
) -> Clip:
    """Run a session and keep what happens.

    Args:
        session: the rollouts; they go on from where they are.
        seconds: length of the video.
        fps: frames per second.
        speed: simulated seconds per second of the video.
        progress: called with the number of frames added.

    Raises:
        RoboTSError: for lengths and rates that are not finite and above zero.
    """
    check_length(seconds, fps, speed)
    clip, owed = begin_clip(session, fps), 0.0
    for _ in range(max(1, round(seconds * fps))):
        clip.moments.append(take(session))
        owed += speed / (fps * session.step_dt)
        while owed >= 1.0:
            session.step()
            owed -= 1.0
        if progress:
            progress(1)
    return clip


def write_clip(
    clip: Clip,
    path: Path,
    camera: Camera | None = None,
    renderer: str = "auto",
    progress: Callable[[int], None] | None = None,
) -> str:
    """Draw a clip and write it as MP4 (H.264), whole or not at all.

    Args:
        clip: at least one moment.
        path: the file.
        camera: from where; an overview of all worlds when left out.
        renderer: ``gl``, ``raytracer`` or ``auto``.
        progress: called with the number of frames added.

    Returns:
        The renderer's name.

    Raises:
        RoboTSError: for an empty clip, a file that cannot be written, or when PyAV or the OpenGL
            that was asked for is missing.
    """
    check_encoder()
    check_writable(path)
    if not clip.moments:
        raise RoboTSError("a clip with at least one frame", "none", "record for a while")
    camera = camera or Camera()
    check_size(camera.size)
    pictures = _Pictures(clip, camera, renderer)
    try:
        with atomic_path(path) as temporary:
            _encode(clip, temporary, camera.size, pictures, progress)
        return pictures.name
    finally:
        pictures.close()


class _Pictures:
    """Frame by frame, with a new stage where the episodes are others."""

    def __init__(self, clip: Clip, camera: Camera, kind: str) -> None:
        self._clip, self._camera, self._kind = clip, camera, kind
        self._stage: Stage | None = None
        self._renderer: Renderer | None = None
        self.name = ""

    def draw(self, index: int) -> np.ndarray:
        clip, moment = self._clip, self._clip.moments[index]
        if self._stage is None or not self._stage.fits(moment):
            self.close()
            self._stage = Stage(_from(clip, index), self._camera)
            self._renderer = make_renderer(self._stage, self._camera.size, self._kind)
            self.name = self._renderer.name
        assert self._renderer is not None
        self._stage.set(moment)
        return caption(self._renderer.draw(), clip, moment)

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = self._stage = None


def _from(clip: Clip, index: int) -> Clip:
    return replace(clip, moments=clip.moments[index:])


def _encode(
    clip: Clip,
    path: Path,
    size: tuple[int, int],
    pictures: _Pictures,
    progress: Callable[[int], None] | None,
) -> None:
    from fractions import Fraction

    import av

    rate = Fraction(clip.fps).limit_denominator(1000)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"  # what every browser plays
        stream.options = {"crf": "20", "preset": "veryfast"}
        for index in range(len(clip.moments)):
            frame = av.VideoFrame.from_ndarray(pictures.draw(index), format="rgb24")
            container.mux(stream.encode(frame))
            if progress:
                progress(1)
        container.mux(stream.encode())
