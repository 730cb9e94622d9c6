"""Pieces of the page as HTML: plain functions of what is to be shown."""

from __future__ import annotations

import html

import numpy as np

from robo_ts.env.metrics import words_and_unit
from robo_ts.view.layout import colour_of
from robo_ts.view.snapshot import LaneView, TermView, WorldView

_CELL = "padding:.1rem .5rem .1rem 0;vertical-align:top;"
_MUTED = "color:#5b6675;"
_NUMBERS = "font-family:ui-monospace,monospace;font-size:.78rem;white-space:pre-wrap;"
# Values of a long term that are written out.
_WRITTEN = 12


def status(
    lanes: list[LaneView], chosen: list[WorldView], step: int, time: float, seed: int, world: int
) -> str:
    """Who acts, how it goes, and what has become of the chosen world."""
    cards = "".join(
        _card(i, lane, w) for i, (lane, w) in enumerate(zip(lanes, chosen, strict=True))
    )
    return (
        f"<div style='padding:.2rem .7rem;font-size:.85rem'>{cards}"
        f"<div style='{_MUTED}margin-top:.35rem'>episode <b>{seed}</b> · step "
        f"<b data-step>{step}</b> · {time:.2f} s · world <b>{world}</b></div></div>"
    )


def _card(index: int, lane: LaneView, world: WorldView) -> str:
    colour = _css(colour_of(lane.player, index))
    share = "no episode has ended yet"
    if lane.episodes:
        share = f"succeeded in <b>{lane.successes} of {lane.episodes} episodes</b>"
    memory = "" if world.memory is None else f" · memory {world.memory:.2f}"
    return (
        f"<div style='border-left:4px solid {colour};padding:.15rem .6rem;margin:.25rem 0'>"
        f"<b style='color:{colour}'>{html.escape(lane.player)}</b> "
        f"<span style='{_MUTED}'>{html.escape(lane.text)}</span><br>"
        f"{share}<br>"
        f"<span style='{_MUTED}'>here: {html.escape(world.outcome)} · reward "
        f"{world.reward:.3f}{memory}</span></div>"
    )


def actions(names: list[str], worlds: list[WorldView], lanes: list[LaneView]) -> str:
    """Every action of every lane as a bar in [-1, 1], the teacher's as a mark on it."""
    blocks = []
    for index, (world, lane) in enumerate(zip(worlds, lanes, strict=True)):
        if world.action is None:
            continue
        colour = colour_of(lane.player, index)
        rows = "".join(
            _bar(name, float(value), _at(world.reference, i), colour)
            for i, (name, value) in enumerate(zip(names, world.action, strict=True))
        )
        blocks.append(
            f"<div style='font-size:.8rem;margin:.3rem .7rem'><b>{html.escape(lane.player)}</b>"
            f"{_difference(world)}<table style='width:100%;border-collapse:collapse'>{rows}"
            f"</table></div>"
        )
    if not blocks:
        return (
            f"<div style='{_MUTED}margin:.4rem .7rem;font-size:.85rem'>before the first step</div>"
        )
    return "".join(blocks)


def _at(reference: np.ndarray | None, index: int) -> float | None:
    return None if reference is None else float(reference[index])


def _difference(world: WorldView) -> str:
    if world.reference is None or world.action is None:
        return ""
    error = float(np.sqrt(np.mean((world.action - world.reference) ** 2)))
    return f" <span style='{_MUTED}'>off the teacher's (┃) by {error:.3f}</span>"


def _bar(name: str, value: float, reference: float | None, rgb: tuple[int, int, int]) -> str:
    left, width = sorted((50.0, 50.0 + 50.0 * min(max(value, -1.0), 1.0)))[0], 50.0 * abs(value)
    mark = ""
    if reference is not None:
        at = 50.0 + 50.0 * min(max(reference, -1.0), 1.0)
        mark = (
            f"<div style='position:absolute;left:calc({at:.1f}% - 1px);top:-1px;width:3px;"
            f"height:14px;background:#1d2430'></div>"
        )
    return (
        f"<tr><td style='{_CELL}width:34%'>{html.escape(name)}</td><td>"
        f"<div style='position:relative;height:12px;background:#eef1f5;border-radius:3px'>"
        f"<div style='position:absolute;left:{left:.1f}%;width:{min(width, 50.0):.1f}%;height:12px;"
        f"background:{_css(rgb)};opacity:.8;border-radius:2px'></div>"
        f"<div style='position:absolute;left:50%;width:1px;height:12px;background:#aab3bf'></div>"
        f"{mark}</div></td><td style='{_NUMBERS}width:14%;text-align:right'>{value:+.2f}</td></tr>"
    )


def terms(found: list[TermView], deployable: bool) -> str:
    """The terms that sensors give, or those only the simulator knows, with units and frames."""
    rows, group = [], ""
    for term in found:
        if term.deployable != deployable:
            continue
        if term.group != group:
            group = term.group
            read = "" if term.read else f" <span style='{_MUTED}'>(not read by this policy)</span>"
            rows.append(
                f"<tr><td colspan='3' style='padding-top:.5rem'><b>{html.escape(group)}</b>{read}"
                "</td></tr>"
            )
        rows.append(_term(term))
    if not rows:
        what = "No sensor." if deployable else "Nothing is hidden from the sensors."
        return f"<div style='{_MUTED}margin:.6rem .7rem'>{what}</div>"
    return (
        "<table style='border-collapse:collapse;margin:.2rem .7rem;font-size:.8rem'>"
        f"{''.join(rows)}</table>"
    )


def _term(term: TermView) -> str:
    unit = "" if term.unit == "1" else term.unit
    frame = "" if term.frame == "none" else term.frame
    about = " · ".join(html.escape(x) for x in (unit, frame) if x)
    values = " ".join(f"{v:7.3f}" for v in term.values[:_WRITTEN])
    more = len(term.values) - _WRITTEN
    if more > 0:
        values += f" … {more} more, {term.values.min():.3f} to {term.values.max():.3f}"
    name = html.escape(term.name.replace("_", " "))
    return (
        f"<tr style='border-top:1px solid #eef1f5'><td style='{_CELL}'>{name}</td>"
        f"<td style='{_CELL}{_NUMBERS}' data-term='{html.escape(term.name)}'>{values}</td>"
        f"<td style='{_CELL}{_MUTED}font-size:.72rem'>{about}</td></tr>"
    )


def metrics(lanes: list[LaneView], worlds: list[WorldView]) -> str:
    """The task's own measurements of the chosen world's episode so far."""
    names = list(dict.fromkeys(name for world in worlds for name in world.metrics))
    head = "".join(
        f"<th style='{_CELL}text-align:right;color:{_css(colour_of(lane.player, i))}'>"
        f"{html.escape(lane.player)}</th>"
        for i, lane in enumerate(lanes)
    )
    rows = "".join(
        f"<tr style='border-top:1px solid #eef1f5'><td style='{_CELL}'>"
        f"{html.escape(_with_unit(name))}</td>"
        + "".join(
            f"<td style='{_CELL}{_NUMBERS}text-align:right'>{_number(w.metrics.get(name))}</td>"
            for w in worlds
        )
        + "</tr>"
        for name in names
        if name != "failure"
    )
    return (
        "<table style='border-collapse:collapse;margin:.2rem .7rem;font-size:.8rem'>"
        f"<tr><th></th>{head}</tr>{rows}</table>"
    )


def note(text: str, bad: bool = False) -> str:
    """A line of text."""
    colour = "#c23030" if bad else "#5b6675"
    return (
        f"<div style='color:{colour};margin:.2rem .7rem;font-size:.8rem'>{html.escape(text)}</div>"
    )


def _with_unit(name: str) -> str:
    words, unit = words_and_unit(name)
    return f"{words}, {unit}" if unit else words


def _number(value: float | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value != value:
        return "–"
    if abs(value) >= 1e6:
        return "∞" if abs(value) == float("inf") else f"{value:.3g}"
    return f"{value:.3f}"


def _css(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
