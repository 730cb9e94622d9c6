"""The last few frames of every camera, so that what arrives can be older than what is exposed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Frames:
    """Rings of frames, one per output of a camera, all exposed at the same moments.

    Frame f of a world's episode is exposed at control step ``f * every`` and lies in slot
    ``f % slots``.

    Args:
        shapes: shape and dtype of one world's frame, by name.
        num: worlds.
        every: control steps between two frames.
        delay: longest delay in control steps that is asked for.
        device: where the frames are kept.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[tuple[int, ...], torch.dtype]],
        num: int,
        every: int,
        delay: int,
        device: torch.device,
    ) -> None:
        self.num, self.every = num, every
        self.slots = -(-delay // every) + 1
        self.rings = {
            name: torch.zeros((self.slots, num, *shape), dtype=dtype, device=device)
            for name, (shape, dtype) in shapes.items()
        }

    def places(self, env_ids: Tensor, frame: Tensor) -> Tensor:
        """Rows of :meth:`flat` that hold frame ``frame (n,)`` of the worlds ``env_ids (n,)``."""
        return frame % self.slots * self.num + env_ids

    def flat(self, name: str) -> Tensor:
        """All frames of an output, ``(slots * num, ...)``."""
        return self.rings[name].flatten(0, 1)

    def arrived(self, name: str, env_ids: Tensor, age: Tensor, delay: Tensor) -> Tensor:
        """The newest frames that arrived, ``(n, ...)``: a copy.

        Args:
            name: the output.
            env_ids: worlds, ``(n,)``.
            age: their control steps since the episode's start, ``(n,)``.
            delay: their control steps from exposure to arrival, ``(n,)``. Before the first frame
                arrived the first frame is given.
        """
        frame = (age - delay).clamp_min(0) // self.every
        return take(self.flat(name), self.places(env_ids, frame))


def take(frames: Tensor, rows: Tensor) -> Tensor:
    """``frames[rows]``, a copy, for every dtype a frame may have."""
    if frames.dtype == torch.uint16:  # torch knows few operations on it
        return frames.view(torch.int16)[rows].view(torch.uint16)
    return frames[rows]
