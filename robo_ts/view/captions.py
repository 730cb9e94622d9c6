"""Words and insets on a video's frames."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from robo_ts.view.clip import Clip, Moment
from robo_ts.view.layout import colour_of

_DARK, _GREY = (29, 36, 48), (91, 102, 117)


def caption(picture: np.ndarray, clip: Clip, moment: Moment) -> np.ndarray:
    """A frame with who acts and how it goes, and what the student's cameras see.

    Args:
        picture: ``(height, width, 3)`` uint8.
        clip: whose names are written.
        moment: what the frame shows.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    width, height = image.size
    large, small = _font(max(12, height // 26)), _font(max(10, height // 42))
    lanes = len(clip.players)
    for lane, player in enumerate(clip.players):
        x = width * (lane + 0.5) / lanes if lanes > 1 else 0.035 * height
        anchor = "ma" if lanes > 1 else "la"
        y = 0.03 * height
        draw.text((x, y), player, colour_of(player, lane), large, anchor=anchor)
        good, episodes = moment.counts[lane]
        said = f"succeeded in {good} of {episodes} episodes" if episodes else ""
        draw.text((x, y + 1.3 * large.size), said, _GREY, small, anchor=anchor)
    at = (0.035 * height, height - 0.03 * height)
    text = f"{clip.task.replace('_', ' ')}   {moment.time:.2f} s"
    draw.text(at, text, _DARK, small, anchor="ls")
    _add_insets(image, draw, moment, small)
    return np.asarray(image)


def _add_insets(image: Image.Image, draw: Any, moment: Moment, font: Any) -> None:
    """The cameras' images in the lower right corner, side by side."""
    right = image.width - round(0.03 * image.height)
    for name, picture in reversed(moment.images.items()):
        grow = max(1, round(0.26 * image.height / picture.shape[0]))
        large = Image.fromarray(picture.repeat(grow, axis=0).repeat(grow, axis=1))
        left, top = right - large.width, image.height - round(0.03 * image.height) - large.height
        draw.rectangle(
            (left - 2, top - 2, right + 1, top + large.height + 1), outline=_DARK, width=2
        )
        image.paste(large, (left, top))
        draw.text((left, top - 6), f"what the student sees: {name}", _DARK, font, anchor="ls")
        right = left - round(0.02 * image.height)


@cache
def _font(size: int) -> Any:
    """DejaVu Sans, which matplotlib carries everywhere."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)
