"""The settings of the ladder's distillations: the run's own, short, with one thing changed each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from robo_ts.distill import DatasetConfig, DistillConfig, RollinConfig
from robo_ts.distill.rollin import Rollin
from robo_ts.env import get_task
from robo_ts.evaluate.trials import with_changes
from robo_ts.explain.config import ExplainConfig
from robo_ts.pipeline.config import Run

LEAST_ROUNDS = 20
# Rounds' worth of sequences that the roll-in which is known to work keeps.
WINDOW = 4


@dataclass(frozen=True)
class Worlds:
    """The task's settings on either side of the ladder.

    Attributes:
        training: what is distilled in, sensors perfect.
        quiet: what is measured in while sensors are perfect.
        real: what the run itself is measured in.
    """

    training: Any
    quiet: Any
    real: Any

    @property
    def sensors_err(self) -> bool:
        """Whether the run is measured with noise or latency."""
        return self.quiet != self.real


def worlds_of(run: Run) -> Worlds:
    """The worlds of a run, with and without errors of the sensors."""
    perfect = get_task(run.task).perfect_sensors
    return Worlds(
        with_changes(run.training_task, perfect),
        with_changes(run.config.task, perfect),
        run.config.task,
    )


def own(run: Run, budget: ExplainConfig) -> DistillConfig:
    """The run's settings over fewer rounds: what was a share of its rounds stays that share."""
    config = run.config.distill
    rounds = budget.rounds or min(config.iterations, max(LEAST_ROUNDS, config.iterations // 3))
    share = rounds / config.iterations

    def part(count: int) -> int:
        return max(1, round(count * share)) if count else 0

    num_envs = budget.num_envs or config.num_envs
    rollin = replace(
        config.rollin,
        warmup_iterations=part(config.rollin.warmup_iterations),
        decay_iterations=part(config.rollin.decay_iterations),
    )
    return replace(
        config,
        iterations=rounds,
        num_envs=num_envs,
        minibatches=min(config.minibatches, num_envs),
        normalizer_iterations=part(config.normalizer_iterations),
        evaluate_every=0,
        rollin=rollin,
        dataset=replace(config.dataset, earlier=[], save=False),
    )


def known_to_work(short: DistillConfig) -> DistillConfig:
    """The same with a roll-in that is known to work: the teacher begins, the student goes on, the
    newest rounds are kept, every label counts (the control of ``robo-ts bench reacher``)."""
    return replace(
        short,
        rollin=RollinConfig(warmup_iterations=max(1, short.iterations // 10)),
        dataset=DatasetConfig(
            window=max(WINDOW, short.dataset.window), budget_gb=short.dataset.budget_gb
        ),
        label="mean",
        episodes="all",
        action_noise=0.0,
        burn_in=0,
    )


def same_rollin(one: DistillConfig, other: DistillConfig) -> bool:
    """Whether two settings gather and choose data alike, but for how much is kept."""
    names = ("label", "episodes", "action_noise", "burn_in")
    if any(getattr(one, name) != getattr(other, name) for name in names):
        return False
    if one.rollin.gate != other.rollin.gate or one.dataset.kind != other.dataset.kind:
        return False
    rounds = range(one.iterations)
    apart = [abs(_teacher_share(one, k) - _teacher_share(other, k)) for k in rounds]
    return sum(apart) <= 0.05 * len(apart)


def _teacher_share(config: DistillConfig, iteration: int) -> float:
    """Share of the worlds in which the teacher acts in a round."""
    return Rollin(config.rollin, 1, torch.Generator()).beta(iteration)
