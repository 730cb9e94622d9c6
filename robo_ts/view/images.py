"""Camera images of any kind as pictures people can look at."""

from __future__ import annotations

import numpy as np


def as_picture(image: np.ndarray) -> np.ndarray:
    """``(height, width, 3)`` uint8 from ``(channels, height, width)``.

    Bytes stay as they are; depth and other numbers are stretched to the image's own range, near is
    dark and 0 (nothing seen) is black. Frames stacked as channels stand side by side.
    """
    if image.dtype != np.uint8:
        image = _stretched(image.astype(np.float32))
    channels = len(image)
    if channels % 3 == 0:
        frames = [image[k : k + 3].transpose(1, 2, 0) for k in range(0, channels, 3)]
    else:
        frames = [np.repeat(plane[..., None], 3, axis=-1) for plane in image]
    return np.ascontiguousarray(np.concatenate(frames, axis=1))


def _stretched(values: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    seen = values[values != 0.0]
    if not seen.size:
        return np.zeros(values.shape, np.uint8)
    low, high = float(seen.min()), float(seen.max())
    share = (values - low) / max(high - low, 1e-9)
    return np.where(values != 0.0, 40.0 + 215.0 * share, 0.0).astype(np.uint8)
