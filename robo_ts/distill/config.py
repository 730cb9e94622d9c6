"""Settings of the distiller."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_not_negative
from robo_ts.distill.losses import LOSSES
from robo_ts.errors import RoboTSError, did_you_mean

ROLLIN_UNITS = ("step", "episode")
SCHEDULES = ("constant", "linear", "exponential")


@dataclass
class RollinConfig:
    """Who acts while data is gathered (DAgger's beta, Ross et al. 2011).

    Attributes:
        warmup_iterations: first iterations in which the teacher alone acts (behaviour cloning).
        beta: probability that the teacher acts right after the warm-up.
        schedule: how beta goes on: ``constant``, ``linear`` to zero, or ``exponential`` (halving).
        decay_iterations: iterations until beta is zero (linear) or half (exponential).
        unit: draw the actor anew at every ``step`` or keep it for an ``episode``.
    """

    warmup_iterations: int = 10
    beta: float = 0.0
    schedule: str = "linear"
    decay_iterations: int = 50
    unit: str = "episode"

    def __post_init__(self) -> None:
        check_not_negative(self, "rollin", ("warmup_iterations", "decay_iterations"))
        _one_of("rollin.schedule", self.schedule, SCHEDULES)
        _one_of("rollin.unit", self.unit, ROLLIN_UNITS)
        if not 0.0 <= self.beta <= 1.0:
            raise RoboTSError("rollin.beta in [0, 1]", str(self.beta), "give a probability")


@dataclass
class DistillConfig:
    """How the student is made.

    Attributes:
        num_envs: worlds in which data is gathered.
        iterations: rounds of gathering and updating.
        steps_per_iteration: control steps per world and round.
        bptt_length: steps of truncated back-propagation; at most ``steps_per_iteration``.
        window: rounds of data kept; the newest replaces the oldest.
        epochs: passes over the window per round.
        minibatches: parts the worlds are split into per pass.
        learning_rate: at the start; falls along a cosine to ``final_learning_rate``.
        final_learning_rate: at the end.
        max_grad_norm: gradients are clipped to this norm.
        loss: what is minimised between the student's and the teacher's action.
        normalizer_iterations: rounds during which the student's input statistics are gathered.
        burn_in: first steps of stored sequences that only warm the memory up (older data only).
        action_noise: standard deviation of the noise added to the acting student's actions.
        memory_budget_gb: refuse to start when the window needs more.
        rollin: who acts.
    """

    num_envs: int = 1024
    iterations: int = 400
    steps_per_iteration: int = 64
    bptt_length: int = 64
    window: int = 2
    epochs: int = 1
    minibatches: int = 4
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-4
    max_grad_norm: float = 1.0
    loss: str = "mse"
    normalizer_iterations: int = 10
    burn_in: int = 0
    action_noise: float = 0.0
    memory_budget_gb: float = 4.0
    rollin: RollinConfig = field(default_factory=RollinConfig)

    def __post_init__(self) -> None:
        check_not_negative(self, "distill", ("action_noise", "normalizer_iterations"))
        _one_of("distill.loss", self.loss, tuple(LOSSES))
        for name in (
            "num_envs",
            "iterations",
            "steps_per_iteration",
            "bptt_length",
            "window",
            "epochs",
            "minibatches",
        ):
            if getattr(self, name) < 1:
                raise RoboTSError(f"distill.{name} >= 1", str(getattr(self, name)), "raise it")
        if self.bptt_length > self.steps_per_iteration:
            raise RoboTSError(
                f"distill.bptt_length <= steps_per_iteration ({self.steps_per_iteration})",
                str(self.bptt_length),
                "gather longer sequences or back-propagate through shorter ones",
            )
        for name in ("learning_rate", "final_learning_rate", "max_grad_norm", "memory_budget_gb"):
            if not getattr(self, name) > 0.0:
                raise RoboTSError(f"distill.{name} > 0", str(getattr(self, name)), "raise it")
        if not 0 <= self.burn_in < self.bptt_length:
            raise RoboTSError(
                f"distill.burn_in in [0, {self.bptt_length})", str(self.burn_in), "shorten it"
            )
        if self.minibatches > self.num_envs:
            raise RoboTSError(
                f"distill.minibatches <= num_envs ({self.num_envs})",
                str(self.minibatches),
                "every minibatch needs at least one world",
            )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RoboTSError(
            f"{name} among {', '.join(known)}", repr(value), did_you_mean(value, known)
        )
