"""Live plots of the chosen world: reward and its terms, action error, memory, success."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robo_ts.view.layout import colour_of
from robo_ts.view.session import Session

if TYPE_CHECKING:
    import viser

_TERM_COLOURS = ("#7e57c2", "#009688", "#c2185b", "#6d8b00", "#8a94a3", "#00838f", "#ad6200")
_HEIGHT = 165


class Charts:
    """All plots, one below the other, in the page's current container.

    Args:
        server: the page.
        session: what is plotted.
    """

    def __init__(self, server: viser.ViserServer, session: Session) -> None:
        self._server, self._session = server, session
        names = session.lanes[0].reward_names()
        title = f"reward of {session.players[0]}"
        self._reward_names = ["reward", *names]
        colours = ["#1d2430", *(_TERM_COLOURS[i % len(_TERM_COLOURS)] for i in range(len(names)))]
        labels = ["sum", *(name.removeprefix("reward: ") for name in names)]
        self._reward = self._add(title, labels, colours)
        self._others = {
            "action error": self._add_lanes("distance from the teacher's action"),
            "memory": self._add_lanes("norm of the memory"),
            "success": self._add_lanes("share of all worlds that succeed now"),
        }

    def remove(self) -> None:
        """Take them off the page."""
        for chart in [self._reward, *self._others.values()]:
            chart.remove()

    def update(self) -> None:
        """Draw the session's history."""
        lanes, world = self._session.lanes, self._session.world
        first = lanes[0].history
        self._reward.data = _columns(
            first.times(), [first.of(name, world) for name in self._reward_names]
        )
        for name, chart in self._others.items():
            columns = [
                h.mean(name) if name == "success" else h.of(name, world)
                for h in (lane.history for lane in lanes)
            ]
            chart.visible = any(np.isfinite(c).any() for c in columns) or not len(first.times())
            chart.data = _columns(first.times(), columns)

    def _add_lanes(self, title: str) -> Any:
        players = self._session.players
        colours = [_css(colour_of(player, i)) for i, player in enumerate(players)]
        return self._add(title, players, colours)

    def _add(self, title: str, labels: list[str], colours: list[str]) -> Any:
        series: list[Any] = [{"label": "s"}]
        for label, colour in zip(labels, colours, strict=True):
            series.append(
                {
                    "label": label,
                    "stroke": colour,
                    "width": 2 if len(series) == 1 else 1.4,
                    "points": {"show": False},
                    "spanGaps": False,
                }
            )
        empty = tuple(np.zeros(2) for _ in series)
        return self._server.gui.add_uplot(
            empty,
            tuple(series),
            title=title,
            scales={"x": {"time": False}},
            axes=({"size": 28}, {"size": 46}),
            height=_HEIGHT + 12 * (len(labels) // 4),
            padding=(6, 12, 0, 0),
        )


def _columns(times: np.ndarray, values: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Times and values of one length, at least two moments, as uPlot wants them."""
    length = len(times)
    if length < 2:
        return tuple(np.array([0.0, 1.0]) if k == 0 else np.zeros(2) for k in range(len(values) + 1))
    # The lanes step together; a value without history yet is NaN.
    fitted = [v if len(v) == length else np.full(length, np.nan) for v in values]
    return (times.copy(), *(v.astype(np.float64).copy() for v in fitted))


def _css(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
