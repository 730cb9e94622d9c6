"""Settings of the distiller."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one, check_not_negative, check_one_of, check_positive
from robo_ts.distill.augment import AugmentConfig
from robo_ts.distill.losses import LOSSES
from robo_ts.distill.schedule import Schedule
from robo_ts.distill.settings import DatasetConfig, GateConfig, RollinConfig
from robo_ts.errors import RoboTSError
from robo_ts.optimizers import check_optimizer

LABELS = ("mean", "sample")
EPISODES = ("all", "successes", "failures")

__all__ = ["DatasetConfig", "DistillConfig", "GateConfig", "RollinConfig", "Schedule"]


@dataclass
class DistillConfig:
    """How the student is made.

    Attributes:
        num_envs: worlds in which data is gathered.
        iterations: rounds of gathering and updating.
        steps_per_iteration: control steps per world and round.
        bptt_length: steps of truncated back-propagation; at most ``steps_per_iteration``.
        epochs: passes over the data set per round.
        minibatches: parts a round's worth of sequences is split into per pass.
        learning_rate: at the start; falls along a cosine to ``final_learning_rate``.
        final_learning_rate: at the end.
        optimizer: ``adam``, or ``soap`` (:func:`~robo_ts.optimizers.make_optimizer`), which reaches
            the same loss in fewer updates of a small student.
        betas: of its two moments.
        max_grad_norm: gradients are clipped to this norm.
        loss: what is minimised between the student's word and the teacher's; see
            :mod:`robo_ts.distill.losses`.
        loss_weight: its weight over the rounds.
        extra_losses: further losses by name, each with its weight over the rounds.
        auxiliary: ``group.term`` names that extra heads on the student's latent regress.
        auxiliary_weight: their weight over the rounds.
        latent_weight: weight of matching the teacher's latent through a linear map (RMA); 0 is off.
        label: learn from the teacher's ``mean`` or from a ``sample`` of its distribution.
        episodes: learn from ``all`` episodes, or, as far as their end is known when the round ends,
            from ``successes`` or ``failures`` (ask only on failure) alone.
        known: ``group.term`` that is above 0.5 where a student may know what the teacher acts upon,
            such as a ball that was in view of late; labels elsewhere are not learnt from, for their
            mean over what is not known is no good action. Empty: all labels are.
        scatter_iterations: first rounds in which every step begins new episodes in all worlds. What
            is seen is then independent from step to step, which image encoders learn fastest from.
        normalizer_iterations: rounds after those during which the student's input statistics are
            gathered.
        burn_in: first steps of stored sequences that only warm the memory up (older data only).
        action_noise: standard deviation of the noise added to the acting student's actions.
        ema: decay per update of the averaged student that is measured and exported; 0 is off.
        bf16: run forward passes of the update in bfloat16 (pays on GPUs with large encoders).
        evaluate_every: rounds between two closed-loop evaluations; 0 never.
        privileged_student: let the student read groups that no robot has, as an experiment.
        rollin: who acts.
        dataset: which sequences are kept.
        augment: changes of images while learning.
    """

    num_envs: int = 1024
    iterations: int = 400
    steps_per_iteration: int = 64
    bptt_length: int = 64
    epochs: int = 1
    minibatches: int = 4
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-4
    optimizer: str = "adam"
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    max_grad_norm: float = 1.0
    loss: str = "mse"
    loss_weight: Schedule = field(default_factory=Schedule)
    extra_losses: dict[str, Schedule] = field(default_factory=dict)
    auxiliary: list[str] = field(default_factory=list)
    auxiliary_weight: Schedule = field(default_factory=Schedule)
    latent_weight: Schedule = field(default_factory=lambda: Schedule(value=0.0))
    label: str = "mean"
    known: str = ""
    episodes: str = "all"
    scatter_iterations: int = 0
    normalizer_iterations: int = 10
    burn_in: int = 0
    action_noise: float = 0.0
    ema: float = 0.0
    bf16: bool = False
    evaluate_every: int = 0
    privileged_student: bool = False
    rollin: RollinConfig = field(default_factory=RollinConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        check_not_negative(
            self,
            "distill",
            ("action_noise", "scatter_iterations", "normalizer_iterations", "evaluate_every"),
        )
        for name in (self.loss, *self.extra_losses):
            check_one_of("distill.loss", name, tuple(LOSSES))
        check_one_of("distill.label", self.label, LABELS)
        check_one_of("distill.episodes", self.episodes, EPISODES)
        check_at_least_one(
            self,
            "distill",
            (
                "num_envs",
                "iterations",
                "steps_per_iteration",
                "bptt_length",
                "epochs",
                "minibatches",
            ),
        )
        if self.bptt_length > self.steps_per_iteration:
            raise RoboTSError(
                f"distill.bptt_length <= steps_per_iteration ({self.steps_per_iteration})",
                str(self.bptt_length),
                "gather longer sequences or back-propagate through shorter ones",
            )
        check_positive(self, "distill", ("learning_rate", "final_learning_rate", "max_grad_norm"))
        check_optimizer(self, "distill")
        if not 0 <= self.burn_in < self.bptt_length:
            raise RoboTSError(
                f"distill.burn_in in [0, {self.bptt_length})", str(self.burn_in), "shorten it"
            )
        if not 0.0 <= self.ema < 1.0:
            raise RoboTSError("distill.ema in [0, 1)", str(self.ema), "0.99 is a good choice")
        if self.minibatches > self.num_envs:
            raise RoboTSError(
                f"distill.minibatches <= num_envs ({self.num_envs})",
                str(self.minibatches),
                "every minibatch needs at least one world",
            )
