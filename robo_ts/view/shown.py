"""What the page shows: the worlds in the middle, the numbers on the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robo_ts.view import panels
from robo_ts.view.charts import Charts
from robo_ts.view.layout import Grid
from robo_ts.view.scene import Scene
from robo_ts.view.snapshot import Snapshot

if TYPE_CHECKING:
    from robo_ts.view.page import Page

_WIDTH = 400
# Camera images are shown at least this wide, px.
_PICTURE = 320
_BELOW_PICTURES = 1000.0


class Shown:
    """Everything that is seen of a session.

    Args:
        page: the page it is on.
    """

    def __init__(self, page: Page) -> None:
        import viser

        self._page, self._session = page, page.session
        gui = page.server.gui
        self._scene: Scene | None = None
        self._charts: Charts | None = None
        self._pictures: dict[str, Any] = {}
        panel = gui.add_panel()
        with panel.add_tab("Now", viser.Icon.ACTIVITY):
            self._status = gui.add_html("")
            self._message = gui.add_html("")
            gui.add_divider()
            self._actions = gui.add_html("")
            gui.add_divider()
            self._metrics = gui.add_html("")
        with panel.add_tab("Sees", viser.Icon.EYE) as self._sees:
            self._sensors = gui.add_html("", order=_BELOW_PICTURES)
        with panel.add_tab("Hidden", viser.Icon.EYE_OFF):
            gui.add_html(panels.note("What only the simulator, and a teacher, knows."))
            self._hidden = gui.add_html("")
        with panel.add_tab("Plots", viser.Icon.CHART_LINE) as self._plots:
            pass
        panel.dock_right()
        panel.set_width(_WIDTH)

    def rebuild(self, grid: Grid) -> None:
        """Draw everything anew that depends on who acts and in which worlds."""
        session, server = self._session, self._page.server
        model = session.model
        if self._scene is not None:
            self._scene.remove()
        root = model.body(session.bodies()[0]).id if session.bodies() else min(1, model.nbody - 1)
        self._scene = Scene(server, model, grid, session.players, root, session.view.ground)
        self._scene.on_click(lambda world: self._page.ask(lambda: session.select(world)))
        if self._charts is not None:
            self._charts.remove()
        if session.histories():
            with self._plots:
                self._charts = Charts(server, session)

    def begin(self) -> None:
        """A new round."""
        if self._scene is not None:
            self._scene.forget_trails()

    def look_at(self, world: int) -> None:
        """Bring the visitors' cameras close to a world."""
        if self._scene is not None:
            self._scene.look_at(world)

    def say(self, text: str, bad: bool) -> None:
        """A line below the status."""
        self._message.content = panels.note(text, bad)

    def worlds(self, snapshot: Snapshot) -> None:
        """The worlds as they are now."""
        assert self._scene is not None
        self._scene.update(snapshot)

    def texts(self, snapshot: Snapshot) -> None:
        """Numbers and images of the chosen world."""
        lanes, chosen = snapshot.lanes, snapshot.chosen
        _set(
            self._status,
            panels.status(
                lanes, chosen, snapshot.step, snapshot.time, snapshot.seed, snapshot.world
            ),
        )
        _set(self._actions, panels.actions(self._session.action_names(), chosen, lanes))
        _set(self._metrics, panels.metrics(lanes, chosen))
        _set(self._sensors, panels.terms(chosen[0].terms, deployable=True))
        _set(self._hidden, panels.terms(chosen[0].terms, deployable=False))
        for name in set(self._pictures) - set(chosen[0].images):  # another condition, no camera
            self._pictures.pop(name).remove()
        for name, image in chosen[0].images.items():
            self._show_picture(name, image)

    def plots(self) -> None:
        """The plots."""
        if self._charts is not None:
            self._charts.update()

    def _show_picture(self, name: str, image: Any) -> None:
        # Small images grow by whole pixels, so that what the student sees is seen as it is.
        grow = max(1, _PICTURE // image.shape[1])
        large = image.repeat(grow, axis=0).repeat(grow, axis=1)
        if name not in self._pictures:
            with self._sees:
                self._pictures[name] = self._page.server.gui.add_image(
                    large,
                    label=f"{name}, {image.shape[1]} × {image.shape[0]}",
                    format="png",
                    order=len(self._pictures),
                )
        else:
            self._pictures[name].image = large


def _set(handle: Any, content: str) -> None:
    if handle.content != content:
        handle.content = content
