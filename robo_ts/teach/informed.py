"""A student-informed teacher: it is paid less for what its student could not imitate.

After Messikommer et al. (ICLR 2025, arXiv 2412.09149): while the teacher learns, a proxy of the
student learns to imitate it from the deployable groups alone, and the teacher's reward is lowered
by how far the two are apart, so that it comes to prefer behaviour that sensors suffice for.

Two things are ours. The distance is the squared one of actions in place of the KL, which grows
without bound as PPO's standard deviation falls. And it is that of the action executed, not of the
teacher's mean: so PPO itself finds which actions cost less, where the paper sends a gradient
through the KL besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from robo_ts.checks import check_finite
from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.seeds import derive


@dataclass
class InformedConfig:
    """The penalty on what a student could not imitate.

    Attributes:
        weight: reward lost per unit of squared action distance (mean over actions, each within
            plus and minus 1) and control step; 0 is off.
        encoder: widths of the proxy student's layers.
        memory: of the proxy student: ``none``, ``gru`` or ``lstm``; give it what the student has.
        memory_size: width of that.
        epochs: passes over each round's data.
        learning_rate: of the proxy student.
    """

    weight: float = 0.0
    encoder: list[int] = field(default_factory=lambda: [64])
    memory: str = "none"
    memory_size: int = 32
    epochs: int = 2
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        check_finite(self, "teacher.informed")
        if not self.weight >= 0.0:
            raise RoboTSError("teacher.informed.weight >= 0", str(self.weight), "0 is off")
        if self.epochs < 1 or not self.learning_rate > 0.0:
            raise RoboTSError(
                "teacher.informed.epochs >= 1 and learning_rate > 0",
                f"{self.epochs} and {self.learning_rate}",
                "raise them",
            )
        self.network()

    def network(self) -> PolicyConfig:
        """The proxy student's architecture."""
        return PolicyConfig(
            encoder=list(self.encoder), memory=self.memory, memory_size=self.memory_size
        )


class ProxyStudent:
    """Learns online to imitate the teacher, and says how far it is from it.

    Args:
        config: settings.
        spec: the groups the student reads.
        num_envs: number of worlds.
        num_actions: length of the action vector.
        device: where the worlds live.
        seed: seed of its weights; torch's global generator stays as it is.
    """

    def __init__(
        self,
        config: InformedConfig,
        spec: ObservationSpec,
        num_envs: int,
        num_actions: int,
        device: torch.device,
        seed: int = 0,
    ) -> None:
        self.config = config
        with torch.random.fork_rng():
            torch.manual_seed(derive(seed, "proxy student"))
            self.student = Policy(config.network(), spec, num_actions).to(device)
        self.optimizer = torch.optim.Adam(self.student.parameters(), lr=config.learning_rate)
        self.hidden = self._begin = self.student.initial_state(num_envs)
        self.starts = torch.ones(num_envs, dtype=torch.bool, device=device)
        self._rows: list[dict[str, Tensor]] = []

    @torch.no_grad()
    def penalty(self, obs: Mapping[str, Tensor], teacher: Tensor, executed: Tensor) -> Tensor:
        """What the reward of this step is lowered by, ``(num_envs,)``; the step is kept.

        Args:
            obs: the observation groups the teacher acts on.
            teacher: its mean action ``(num_envs, num_actions)``, which the proxy learns.
            executed: what it did, exploration included.
        """
        wanted = teacher.clamp(-1.0, 1.0)
        if not self._rows:
            self._begin = self.hidden
        seen = {name: obs[name].clone() for name in self.student.spec}
        self._rows.append({**seen, _LABEL: wanted, _STARTS: self.starts})
        action, self.hidden = self.student.act(obs, self.hidden)
        gap = executed.clamp(-1.0, 1.0) - action
        return self.config.weight * gap.square().mean(dim=-1)

    def reset(self, done: Tensor) -> None:
        """Episodes ended where ``done (num_envs,)`` is true."""
        self.starts = done.bool()
        self.hidden = self.student.reset_state(self.hidden, self.starts)

    def update(self) -> float:
        """Imitate what the teacher did since the last update; the mean squared error before it."""
        fields = {name: torch.stack([row[name] for row in self._rows]) for name in self._rows[0]}
        self._rows = []
        label, starts = fields.pop(_LABEL), fields.pop(_STARTS)
        if isinstance(self.student.normalizer, Normalizer):
            self.student.normalizer.update(self.student.inputs(fields))
        errors = []
        for _ in range(self.config.epochs):
            action, _ = self.student.sequence(fields, self._begin, starts)
            loss = (action - label).square().mean()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
            self.optimizer.step()
            errors.append(float(loss.detach()))
        return errors[0]

    def state_dict(self) -> dict[str, Any]:
        """For bit-exact resume between two rounds."""
        return {
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "hidden": list(self.hidden),
            "starts": self.starts,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.hidden = tuple(part.to(self.starts.device) for part in state["hidden"])
        self.starts = state["starts"].to(self.starts.device)
        self._rows = []


# Beside the observation groups, whose names these cannot be.
_LABEL, _STARTS = "teacher's action", "episode starts"
