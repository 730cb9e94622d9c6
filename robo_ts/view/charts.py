"""Live plots of the chosen world: reward and its terms, action error, memory, success."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robo_ts.view.layout import colour_of
from robo_ts.view.rollout import Rollout

if TYPE_CHECKING:
    import viser

_TERM_COLOURS = ("#7e57c2", "#009688", "#c2185b", "#6d8b00", "#8a94a3", "#00838f", "#ad6200")
_HEIGHT = 165


_OTHERS = {
    "action error": "distance from the teacher's action",
    "memory": "norm of the memory",
    "success": "share of all worlds that succeed now",
}


class Charts:
    """All plots, one below the other, in the page's current container.

    Args:
        server: the page.
        session: what is plotted.
    """

    def __init__(self, server: viser.ViserServer, session: Rollout) -> None:
        self._server, self._session = server, session
        names = session.reward_names()
        title = f"reward of {session.players[0]}"
        self._reward_names = ["reward", *names]
        colours = ["#1d2430", *(_TERM_COLOURS[i % len(_TERM_COLOURS)] for i in range(len(names)))]
        labels = ["sum", *(name.removeprefix("reward: ") for name in names)]
        self._reward = self._add(title, labels, colours)
        self._others: dict[str, tuple[Any, list[int]]] = {}
        for key, text in _OTHERS.items():
            lanes = [i for i, known in enumerate(session.measured()) if key in known]
            if lanes:
                self._others[key] = (self._add_lanes(text, lanes, key), lanes)

    def remove(self) -> None:
        """Take them off the page."""
        for chart in [self._reward, *(chart for chart, _ in self._others.values())]:
            chart.remove()

    def update(self) -> None:
        """Draw the session's history."""
        histories, world = self._session.histories(), self._session.world
        first = histories[0]
        self._reward.data = _columns(
            first.times(), [first.of(name, world) for name in self._reward_names]
        )
        for name, (chart, lanes) in self._others.items():
            of_lanes = [histories[lane] for lane in lanes]
            columns = [h.mean(name) if name == "success" else h.of(name, world) for h in of_lanes]
            chart.data = _columns(first.times(), columns)

    def _add_lanes(self, title: str, lanes: list[int], key: str) -> Any:
        players = [self._session.players[lane] for lane in lanes]
        colours = [_css(colour_of(player, i)) for player, i in zip(players, lanes, strict=True)]
        return self._add(title, players, colours, (0.0, 1.0) if key == "success" else None)

    def _add(
        self,
        title: str,
        labels: list[str],
        colours: list[str],
        span: tuple[float, float] | None = None,
    ) -> Any:
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
        scales: dict[str, Any] = {"x": {"time": False}}
        if span is not None:
            scales["y"] = {"auto": False, "range": span}
        empty = tuple(np.zeros(2) for _ in series)
        return self._server.gui.add_uplot(
            empty,
            tuple(series),
            title=title,
            scales=scales,
            axes=({"size": 28}, {"size": 46}),
            height=_HEIGHT + 9 + 12 * (len(labels) // 4),
            padding=(6, 12, 9, 0),  # the legend begins right below
        )


def _columns(times: np.ndarray, values: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Times and values of one length, at least two moments, as uPlot wants them."""
    length = len(times)
    if length < 2:
        return tuple(
            np.array([0.0, 1.0]) if k == 0 else np.zeros(2) for k in range(len(values) + 1)
        )
    return (times.copy(), *(_without_gaps(v, length) for v in values))


def _without_gaps(values: np.ndarray, length: int) -> np.ndarray:
    """The last number stays where none follows, since uPlot finds no scale for NaN."""
    if len(values) != length or not np.isfinite(values).any():
        return np.zeros(length)
    seen = np.isfinite(values)
    last = np.maximum.accumulate(np.where(seen, np.arange(length), 0))
    filled = values[last]
    return np.where(np.isfinite(filled), filled, values[seen][0])


def _css(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
