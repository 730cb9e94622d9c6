"""Running mean and variance of a policy's inputs, kept inside the policy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robo_ts.distributed import all_sum, is_parallel


class Normalizer(nn.Module):
    """``(x - mean) / scale`` with statistics gathered by :meth:`update`.

    Args:
        size: length of the input vector.
        eps: added to the standard deviation, so that constant inputs stay finite.
    """

    mean: Tensor
    scale: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int, eps: float = 1e-2) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Merge the statistics of ``x (..., size)`` (Chan et al. 1979, parallel variance), of all
        processes where several train together."""
        x = x.reshape(-1, x.shape[-1])
        count, mean, variance = _moments(x)
        total = self.count + count
        share = (count / total).float()
        delta = mean - self.mean
        self.mean += share * delta
        self.variance += share * (variance - self.variance + (1 - share) * delta * delta)
        self.count.copy_(total)
        self.scale.copy_(self.variance.sqrt() + self.eps)


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Count, mean and variance of the rows of ``x``, over all processes."""
    count = torch.tensor(float(x.shape[0]), dtype=torch.float64, device=x.device)
    mean, variance = x.mean(dim=0), x.var(dim=0, unbiased=False)
    if not is_parallel():
        return count, mean, variance
    own = count.clone()
    total = all_sum(count)
    everywhere = all_sum(mean * own).div_(total)
    spread = all_sum((variance + (mean - everywhere).square()) * own).div_(total)
    return total, everywhere.float(), spread.float()
