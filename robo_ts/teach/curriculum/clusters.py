"""K-means over shape features, and representatives of nested stages."""

from __future__ import annotations

import torch
from torch import Tensor


def k_means(points: Tensor, count: int, rng: torch.Generator, rounds: int = 30) -> Tensor:
    """Centres ``(count, d)`` of points ``(n, d)``: Lloyd's algorithm after k-means++ seeding."""
    first = torch.randint(len(points), (1,), generator=rng)
    centres = points[first]
    nearest = (points - centres).square().sum(dim=-1)
    for _ in range(count - 1):
        chance = nearest if float(nearest.sum()) > 0 else torch.ones_like(nearest)
        new = points[torch.multinomial(chance, 1, generator=rng)]
        centres = torch.cat([centres, new])
        nearest = torch.minimum(nearest, (points - new).square().sum(dim=-1))
    for _ in range(rounds):
        owner = torch.cdist(points, centres).argmin(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, owner, points)
        sizes = torch.bincount(owner, minlength=count)
        moved = torch.where(sizes[:, None] > 0, sums / sizes.clamp_min(1)[:, None], centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def representatives(features: Tensor, sizes: list[int], seed: int) -> Tensor:
    """An order of all variants ``(n,)`` whose first ``sizes[k]`` represent all of them.

    Every stage takes the variants nearest to the centres of that many clusters, beside those the
    stages before took; what is left comes last, in random order.

    Args:
        features: ``(n, d)``; every column counts alike.
        sizes: of the stages, rising.
        seed: of the clustering.
    """
    rng = torch.Generator().manual_seed(seed)
    features = features.cpu().double()
    points = (features - features.mean(dim=0)) / features.std(dim=0).clamp_min(1e-9)
    order: list[int] = []
    for size in sizes:
        wanted = min(size, len(points)) - len(order)
        if wanted <= 0:
            continue
        if wanted == len(points) - len(order):
            break
        centres = k_means(points, wanted, rng)
        distance = torch.cdist(centres, points)
        for row in distance:
            row[order] = float("inf")
            order.append(int(row.argmin()))
    rest = torch.ones(len(points), dtype=torch.bool)
    rest[order] = False
    left = torch.nonzero(rest).flatten()
    shuffled = left[torch.randperm(len(left), generator=rng)]
    return torch.cat([torch.tensor(order, dtype=torch.long), shuffled])
