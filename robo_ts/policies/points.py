"""Point clouds as numbers: a small PointNet (Qi et al. 2017, arXiv 1612.00593, without its
transforms): the same layers for every point, then the greatest of each feature."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PointEncoder(nn.Module):
    """What a cloud is does not depend on the order of its points.

    Args:
        channels: widths of the layers that every point passes.
        features: numbers it gives.
    """

    def __init__(self, channels: list[int], features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        size = 3
        for width in channels:
            layers += [nn.Linear(size, width), nn.ReLU(inplace=True)]
            size = width
        self.shared = nn.Sequential(*layers)
        self.dense = nn.Linear(size, features)

    def forward(self, points: Tensor) -> Tensor:
        """``(..., 3 * num_points)`` m to ``(..., features)``."""
        each = self.shared(points.unflatten(-1, (-1, 3)))
        return torch.relu(self.dense(each.amax(dim=-2)))
