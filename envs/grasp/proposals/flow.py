"""A density over palm positions and finger poses, given what is seen and the rotation: p(t,q|X,R).

A normalising flow with rational-quadratic spline couplings (Durkan et al. 2019, arXiv 1906.04032),
by the library zuko. UniDexGrasp's GraspGlow has affine couplings in its place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robo_ts.errors import RoboTSError


class PoseFlow(nn.Module):
    """A conditional flow with the data's mean and spread taken out first.

    Args:
        features: numbers it is a density of.
        context: numbers that describe what is seen.
        transforms: coupling layers.
        hidden: width of their two layers.

    Raises:
        RoboTSError: without zuko.
    """

    def __init__(self, features: int, context: int, transforms: int, hidden: int) -> None:
        super().__init__()
        try:
            from zuko.flows import NSF
        except ImportError as error:
            raise RoboTSError(
                "zuko, for the proposals' flow", str(error), "pip install 'robo_ts[proposals]'"
            ) from error
        # Two passes: couplings, which are as fast to sample as to rate.
        self._flow = NSF(
            features, context, transforms=transforms, hidden_features=(hidden, hidden), passes=2
        )
        self.register_buffer("_mean", torch.zeros(features))
        self.register_buffer("_spread", torch.ones(features))

    def standardise(self, values: Tensor) -> None:
        """Take mean and spread from data ``(n, features)``."""
        assert isinstance(self._mean, Tensor) and isinstance(self._spread, Tensor)
        self._mean.copy_(values.mean(dim=0))
        self._spread.copy_(values.std(dim=0).clamp_min(1e-3))

    def log_prob(self, values: Tensor, context: Tensor) -> Tensor:
        """Logarithms of the density at ``values (n, features)``, ``(n,)``."""
        assert isinstance(self._mean, Tensor) and isinstance(self._spread, Tensor)
        inner = (values - self._mean) / self._spread
        return self._flow(context).log_prob(inner) - self._spread.log().sum()

    @torch.no_grad()
    def sample(self, context: Tensor, rng: torch.Generator) -> Tensor:
        """Values for each row of ``context (n, c)``, ``(n, features)``."""
        assert isinstance(self._mean, Tensor) and isinstance(self._spread, Tensor)
        noise = torch.randn(len(context), len(self._mean), generator=rng)
        inner = self._flow(context).transform.inv(noise)
        return self._mean + self._spread * inner
