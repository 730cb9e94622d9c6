"""Pieces of a self-contained HTML page."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.55 system-ui, sans-serif; color: #1d2430; background: #fff; max-width: 64rem;
  margin: 2rem auto 4rem; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .4rem; padding-top: .9rem; border-top: 1px solid #e3e7ec; }
h3 { font-size: 1rem; margin: 1.3rem 0 .2rem; }
p { max-width: 48rem; } p.sub { color: #5b6675; margin-top: .2rem; }
nav { font-size: 13px; margin: .6rem 0; } nav a { margin-right: .9rem; color: #2965cc; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: right; border-bottom: 1px solid #e3e7ec;
  vertical-align: top; }
th:first-child, td:first-child, .left td, .left th { text-align: left; }
th { color: #5b6675; font-weight: 600; }
tr.loud td { background: #fff4e5; font-weight: 600; }
img { max-width: 100%; display: block; } figure { margin: 1rem 0; }
figcaption { color: #5b6675; font-size: 13px; }
.verdict, .alarm { background: #eef4ff; border-left: 4px solid #2965cc; padding: .7rem 1rem;
  max-width: none; }
.alarm { background: #fff4e5; border-color: #d9822b; }
pre { background: #f4f6f8; padding: .8rem; overflow-x: auto; font-size: 13px; }
summary { cursor: pointer; color: #2965cc; }
"""


def page(title: str, body: Sequence[str]) -> str:
    """A whole page that asks the network for nothing."""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        # Without an icon of its own a browser asks for one.
        "<link rel='icon' href='data:,'>"
        f"<title>{text(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )


def text(value: Any) -> str:
    """A value as text that means nothing to HTML."""
    return html.escape(str(value))


def section(title: str, *parts: str) -> str:
    """A heading and what stands below it; nothing when nothing does."""
    inside = "".join(parts)
    return f"<h2 id='{anchor(title)}'>{text(title)}</h2>{inside}" if inside else ""


def anchor(title: str) -> str:
    """The name links lead to."""
    return "".join(c if c.isalnum() else "-" for c in title.lower())


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Any]], loud: int | None = None, kind: str = ""
) -> str:
    """A table; row ``loud`` stands out, ``kind='left'`` sets everything to the left."""
    head = "".join(f"<th>{text(h)}</th>" for h in heads)
    cells = ["".join(f"<td>{text(cell)}</td>" for cell in row) for row in rows]
    body = "".join(
        f"<tr{' class=loud' if k == loud else ''}>{row}</tr>" for k, row in enumerate(cells)
    )
    return f"<div class='wide'><table class='{kind}'><tr>{head}</tr>{body}</table></div>"


def image(encoded: str, caption: str = "", kind: str = "png") -> str:
    """A picture given as base64; nothing for an empty one."""
    if not encoded:
        return ""
    below = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    source = f"data:image/{kind};base64,{encoded}"
    return f"<figure><img alt='{text(caption)}' src='{source}'>{below}</figure>"


def file_image(path: Path, caption: str) -> str:
    """A JPEG file as part of the page."""
    if not path.is_file():
        return ""
    return image(base64.b64encode(path.read_bytes()).decode(), caption, "jpeg")


def percent(share: float | None) -> str:
    """A share; a dash where there is none."""
    return "-" if share is None or share != share else f"{100 * share:.1f}%"


def interval(ci: Sequence[float]) -> str:
    """Two shares."""
    return f"{percent(ci[0])} to {percent(ci[1])}"


def number(value: float | None) -> str:
    """Three digits; nothing where there is none."""
    return "" if value is None or value != value else f"{value:.3g}"


def measured(value: float | None, metric: str) -> str:
    """A number with the unit its metric's name ends with; metres as centimetres."""
    if value is None or value != value:
        return "-"
    if metric.endswith("_m"):
        return f"{100 * value:.1f} cm"
    unit = {"_s": " s", "_rad": " rad", "_deg": "°"}
    return f"{value:.3g}" + next((u for end, u in unit.items() if metric.endswith(end)), "")
