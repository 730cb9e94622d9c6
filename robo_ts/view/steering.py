"""The left side of the page: everything that steers a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_ts.env.viewing import Choice, Slider
from robo_ts.errors import RoboTSError
from robo_ts.view.panels import note

if TYPE_CHECKING:
    from robo_ts.view.page import Page

_SPEEDS = {"¼": 0.25, "½": 0.5, "1×": 1.0, "2×": 2.0, "4×": 4.0}
_DIRECTIONS = {
    "any side": None,
    "+x": (1.0, 0.0, 0.0),
    "−x": (-1.0, 0.0, 0.0),
    "+y": (0.0, 1.0, 0.0),
    "−y": (0.0, -1.0, 0.0),
    "up": (0.0, 0.0, 1.0),
    "down": (0.0, 0.0, -1.0),
}
NOBODY = "nobody"
AS_SET = "as in the settings"


class Steering:
    """Widgets on the left. Each asks the page for something, and never acts by itself.

    Args:
        page: the page they are on.
    """

    def __init__(self, page: Page) -> None:
        self._page, self._session, self._gui = page, page.session, page.server.gui
        self._chance = np.random.default_rng(0)
        self._following = False
        self._sliders: dict[str, Any] = {}
        self._gui.main_panel.dock_left()
        self._gui.main_panel.set_width(330)
        if len(page.tasks) > 1:
            self._add_tasks()
        with self._gui.add_folder("Play"):
            self._add_play()
        self._record: Any = None
        self._player: Any = None
        if self._session.choices():
            with self._gui.add_folder("Who acts"):
                self._add_players()
        if self._session.bodies():
            with self._gui.add_folder("Push"):
                self._add_push()
        if (
            self._session.sliders()
            or self._session.alternatives()
            or len(self._session.conditions()) > 1
        ):
            with self._gui.add_folder("Physics"):
                self._add_physics()
        if self._session.can_record:
            with self._gui.add_folder("Clip"):
                self._add_clip()

    def follow(self) -> None:
        """Bring the widgets in line with the session, which may have changed by itself."""
        session = self._session
        self._following = True  # setting a widget's value calls its callback
        try:
            if self._episode.value != session.seed:
                self._episode.value = session.seed
            if self._world is not None and self._world.value != session.world:
                self._world.value = session.world
        finally:
            self._following = False
        self._show_pause()
        if self._record is not None:
            self._tell_of_clips()

    def _show_pause(self) -> None:
        import viser

        paused = self._page.clock.paused
        label = "Run" if paused else "Pause"
        if self._pause.label != label:
            self._pause.label = label
            self._pause.icon = viser.Icon.PLAYER_PLAY if paused else viser.Icon.PLAYER_PAUSE

    def _tell_of_clips(self) -> None:
        recording = self._page.recording
        label = "Stop and save" if recording.running else "Record"
        if self._record.label != label:
            self._record.label = label
        text, bad = recording.news()
        if text:
            self._clip_note.content = note(text, bad)
        for path in recording.finished():
            for client in self._page.server.get_clients().values():
                client.send_file_download(path.name, path.read_bytes())

    def offer_players(self) -> None:
        """The policies there are now."""
        names = self._session.choices()
        if self._player is not None and tuple(self._player.options) != tuple(names):
            self._player.options = names
            self._beside.options = [NOBODY, *names]

    # -- widgets -----------------------------------------------------------------------------------

    def _add_tasks(self) -> None:
        page = self._page
        task = self._gui.add_dropdown("Task", page.tasks, initial_value=self._session.task_name)
        task.on_update(lambda event: page.ask(lambda: self._show_task(event.target)))

    def _add_play(self) -> None:
        import viser

        page, session = self._page, self._session
        self._pause = self._gui.add_button("Pause", icon=viser.Icon.PLAYER_PAUSE)
        self._pause.on_click(lambda _: page.ask(self._toggle))
        moves = self._gui.add_button_group("Move", ("Step", "Again", "Next"))
        moves.hint = "one control step; the same starts again; the next episode"
        moves.on_click(lambda event: page.ask(lambda: self._move(event.target.value)))
        speed = self._gui.add_button_group("Speed", tuple(_SPEEDS))
        speed.value = "1×"
        speed.on_click(lambda event: page.ask(lambda: self._set_speed(event.target.value)))
        self._episode = self._gui.add_number(
            "Episode", session.seed, min=0, step=1, hint="seed of the starts"
        )
        self._episode.on_update(
            lambda event: self._unless_following(
                "seed", lambda: self._restart_with(int(event.target.value))
            )
        )
        self._world = None
        if session.num_envs > 1:
            self._world = self._gui.add_slider(
                "World", 0, session.num_envs - 1, 1, session.world, hint="or click a robot"
            )
            self._world.on_update(
                lambda event: self._unless_following(
                    "world", lambda: session.select(int(event.target.value))
                )
            )
        look = self._gui.add_button("Look at this world", icon=viser.Icon.ZOOM_IN, color="gray")
        look.on_click(lambda _: page.ask(lambda: page.shown.look_at(session.world)))

    def _add_players(self) -> None:
        page, session = self._page, self._session
        names = session.choices()
        beside = session.players[1] if len(session.players) > 1 else NOBODY
        self._player = self._gui.add_dropdown("Policy", names, initial_value=session.players[0])
        self._player.on_update(lambda event: page.ask(lambda: self._swap(event.target)))
        self._beside = self._gui.add_dropdown("Beside it", [NOBODY, *names], initial_value=beside)
        self._beside.on_update(lambda event: page.ask(lambda: self._set_beside(event.target)))

    def _add_push(self) -> None:
        page, session = self._page, self._session
        bodies = session.bodies()
        body = self._gui.add_dropdown("Body", bodies) if len(bodies) > 1 else None
        way = self._gui.add_dropdown("Direction", list(_DIRECTIONS))
        strong = 3.0 * session.view.push_speed
        speed = self._gui.add_slider(
            "Speed gained", 0.0, strong, strong / 30.0, session.view.push_speed, hint="m/s"
        )
        buttons = self._gui.add_button_group("Push", ("This world", "All"))

        def pushed(event: Any) -> None:
            every = event.target.value == "All"
            direction = _DIRECTIONS[str(way.value)]
            size, name = float(speed.value), str(body.value) if body is not None else ""
            page.ask(lambda: self._push(direction, size, every, name))

        buttons.on_click(pushed)

    def _add_physics(self) -> None:
        page, session = self._page, self._session
        conditions = session.conditions()
        if len(conditions) > 1:
            choice = self._gui.add_dropdown(
                "Conditions", list(conditions), initial_value=session.condition
            )
            choice.hint = "the task's trials"
            choice.on_update(lambda event: page.ask(lambda: self._set_condition(event.target)))
        for choice in session.alternatives():
            self._add_choice(choice)
        self._pinned = self._gui.add_html("")
        self._tell_pinned()
        free = self._gui.add_button("Draw everything at random", color="gray")
        free.on_click(lambda _: page.ask(self._free))
        with self._gui.add_folder("Set by hand", expand_by_default=False):
            for slider in session.sliders():
                self._add_slider(slider)

    def _add_choice(self, choice: Choice) -> None:
        page, names = self._page, [AS_SET, *choice.options]
        widget = self._gui.add_dropdown(choice.label.capitalize(), names, initial_value=AS_SET)
        widget.on_update(lambda event: page.ask(lambda: self._choose(choice.label, event.target)))

    def _add_slider(self, slider: Slider) -> None:
        page = self._page
        span = slider.high - slider.low
        label = f"{slider.label}, {slider.unit}" if slider.unit not in ("", "1") else slider.label
        step = 10.0 ** np.floor(np.log10(span / 100.0)) if span > 0 else 1.0
        middle = round((slider.low + 0.5 * span) / step) * step
        widget = self._gui.add_slider(label, slider.low, slider.high, float(step), float(middle))
        widget.on_update(
            lambda event: page.ask_latest(
                slider.path, lambda: self._set_parameter(slider, float(event.target.value))
            )
        )
        self._sliders[slider.path] = widget

    def _add_clip(self) -> None:
        import viser

        page = self._page
        self._record = self._gui.add_button("Record", icon=viser.Icon.PLAYER_RECORD, color="red")
        self._record.on_click(lambda _: page.ask(self._toggle_record))
        self._clip_note = self._gui.add_html("")

    # -- what they do, between two control steps ---------------------------------------------------

    def _unless_following(self, key: str, action: Any) -> None:
        if not self._following:
            self._page.ask_latest(key, action)

    def _pick(self, widget: Any, now: str, action: Callable[[str], None]) -> bool:
        """Do what a dropdown says; whether it said something new. What cannot be done leaves the
        dropdown as it was."""
        chosen = str(widget.value)
        if chosen == now:
            return False
        try:
            action(chosen)
        except RoboTSError:
            widget.value = now
            raise
        return True

    def _show_task(self, widget: Any) -> None:
        self._pick(widget, self._session.task_name, self._page.show_task)

    def _toggle(self) -> None:
        self._page.clock.paused = not self._page.clock.paused
        self._show_pause()

    def _move(self, what: str) -> None:
        if what == "Step":
            self._page.clock.step_once()
        else:
            self._restart(self._session.seed + (what == "Next"))

    def _restart_with(self, seed: int) -> None:
        if seed != self._session.seed:  # else the widget only followed the session
            self._restart(seed)

    def _restart(self, seed: int) -> None:
        self._session.reset(seed)
        self._page.shown.begin()

    def _set_speed(self, word: str) -> None:
        self._page.clock.speed = _SPEEDS[word]

    def _swap(self, widget: Any) -> None:
        session = self._session
        if self._pick(widget, session.players[0], lambda name: session.swap(0, name)):
            self._page.rebuild()

    def _set_beside(self, widget: Any) -> None:
        session = self._session
        now = session.players[1] if len(session.players) > 1 else NOBODY
        if self._pick(widget, now, lambda n: session.set_beside("" if n == NOBODY else n)):
            self._page.rebuild()

    def _push(self, direction: Any, size: float, every: bool, body: str) -> None:
        if direction is None:
            angle = self._chance.uniform(0.0, 2.0 * np.pi)
            direction = (np.cos(angle), np.sin(angle), 0.0)
        worlds = range(self._session.num_envs) if every else None
        self._session.push([size * part for part in direction], worlds, body)

    def _set_condition(self, widget: Any) -> None:
        if self._pick(widget, self._session.condition, self._session.set_condition):
            self._page.rebuild()
            self._tell_pinned()

    def _choose(self, label: str, widget: Any) -> None:
        session, now = self._session, self._session.chosen.get(label, AS_SET)
        if self._pick(widget, now, lambda n: session.choose(label, "" if n == AS_SET else n)):
            self._page.rebuild()
            self._tell_pinned()

    def _set_parameter(self, slider: Slider, value: float) -> None:
        self._session.set_parameter(slider.path, value)
        self._page.rebuild()
        self._tell_pinned()

    def _free(self) -> None:
        self._session.free_parameters()
        self._page.rebuild()
        self._tell_pinned()

    def _tell_pinned(self) -> None:
        session = self._session
        units = {s.path: s for s in session.sliders()}
        said = [f"{label} {name.replace('_', ' ')}" for label, name in session.chosen.items()]
        said += [
            f"{units[path].label} {value:g} {units[path].unit}".removesuffix(" 1")
            for path, value in session.parameters.items()
        ]
        text = "; ".join(said) if said else "drawn at random in every world"
        self._pinned.content = note(f"{session.conditions()[session.condition]}; {text}")

    def _toggle_record(self) -> None:
        recording = self._page.recording
        if recording.running:
            recording.stop()
        else:
            recording.start()
