"""Images as numbers: a small convolutional encoder that reads them as they are stored."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from robo_ts.errors import RoboTSError

# What a convolution gives of so many small pictures stays in a processor's cache: twice as fast as
# thousands at once.
_AT_ONCE = 256


class ImageEncoder(nn.Module):
    """Convolutions with stride 2, then one dense layer.

    Args:
        shape: ``(channels, height, width)`` of one image.
        channels: of the convolutions; the first is 5 x 5, the others 3 x 3.
        features: numbers it gives.
        patch: the first convolution reads squares of so many pixels a side, side by side, instead;
            0 for 5 x 5 at stride 2. What does not fill a square at the right and bottom is not
            seen.

    Raises:
        RoboTSError: when the image is too small for so many convolutions.
    """

    def __init__(
        self, shape: tuple[int, ...], channels: list[int], features: int, patch: int = 0
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, height, width = shape
        for index, after in enumerate(channels):
            if index == 0 and patch:
                layers += [nn.Conv2d(before, after, patch, stride=patch)]
                height, width = height // patch, width // patch
            else:
                kernel = 5 if index == 0 else 3
                layers += [nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2)]
                height, width = math.ceil(height / 2), math.ceil(width / 2)
            layers += [nn.ReLU(inplace=True)]
            before = after
        if min(height, width) < 2:
            raise RoboTSError(
                f"images of at least {(patch or 2) * 2 ** len(channels)} pixels a side",
                f"{shape[1]} x {shape[2]}",
                "use fewer student.channels, a smaller student.patch or larger images",
            )
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Linear(before * height * width, features)

    def forward(self, images: Tensor) -> Tensor:
        """``(..., channels, height, width)`` of any stored kind to ``(..., features)``."""
        leading, x = images.shape[:-3], images.reshape(-1, *images.shape[-3:])
        if torch.compiler.is_compiling() or x.device.type != "cpu" or len(x) <= _AT_ONCE:
            return self._features(x).reshape(*leading, -1)
        return torch.cat([self._features(part) for part in x.split(_AT_ONCE)]).reshape(*leading, -1)

    def _features(self, images: Tensor) -> Tensor:
        x = self.convolutions(scaled(images, self.dense.weight.dtype)).flatten(1)
        return torch.relu(self.dense(x))


def scaled(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Stored images as numbers around zero: colours and 16-bit depth of full scale one.

    Floating-point depth is taken to be in metres and left as it is.
    """
    if images.dtype == torch.uint8:
        return images.to(dtype).div_(255.0).sub_(0.5)
    if images.dtype == torch.uint16:
        return images.to(dtype).div_(65535.0).sub_(0.5)
    return images.to(dtype)
