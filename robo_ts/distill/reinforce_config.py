"""Settings of learning from imitation and reward together."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import (
    check_at_least_one,
    check_finite,
    check_not_negative,
    check_one_of,
    check_positive,
)
from robo_ts.distill.schedule import Schedule
from robo_ts.errors import RoboTSError

MASKS = ("none", "advantage", "success")
ADAPTS = ("none", "success", "return")


@dataclass
class ReinforceConfig:
    """PPO with a KL to the teacher.

    Attributes:
        num_envs: worlds trained in.
        iterations: rounds of gathering and updating.
        steps_per_iteration: control steps per world and round; also the length of truncated
            back-propagation.
        epochs: passes over each round's data.
        minibatches: parts the worlds are split into per pass.
        learning_rate: at the start; falls linearly to ``final_learning_rate``.
        final_learning_rate: at the end.
        gamma: discount per control step.
        lam: GAE's lambda.
        clip: PPO's clip range.
        entropy: weight of the entropy bonus.
        value_loss: weight of the critic's loss.
        max_grad_norm: gradients are clipped to this norm.
        critic: widths of the critic's dense layers.
        critic_memory: width of the critic's GRU; 0 for none.
        ppo: weight of PPO's loss over the rounds.
        kl: weight of the KL to the teacher over the rounds.
        mask: where the KL counts: everywhere (``none``), where the student did worse than the
            critic expected (``advantage``), or in episodes not known to have succeeded
            (``success``).
        known: ``group.term`` that is above 0.5 where a student may know what the teacher acts upon;
            elsewhere the KL does not count, and reward alone teaches. Empty: it counts everywhere.
        auxiliary: ``group.term`` names that extra heads on the student's latent regress.
        auxiliary_weight: their weight over the rounds.
        kl_adapt: whether the KL's weight is not only scheduled but also adapted to the round's
            mean ``success`` or ``return`` of the episodes that ended in it; ``none``: it is not.
        kl_target: of that. The weight shrinks while the round is above it, and grows back, up to
            what is scheduled, while it is below.
        kl_rate: how fast it adapts, per round and unit of what is measured.
        critic_warmup_iterations: first rounds in which only the critic learns.
        critic_learning_rate: of the critic, while ``learning_rate`` is the student's; falls with
            it. 0: the same.
        critic_epochs: further passes per round in which only the critic learns. Beside a student
            that reads images they cost next to nothing, and what the student learns from the
            critic is better.
        normalizer_iterations: rounds during which input statistics are gathered.
    """

    num_envs: int = 512
    iterations: int = 200
    steps_per_iteration: int = 32
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-4
    gamma: float = 0.99
    lam: float = 0.95
    clip: float = 0.2
    entropy: float = 0.0
    value_loss: float = 0.5
    max_grad_norm: float = 1.0
    critic: list[int] = field(default_factory=lambda: [64, 64])
    critic_memory: int = 0
    ppo: Schedule = field(default_factory=Schedule)
    kl: Schedule = field(
        default_factory=lambda: Schedule(value=1.0, final=0.0, iterations=100, shape="linear")
    )
    mask: str = "none"
    known: str = ""
    auxiliary: list[str] = field(default_factory=list)
    auxiliary_weight: Schedule = field(default_factory=Schedule)
    kl_adapt: str = "none"
    kl_target: float = 0.9
    kl_rate: float = 0.5
    critic_warmup_iterations: int = 0
    critic_learning_rate: float = 0.0
    critic_epochs: int = 0
    normalizer_iterations: int = 10

    def __post_init__(self) -> None:
        check_finite(self, "reinforce")
        check_one_of("reinforce.mask", self.mask, MASKS)
        check_one_of("reinforce.kl_adapt", self.kl_adapt, ADAPTS)
        if not self.kl_rate > 0.0:
            raise RoboTSError("reinforce.kl_rate > 0", str(self.kl_rate), "raise it")
        check_not_negative(self, "reinforce", ("critic_learning_rate", "critic_epochs"))
        check_at_least_one(
            self,
            "reinforce",
            ("num_envs", "iterations", "steps_per_iteration", "epochs", "minibatches"),
        )
        check_positive(
            self, "reinforce", ("learning_rate", "final_learning_rate", "clip", "max_grad_norm")
        )
        for name in ("gamma", "lam"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise RoboTSError(f"reinforce.{name} in (0, 1]", str(getattr(self, name)), "mend")
