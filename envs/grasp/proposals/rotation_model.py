"""A density over all rotations, given what is seen: p(R|X).

Implicit-PDF (Murphy et al. 2021, arXiv 2106.05965), which UniDexGrasp's first stage uses: a network
rates any rotation, and the ratings of an even grid normalise it. It can have any number of modes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from robo_ts.envs.grasp.proposals.rotations import VOLUME, spirals, uniform


class RotationModel(nn.Module):
    """Ratings of rotations.

    Args:
        context: numbers that describe what is seen.
        hidden: width of both layers.
        queries: rotations that normalise a density while training.
        grid: rotations that normalise it otherwise, and from which are drawn.
    """

    def __init__(self, context: int, hidden: int, queries: int, grid: int) -> None:
        super().__init__()
        self._seen = nn.Linear(context, hidden)
        self._asked = nn.Linear(27, hidden, bias=False)
        self._rate = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )
        self.register_buffer("_queries", spirals(queries), persistent=False)
        self.register_buffer("_grid", spirals(grid), persistent=False)

    def rate(self, context: Tensor, rotations: Tensor) -> Tensor:
        """Unnormalised logarithms of the density.

        Args:
            context: ``(n, c)``.
            rotations: ``(n, m, 3, 3)``, or ``(1, m, 3, 3)``, the same for all.

        Returns:
            ``(n, m)``.
        """
        entries = rotations.flatten(-2)
        # One Fourier component, as in UniDexGrasp's settings.
        wave = math.pi * entries
        asked = self._asked(torch.cat([entries, torch.sin(wave), torch.cos(wave)], dim=-1))
        return self._rate(self._seen(context)[:, None] + asked)[..., 0]

    def log_prob(self, context: Tensor, rotations: Tensor, training: bool = False) -> Tensor:
        """Logarithms of the density at ``rotations (n, 3, 3)``, ``(n,)``.

        The grid is turned so that the rotation asked for is one of its points: a rating between
        grid points could otherwise grow without anything to hold it down.
        """
        grid = self._queries if training else self._grid
        assert isinstance(grid, Tensor)
        queries = grid @ (grid[0].T @ rotations)[:, None]
        rated = self.rate(context, queries)
        return rated[:, 0] - torch.logsumexp(rated, dim=1) + math.log(len(grid) / VOLUME)

    @torch.no_grad()
    def sample(self, context: Tensor, rng: torch.Generator) -> Tensor:
        """A rotation for each row of ``context (n, c)``, ``(n, 3, 3)``.

        Drawn from a grid turned at random, so that every rotation can come.
        """
        grid = self._grid
        assert isinstance(grid, Tensor)
        queries = grid @ uniform(1, rng)
        likely = torch.softmax(self.rate(context, queries[None]), dim=1)
        return queries[torch.multinomial(likely, 1, generator=rng)[:, 0]]
