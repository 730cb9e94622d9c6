"""Settings of PPO teachers."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one, check_not_negative, check_one_of, check_positive
from robo_ts.errors import RoboTSError
from robo_ts.policies.config import ACTIVATIONS
from robo_ts.teach.curriculum.config import CurriculumConfig
from robo_ts.teach.informed import InformedConfig


@dataclass
class PPOConfig:
    """PPO through rsl_rl.

    Attributes:
        num_envs: worlds trained on.
        iterations: rounds of gathering and updating.
        steps_per_iteration: control steps per world and round.
        epochs: passes over each round's data.
        minibatches: parts per pass.
        learning_rate: at the start; falls linearly to ``final_learning_rate``. Fixed by plan,
            because rsl_rl's adaptive-KL schedule collapses on short rollouts.
        final_learning_rate: at the end.
        gamma: discount per control step.
        lam: GAE's lambda.
        clip: PPO's clip range.
        entropy: weight of the entropy bonus.
        value_loss: weight of the value loss.
        max_grad_norm: gradients are clipped to this norm.
        initial_std: of the action noise.
        final_std: it falls linearly to this, whatever was learnt of it; 0 leaves it to be learnt.
            Without an entropy bonus it hardly falls by itself, and what has to be held suffers.
        actor: widths of the actor's layers.
        critic: widths of the critic's layers.
        activation: of both.
        base_term: ``group.term`` of an action the actor starts from; empty for none.
        zero_head: whether the actor's last layer starts at zero, so that it does at first what
            ``base_term`` says and nothing else.
        start_from: folder of a bundle whose network the actor starts from; empty for none.
        start_std: action noise of an actor that starts from a bundle, in the place of
            ``initial_std``; 0 for the bundle's own, or ``initial_std`` where ``final_std`` is set.
        critic_warmup: first rounds in which only the critic learns; an actor that starts from a
            good one is spoilt by a critic that knows nothing.
        informed: the penalty on what a student could not imitate; off unless it has a weight.
        curriculum: over the task's variants, where it has some.
    """

    num_envs: int = 2048
    iterations: int = 400
    steps_per_iteration: int = 32
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 1e-3
    final_learning_rate: float = 5e-5
    gamma: float = 0.99
    lam: float = 0.95
    clip: float = 0.2
    entropy: float = 0.0
    value_loss: float = 1.0
    max_grad_norm: float = 1.0
    initial_std: float = 0.4
    final_std: float = 0.0
    actor: list[int] = field(default_factory=lambda: [64, 64])
    critic: list[int] = field(default_factory=lambda: [128, 64])
    activation: str = "elu"
    base_term: str = ""
    zero_head: bool = False
    start_from: str = ""
    start_std: float = 0.0
    critic_warmup: int = 0
    informed: InformedConfig = field(default_factory=InformedConfig)
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)

    def __post_init__(self) -> None:
        check_not_negative(
            self, "teacher", ("entropy", "value_loss", "final_std", "start_std", "critic_warmup")
        )
        check_positive(self, "teacher", ("max_grad_norm",))
        for name in ("actor", "critic"):
            widths = getattr(self, name)
            if not widths or min(widths) < 1:
                raise RoboTSError(
                    f"teacher.{name} with at least one layer, each of width >= 1",
                    str(list(widths)),
                    f"give widths such as teacher.{name}=[64,64]",
                )
        check_at_least_one(
            self,
            "teacher",
            ("num_envs", "iterations", "steps_per_iteration", "epochs", "minibatches"),
        )
        if self.minibatches > self.num_envs * self.steps_per_iteration:
            raise RoboTSError(
                "teacher.minibatches <= samples per round", str(self.minibatches), "lower it"
            )
        for name in ("gamma", "lam"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise RoboTSError(f"teacher.{name} in (0, 1]", str(getattr(self, name)), "mend it")
        check_positive(
            self, "teacher", ("learning_rate", "final_learning_rate", "initial_std", "clip")
        )
        check_one_of("teacher.activation", self.activation, ACTIVATIONS)
