"""Prioritised replay of interactive experience (PIER of ASkDAgger, arXiv 2508.05310).

What the student lately did wrong and was sure about is learnt from most, what it lately did right
and was sure about least; where it was unsure, where the data is old and where nobody judged, data
keeps its usual weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.checks import check_finite
from robo_ts.errors import RoboTSError


@dataclass
class PierConfig:
    """How strongly is prioritised.

    Attributes:
        uncertainty_share: weight of uncertainty against age, in [0, 1] (the paper's lambda).
        base: of the exponential fall of the priorities with uncertainty and age (b); > 1.
        alpha: sharpness of the draw; 0 draws uniformly.
        beta: how fully importance weights undo the draw; 0 not at all, 1 wholly.
        least: smallest priority (ours; the paper's may be 0). It also bounds the weights: at 0.05
            and alpha 1.5 no two priorities differ by more than a factor of 253 in the draw.
    """

    uncertainty_share: float = 0.5
    base: float = 10.0
    alpha: float = 1.5
    beta: float = 1.0
    least: float = 0.05

    def __post_init__(self) -> None:
        check_finite(self, "pier")
        for name in ("uncertainty_share", "beta"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RoboTSError(
                    f"pier.{name} in [0, 1]", str(getattr(self, name)), "give a share"
                )
        if not self.base > 1.0:
            raise RoboTSError("pier.base > 1", str(self.base), "raise it")
        if not self.alpha >= 0.0:
            raise RoboTSError("pier.alpha >= 0", str(self.alpha), "raise it")
        if not 0.0 < self.least <= 1.0:
            raise RoboTSError("pier.least in (0, 1]", str(self.least), "never 0: it is divided by")


def priorities(
    uncertainty: Tensor, outcome: Tensor, age_index: Tensor, config: PierConfig
) -> Tensor:
    """Priority of every entry, ``(num,)`` from ``config.least`` to 2.

    With uncertainty u and age index k both divided by their greatest value,
    c = lambda u + (1 - lambda) (max k - k) and p = 1 - r (b^(1 - c) - 1) / (b - 1)
    (arXiv 2508.05310, section on PIER).

    Args:
        uncertainty: ``(num,)``, >= 0, in any unit.
        outcome: r, ``(num,)``: +1 success, -1 failure, 0 unknown.
        age_index: k, ``(num,)``, >= 0: the round an entry comes from; grows with time.
        config: the constants.
    """
    shapes = {tuple(t.shape) for t in (uncertainty, outcome, age_index)}
    if len(shapes) > 1 or uncertainty.dim() != 1 or not len(uncertainty):
        raise RoboTSError("three arrays (num,)", f"shapes {sorted(shapes)}", "flatten them")
    doubt, round_ = _by_greatest(uncertainty), _by_greatest(age_index)
    share = config.uncertainty_share
    c = share * doubt + (1.0 - share) * (round_.max() - round_)
    pull = (config.base ** (1.0 - c) - 1.0) / (config.base - 1.0)
    return (1.0 - outcome.to(pull.dtype) * pull).clamp_min(config.least)


def sample(priorities: Tensor, alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Entries drawn with replacement and probability P ~ p^alpha.

    Args:
        priorities: ``(num,)``, > 0.
        alpha: sharpness of the draw.
        count: entries to draw.
        generator: source of the draw.

    Returns:
        Numbers of entries, ``(count,)`` long.
    """
    # Not torch.multinomial, which ends at 2^24 entries.
    ends = _chances(priorities, alpha).cumsum(0)
    draw = torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64)
    ids = torch.searchsorted(ends, draw.to(ends.device) * ends[-1], right=True)
    return ids.clamp_max(len(ends) - 1)


def importance_weights(
    priorities: Tensor, alpha: float, beta: float, ids: Tensor | None = None
) -> Tensor:
    """Weights that undo the draw, w = (1 / (num P))^beta over the greatest of them.

    Args:
        priorities: of all entries, ``(num,)``, > 0.
        alpha: with which was drawn.
        beta: how fully to undo it.
        ids: the minibatch, ``(count,)``; all entries when left out. The greatest weight is taken
            over these, so that an entry hardly ever drawn does not shrink every minibatch.

    Returns:
        ``(count,)`` in (0, 1], of the priorities' kind.
    """
    chance = _chances(priorities, alpha)
    share = chance / chance.mean()  # num P
    weight = (share if ids is None else share[ids]).pow(-beta)
    return (weight / weight.max()).to(priorities.dtype)


def _by_greatest(values: Tensor) -> Tensor:
    values = values if values.is_floating_point() else values.to(torch.float32)
    greatest = values.max()
    return values / torch.where(greatest > 0, greatest, torch.ones_like(greatest))


def _chances(priorities: Tensor, alpha: float) -> Tensor:
    return priorities.to(torch.float64).pow(alpha)
