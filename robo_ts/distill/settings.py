"""Settings of the distiller's parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_finite, check_not_negative, check_one_of
from robo_ts.distill.pier import PierConfig
from robo_ts.distill.sag import SagConfig
from robo_ts.errors import RoboTSError

UNITS = ("step", "episode")
BETAS = ("constant", "linear", "exponential")
GATES = ("none", "action", "std", "failure", "sag")
SIGNALS = ("std", "action")
DATASETS = ("window", "reservoir", "prioritised")


@dataclass
class GateConfig:
    """When the teacher takes over from a student that is about to err.

    Attributes:
        kind: ``none``; ``action`` (the student's action is farther from the teacher's than
            ``bound``, as in SafeDAgger); ``std`` (its own standard deviation is above ``bound``);
            ``failure`` (the failure it predicts for the episode is above ``bound``, a probability);
            ``sag`` (S-Aware Gating, which finds the bound itself).
        bound: beyond it the teacher takes over.
        release: share of ``bound`` below which it hands back (hysteresis), in (0, 1].
        takes_over: whether the teacher also acts; if not, the gate only decides what is labelled.
        labels: whether only the states where the gate is shut are labelled.
        signal: what SAG takes for uncertainty: ``std`` or ``action`` (the distance between the
            actions that the student predicts for itself: only with a teacher that is free to ask).
        tolerance: greatest distance of any action at which a plan of the student counts as right,
            where the environment does not judge plans itself (``judge_plan``).
        validated: whether plans of the student found right become data in the place of the label
            (FIER): where the gate asks, or everywhere without a gate. A task judges plans with a
            method ``judge_plan(actions (num_envs, num_actions)) -> (num_envs,) bool``.
        sag: settings of S-Aware Gating.
    """

    kind: str = "none"
    bound: float = 0.5
    release: float = 0.5
    takes_over: bool = True
    labels: bool = False
    signal: str = "std"
    tolerance: float = 0.1
    validated: bool = False
    sag: SagConfig = field(default_factory=SagConfig)

    def __post_init__(self) -> None:
        check_finite(self, "gate")
        check_one_of("gate.kind", self.kind, GATES)
        check_one_of("gate.signal", self.signal, SIGNALS)
        if not self.bound > 0.0 or not self.tolerance > 0.0:
            raise RoboTSError(
                "gate.bound and gate.tolerance > 0", f"{self.bound} and {self.tolerance}", "raise"
            )
        if not 0.0 < self.release <= 1.0:
            raise RoboTSError("gate.release in (0, 1]", str(self.release), "give a share of bound")


@dataclass
class RollinConfig:
    """Who acts while data is gathered (DAgger's beta, Ross et al. 2011).

    Attributes:
        warmup_iterations: first iterations in which the teacher alone acts (behaviour cloning).
        beta: probability that the teacher acts right after the warm-up.
        schedule: how beta goes on: ``constant``, ``linear`` to zero, or ``exponential`` (halving).
        decay_iterations: iterations until beta is zero (linear) or half (exponential).
        unit: draw the actor anew at every ``step`` or keep it for an ``episode``.
        gate: when the teacher takes over from the student.
    """

    warmup_iterations: int = 10
    beta: float = 0.0
    schedule: str = "linear"
    decay_iterations: int = 50
    unit: str = "episode"
    gate: GateConfig = field(default_factory=GateConfig)

    def __post_init__(self) -> None:
        check_not_negative(self, "rollin", ("warmup_iterations", "decay_iterations"))
        check_one_of("rollin.schedule", self.schedule, BETAS)
        check_one_of("rollin.unit", self.unit, UNITS)
        if not 0.0 <= self.beta <= 1.0:
            raise RoboTSError("rollin.beta in [0, 1]", str(self.beta), "give a probability")


@dataclass
class DatasetConfig:
    """Which sequences are kept.

    Attributes:
        kind: ``window`` (the newest rounds; 1 keeps the newest only), ``reservoir`` (a uniform
            sample of all rounds) or ``prioritised`` (PIER over the newest rounds).
        window: rounds' worth of sequences kept.
        budget_gb: refuse to start when they need more memory.
        earlier: folders with the data of earlier runs (``student/data-0`` of their runs).
        earlier_share: share of every minibatch taken from them.
        save: write the data set into the run's folder at the end.
        pier: settings of the priorities.
    """

    kind: str = "window"
    window: int = 2
    budget_gb: float = 4.0
    earlier: list[str] = field(default_factory=list)
    earlier_share: float = 0.5
    save: bool = False
    pier: PierConfig = field(default_factory=PierConfig)

    def __post_init__(self) -> None:
        check_finite(self, "dataset")
        check_one_of("dataset.kind", self.kind, DATASETS)
        if self.window < 1:
            raise RoboTSError("dataset.window >= 1", str(self.window), "raise it")
        if not self.budget_gb > 0.0:
            raise RoboTSError("dataset.budget_gb > 0", str(self.budget_gb), "raise it")
        if not 0.0 < self.earlier_share <= 1.0:
            raise RoboTSError(
                "dataset.earlier_share in (0, 1]", str(self.earlier_share), "give a share"
            )
