"""The page: widgets that steer a session, and what they show of it."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_ts.errors import RoboTSError, SimulationDiverged
from robo_ts.view.clock import Clock
from robo_ts.view.layout import make_grid
from robo_ts.view.recording import Recording
from robo_ts.view.rollout import Rollout
from robo_ts.view.shown import Shown
from robo_ts.view.steering import Steering

if TYPE_CHECKING:
    import viser

# Updates of the worlds per second, and seconds between those of texts, of plots, and looks for
# newer policies on disk.
FRAMES = 30.0
_TEXTS, _PLOTS, _LOOKS = 0.125, 0.25, 2.0
# Of every frame at most this share is spent on control steps; the rest of time is lost.
_STEPPING = 0.6
# Seconds a finished round is left to look at.
_LINGER = 0.6


class Page:
    """A session people can watch and steer in a browser.

    Widgets run in threads of their own; what they ask for is done between two control steps.

    Args:
        session: the rollouts; the page closes them when it shows another task.
        server: where the page is.
        clips: folder that receives recorded clips.
        tasks: what visitors may choose among; nothing when empty.
        open_task: the rollouts of one of these.
    """

    def __init__(
        self,
        session: Rollout,
        server: viser.ViserServer,
        clips: Path,
        tasks: Sequence[str] = (),
        open_task: Callable[[str], Rollout] | None = None,
    ) -> None:
        self.server, self._clips = server, clips
        self.tasks, self._open_task = tasks, open_task
        self.updates = self.steps = 0
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._latest: dict[str, Callable[[], None]] = {}
        self._show(session)

    def _show(self, session: Rollout) -> None:
        """Everything anew, for these rollouts."""
        self.session = session
        self.clock = Clock(session.step_dt)
        self._waits = 0.0
        self._next_texts = self._next_plots = self._next_look = 0.0
        self._seed, self._last = session.seed, time.monotonic()
        self.server.gui.set_panel_label(f"robo_ts · {session.task_name.replace('_', ' ')}")
        self.recording = Recording(session, self._clips, FRAMES)
        self.steering = Steering(self)
        self.shown = Shown(self)
        self.rebuild()

    # -- what widgets call, from any thread --------------------------------------------------------

    def ask(self, action: Callable[[], Any]) -> None:
        """Do something between two control steps."""
        self._asked.put(lambda: (action(), None)[1])

    def ask_latest(self, key: str, action: Callable[[], Any]) -> None:
        """The same, for sliders: of several wishes under one key only the last is done."""
        self._latest[key] = lambda: (action(), None)[1]

    def say(self, text: str, bad: bool = False) -> None:
        """Tell every visitor."""
        self.shown.say(text, bad)
        for client in self.server.get_clients().values():
            client.add_notification(
                "That does not work" if bad else "robo_ts",
                text,
                color="red" if bad else "blue",
                auto_close_seconds=8.0,
            )

    def show_task(self, name: str) -> None:
        """Show another task: its own worlds, policies and widgets.

        Raises:
            RoboTSError: when it cannot be shown; the page then stays as it is.
        """
        if self._open_task is None or name == self.session.task_name:
            return
        self.say(f"opening {name.replace('_', ' ')} …")
        session = self._open_task(name)
        self.recording.stop()
        self.session.close()
        self._latest.clear()
        self.server.gui.reset()
        self.server.scene.reset()
        self._show(session)

    # -- the loop ----------------------------------------------------------------------------------

    def run(self, seconds: float | None = None) -> None:
        """Show the session until interrupted, or for some seconds."""
        begun = time.monotonic()
        while seconds is None or time.monotonic() - begun < seconds:
            started = time.monotonic()
            self.tick()
            left = 1.0 / FRAMES - (time.monotonic() - started)
            time.sleep(max(left, 0.002))  # the server's thread needs a turn too

    def tick(self) -> None:
        """One frame: wishes, control steps, what is shown."""
        now = time.monotonic()
        passed, self._last = now - self._last, now
        self._obey()
        self._advance(passed)
        if self.session.seed != self._seed or self.session.step_count == 0:
            self._seed = self.session.seed
            self.shown.begin()
        snapshot = self.session.snapshot()
        self.shown.worlds(snapshot)
        self.recording.look()
        now = time.monotonic()
        if now >= self._next_texts:
            self._next_texts = now + _TEXTS
            self.shown.texts(snapshot)
            self.steering.follow()
        if now >= self._next_plots:
            self._next_plots = now + _PLOTS
            self.shown.plots()
        if now >= self._next_look:
            self._next_look = now + _LOOKS
            self._refresh()
        self.updates += 1

    def rebuild(self) -> None:
        """Other lanes: everything that is drawn per lane is drawn anew."""
        session = self.session
        self.clock.step_dt = session.step_dt
        grid = make_grid(session.num_envs, len(session.players), session.view, session.model)
        self.shown.rebuild(grid)

    # -- internals ---------------------------------------------------------------------------------

    def _obey(self) -> None:
        wishes = []
        with suppress(queue.Empty):
            while True:
                wishes.append(self._asked.get_nowait())
        while self._latest:
            wishes.append(self._latest.popitem()[1])
        for wish in wishes:
            try:
                wish()
            except RoboTSError as error:
                self.say(f"expected {error.expected}; got {error.got}; {error.fix}", bad=True)

    def _advance(self, passed: float) -> None:
        if self.session.over and not self.clock.paused:
            self._waits += passed
            if self._waits < _LINGER:
                return
        self._waits = 0.0
        deadline = time.monotonic() + _STEPPING / FRAMES
        for _ in range(self.clock.due(min(passed, 0.25))):
            try:
                self.session.step()
                self.steps += 1
            except SimulationDiverged as error:
                self.clock.paused = True
                self.say(f"a world diverged; look at it with: robo-ts view {error.dump}", bad=True)
                return
            if self.session.over:
                return
            if time.monotonic() > deadline:
                self.clock.forget()
                return

    def _refresh(self) -> None:
        try:
            changed = self.session.refresh()
        except RoboTSError as error:
            self.say(f"a newer policy could not be read: {error.got}", bad=True)
            return
        if changed:
            self.say(f"newer: {', '.join(changed)}")
            self.steering.offer_players()
