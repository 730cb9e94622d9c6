"""S-Aware Gating: ask the teacher just often enough (SAG of ASkDAgger, arXiv 2508.05310).

The student asks when its uncertainty reaches a threshold, and now and then by chance. The threshold
is recomputed after every update of the student, such that a wanted share of its failures is asked
about (sensitivity), of its successes is not (specificity), or of all decisions is right or asked
about (success).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robo_ts.checks import check_at_least_one, check_finite, check_one_of
from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive

Floats = NDArray[np.float64]
TARGETS = ("sensitivity", "specificity", "success")
SUCCESS, UNKNOWN, FAILURE = 1, 0, -1


@dataclass
class SagConfig:
    """What the gate aims at.

    Attributes:
        target: ``sensitivity`` (share of failures asked about), ``specificity`` (share of successes
            not asked about) or ``success`` (share of decisions that succeed or are asked about).
        value: the wanted share.
        random_share: probability of asking whatever the uncertainty (the paper's p_rand). These
            questions are the only news from below the threshold.
        least_relevant: labels of the kind the target counts that a threshold rests on (n_min);
            with fewer, everything is asked.
        least_updates: updates the window spans at least, where there are so many. With thousands
            of decisions per update one alone would do, and show no trend; the longer the
            window, the worse a line fits a fast change.
        imputations: random completions of the unknown outcomes (n_rep).
        history: newest decisions kept. Of an update's decisions at most a fair share for
            ``least_updates`` stays, drawn at random: the last steps alone would be a biased view.
        budget: questions in all, of each process, or None for no limit. It bounds labels with
            ``gate.labels``, else only how often the teacher takes over.
    """

    target: str = "sensitivity"
    value: float = 0.9
    random_share: float = 0.1
    least_relevant: int = 50
    least_updates: int = 2
    imputations: int = 10
    history: int = 50_000
    budget: int | None = None

    def __post_init__(self) -> None:
        check_finite(self, "sag")
        check_one_of("sag.target", self.target, TARGETS)
        if not 0.0 <= self.random_share < 1.0:
            raise RoboTSError("sag.random_share in [0, 1)", str(self.random_share), "lower it")
        most = 1.0 - self.random_share if self.target == "specificity" else 1.0
        if not 0.0 < self.value <= most:
            raise RoboTSError(
                f"sag.value in (0, {most:g}]",
                str(self.value),
                "give a share; random questions alone cost specificity sag.random_share",
            )
        check_at_least_one(self, "sag", ("least_relevant", "least_updates", "imputations"))
        if self.history <= self.least_relevant:
            raise RoboTSError(
                f"sag.history > least_relevant ({self.least_relevant})", str(self.history), "raise"
            )
        if self.budget is not None and self.budget < 0:
            raise RoboTSError("sag.budget >= 0 or None", str(self.budget), "drop it for no limit")


class SAwareGate:
    """Decides which decisions the teacher is asked about.

    Args:
        config: what is aimed at.
        seed: of the imputations.
    """

    def __init__(self, config: SagConfig, seed: int = 0) -> None:
        self.config, self.seed = config, seed
        self.spent = 0
        self._updates = 0
        self._threshold = -math.inf
        # Columns: uncertainty, outcome, weight, update. Steps bring their batches one by one, and
        # joining them all at once saves copying the history.
        self._history = np.empty((0, 4))
        self._new: list[Floats] = []

    def threshold(self) -> float:
        """Uncertainty from which on is asked: ``-inf`` before enough is known, ``inf`` when the
        random questions alone reach the target."""
        return self._threshold

    def query(self, uncertainty: Tensor, generator: torch.Generator) -> Tensor:
        """Which decisions to ask about, ``(num,)`` bool.

        Args:
            uncertainty: ``(num,)``, in any unit that grows with doubt. NaN counts as doubt.
            generator: source of the random questions.
        """
        draw = torch.rand(uncertainty.shape, generator=generator, device=generator.device)
        asked = ~(uncertainty < self._threshold)
        asked |= draw.to(uncertainty.device) < self.config.random_share
        count = int(asked.sum())
        budget = self.config.budget
        if budget is not None and count > (left := max(budget - self.spent, 0)):
            doubt = uncertainty.nan_to_num(nan=math.inf).masked_fill(~asked, -math.inf)
            chosen = doubt.topk(left).indices
            asked, count = torch.zeros_like(asked).index_fill_(0, chosen, True), left
        self.spent += count
        return asked

    def record(
        self, uncertainty: Tensor, outcome: Tensor, queried: Tensor, update_index: int
    ) -> None:
        """Remember decisions since the last :meth:`update`, asked about or not: the unasked show
        how uncertainty is spread.

        Args:
            uncertainty: ``(num,)``, finite.
            outcome: ``(num,)``, +1 success, -1 failure, 0 unknown; not looked at where not asked.
            queried: ``(num,)`` bool, what :meth:`query` said.
            update_index: updates the student had seen; never falls.
        """
        shapes = {tuple(t.shape) for t in (uncertainty, outcome, queried)}
        if len(shapes) > 1 or uncertainty.dim() != 1:
            raise RoboTSError("three arrays (num,)", f"shapes {sorted(shapes)}", "flatten them")
        indices = [int(part[-1, 3]) for part in (self._history, *self._new) if len(part)]
        last = max(indices, default=0)
        if update_index < last:
            raise RoboTSError(f"update_index >= {last}", str(update_index), "count updates upwards")
        known = torch.where(queried.bool(), outcome, torch.zeros_like(outcome))
        values = uncertainty.to(torch.float64, copy=True).numpy(force=True)
        if not np.isfinite(values).all():
            raise RoboTSError("finite uncertainties", "NaN or infinity", "look at what gives them")
        # A label from below the threshold came by chance and stands for 1 / p_rand like it.
        rare = (values < self._threshold) & (self.config.random_share > 0.0)
        weight = np.where(rare, 1.0 / (self.config.random_share or 1.0), 1.0)
        labels = known.to(torch.float64).numpy(force=True)
        index = np.full(len(values), float(update_index))
        self._new.append(np.stack([values, labels, weight, index], axis=1))

    def update(self, update_index: int | None = None) -> float:
        """Recompute the threshold from what was recorded.

        Args:
            update_index: updates the student has seen when the threshold is used; the newest
                recorded when left out.

        Returns:
            The new threshold.
        """
        rng = np.random.default_rng(derive(self.seed, "sag", self._updates))
        self._updates += 1
        self._settle(rng)
        begin = self._window()
        if begin is None:
            self._threshold = -math.inf
            return self._threshold
        uncertainty, outcome, weight, index = self._history[begin:].T
        now = float(index[-1]) if update_index is None else update_index
        uncertainty = shifted(uncertainty, index, now)
        failed = imputed(uncertainty, outcome, weight, self.config.imputations, rng)
        reached = thresholds(uncertainty, failed, self.config)
        # Of an even number the lower of the two in the middle: infinities have no mean.
        self._threshold = float(np.sort(reached)[(len(reached) - 1) // 2])
        return self._threshold

    def state_dict(self) -> dict[str, Tensor | int | float]:
        """For bit-exact resume."""
        return {
            "history": torch.from_numpy(self._history.copy()),
            "new": torch.from_numpy(np.concatenate([np.empty((0, 4)), *self._new])),
            "threshold": self._threshold,
            "updates": self._updates,
            "spent": self.spent,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restore :meth:`state_dict`."""
        self._history = state["history"].cpu().numpy().copy()
        self._new = [state["new"].cpu().numpy().copy()]
        self._threshold = float(state["threshold"])
        self._updates, self.spent = int(state["updates"]), int(state["spent"])

    def _settle(self, rng: np.random.Generator) -> None:
        """Move what is new into the history, thinned where it is too much."""
        new = np.concatenate([np.empty((0, 4)), *self._new])
        share = max(self.config.history // self.config.least_updates, 1)
        if len(new) > share:
            new = new[np.sort(rng.choice(len(new), share, replace=False))]
        self._history = np.concatenate([self._history, new])[-self.config.history :]
        self._new = []

    def _window(self) -> int | None:
        """Where the shortest sufficient end of the history begins; None when none suffices."""
        outcome, index = self._history[:, 1], self._history[:, 3]
        counted = SUCCESS if self.config.target == "specificity" else FAILURE
        relevant, other = np.flatnonzero(outcome == counted), np.flatnonzero(outcome == -counted)
        if len(relevant) < self.config.least_relevant or not len(other):
            return None
        needed = min(relevant[-self.config.least_relevant], other[-1])
        oldest = min(index[needed], index[-1] - self.config.least_updates + 1)
        return int(np.searchsorted(index, oldest))


def shifted(uncertainty: Floats, index: Floats, now: float) -> Floats:
    """Uncertainties as they would be at update ``now``, by their linear trend over updates.

    All decisions show the trend, not the asked ones alone, which are the more uncertain.
    """
    centred = index - index.mean()
    spread = float(np.sum(centred**2))
    if spread == 0.0:
        return uncertainty
    slope = float(np.sum(centred * (uncertainty - uncertainty.mean()))) / spread
    return uncertainty + slope * (now - index)


def imputed(
    uncertainty: Floats, outcome: Floats, weight: Floats, count: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Whether each decision failed, ``(count, num)``: known, or drawn from a logistic regression of
    the known failures on the uncertainty.

    Two things are ours. The regressor is the log-odds of the uncertainty's rank, so that its unit
    and the form of its spread do not matter; and labels have the inverse of their probability for
    weight. With the plain uncertainty and equal weights, the many labels above the threshold decide
    what is believed below it: the benchmark's novice is then 0.07 above a target of 0.7.
    """
    known = outcome != UNKNOWN
    failed = np.repeat((outcome == FAILURE)[None], count, axis=0)
    if not known.all():
        ordered = np.sort(uncertainty)
        low, high = (np.searchsorted(ordered, uncertainty, side) for side in ("left", "right"))
        rank = (low + high) / (2.0 * len(ordered))
        x = np.log(rank / (1.0 - rank))
        offset, slope = logistic_fit(x[known], outcome[known] == FAILURE, weight[known])
        chance = _sigmoid(offset + slope * x[~known])
        failed[:, ~known] = rng.random((count, len(chance))) < chance
    return failed


def thresholds(uncertainty: Floats, failed: NDArray[np.bool_], config: SagConfig) -> Floats:
    """The threshold of every completion, ``(count,)``, with the random questions counted in.

    With p = ``random_share``: sensitivity tpr + p (1 - tpr), specificity (1 - p) tnr, success
    1 - (1 - p) FN / N. Of the observed uncertainties the one that reaches the target with the
    fewest questions is taken; infinity (random questions only) counts among them.
    """
    order = np.argsort(uncertainty, kind="stable")
    values = uncertainty[order]
    candidates = np.append(values, math.inf)
    counted = ~failed if config.target == "specificity" else failed
    # Equal uncertainties are asked about together, so only the strictly smaller ones are not.
    below = np.searchsorted(values, candidates)
    unasked = np.pad(np.cumsum(counted[:, order], axis=1), ((0, 0), (1, 0)))[:, below]
    unasked = (1.0 - config.random_share) * unasked
    if config.target == "specificity":
        enough = unasked >= (config.value - 1e-9) * counted.sum(axis=1, keepdims=True)
        first = np.where(enough.any(axis=1), enough.argmax(axis=1), len(values))
        return candidates[first]
    whole = counted.shape[1] if config.target == "success" else counted.sum(axis=1, keepdims=True)
    enough = unasked <= (1.0 - config.value + 1e-9) * whole
    return candidates[enough.sum(axis=1) - 1]


def logistic_fit(x: Floats, positive: NDArray[np.bool_], weight: Floats) -> tuple[float, float]:
    """Weighted logistic regression of a yes or no on one number, by Newton's method.

    Returns:
        Offset and slope of the log-odds, under a Gaussian prior of standard deviation 10 that keeps
        them finite where yes and no do not overlap.
    """
    prior = 0.01

    def objective(offset: float, slope: float) -> float:
        odds = offset + slope * x
        misfit = float(np.sum(weight * (np.logaddexp(0.0, odds) - positive * odds)))
        return misfit + 0.5 * prior * (offset**2 + slope**2)

    offset = slope = 0.0
    best = objective(offset, slope)
    for _ in range(50):
        chance = _sigmoid(offset + slope * x)
        error, curve = weight * (chance - positive), weight * chance * (1.0 - chance)
        g0, g1 = np.sum(error) + prior * offset, np.sum(error * x) + prior * slope
        h00, h01, h11 = np.sum(curve) + prior, np.sum(curve * x), np.sum(curve * x * x) + prior
        det = h00 * h11 - h01 * h01
        d0, d1 = float((h11 * g0 - h01 * g1) / det), float((h00 * g1 - h01 * g0) / det)
        step = 1.0
        while (value := objective(offset - step * d0, slope - step * d1)) > best and step > 1e-6:
            step *= 0.5
        if value >= best - 1e-10:
            break
        offset, slope, best = offset - step * d0, slope - step * d1, value
    return offset, slope


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
