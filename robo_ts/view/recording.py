"""Clips recorded from the page: kept while it runs, drawn afterwards beside it."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from pathlib import Path

from robo_ts.errors import RoboTSError
from robo_ts.view.clip import Clip, begin_clip, take
from robo_ts.view.rollout import Rollout
from robo_ts.view.session import Session

# A minute; a clip keeps little, but drawing it takes its time.
_LONGEST = 1800


class Recording:
    """Start, stop, and the clips that came of it.

    Args:
        session: what is recorded.
        folder: receives the files.
        fps: frames per second.
    """

    def __init__(self, session: Rollout, folder: Path, fps: float) -> None:
        self._session, self._folder, self._fps = session, folder, fps
        self._clip: Clip | None = None
        self._last = 0.0
        self._news: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self.drawing: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether a clip is being recorded."""
        return self._clip is not None

    def start(self) -> None:
        """Begin a clip.

        Raises:
            RoboTSError: when videos cannot be written here, or one is still being drawn.
        """
        from robo_ts.view.video import check_encoder

        check_encoder()
        if not isinstance(self._session, Session):
            raise RoboTSError("a rollout of a task", "a replay", "record a task's policies")
        if self.drawing is not None and self.drawing.is_alive():
            raise RoboTSError("one clip at a time", "one that is still being drawn", "wait for it")
        self._clip = begin_clip(self._session, self._fps)
        self._last = 0.0
        self._news.put(("recording", False))

    def look(self) -> None:
        """Keep this moment, when one is due."""
        clip, now = self._clip, time.monotonic()
        session = self._session
        if clip is None or now - self._last < 0.7 / self._fps or not isinstance(session, Session):
            return
        if clip.players != session.players:
            self.stop()  # other lanes are another clip
            return
        self._last = now
        clip.moments.append(take(session))
        if len(clip.moments) >= _LONGEST:
            self.stop()

    def stop(self) -> None:
        """End the clip and draw it in a thread of its own."""
        clip, self._clip = self._clip, None
        if clip is None or not clip.moments:
            return
        name = f"{clip.task}-{time.strftime('%Y%m%d-%H%M%S')}.mp4"
        path = self._folder / name
        self._news.put((f"drawing {len(clip.moments)} frames …", False))
        self.drawing = threading.Thread(target=self._draw, args=(clip, path), daemon=True)
        self.drawing.start()

    def news(self) -> tuple[str, bool]:
        """The latest word, and whether it is bad; an empty one when there is none."""
        latest = ("", False)
        with suppress(queue.Empty):
            while True:
                latest = self._news.get_nowait()
        return latest

    def finished(self) -> list[Path]:
        """Files that were finished since the last call."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._done.get_nowait())
        return found

    def _draw(self, clip: Clip, path: Path) -> None:
        from robo_ts.view.video import write_clip

        try:
            renderer = write_clip(clip, path)
        except (RoboTSError, OSError) as error:
            self._news.put((f"no clip: {error}", True))
            return
        self._done.put(path)
        self._news.put((f"saved to {path} ({renderer})", False))
