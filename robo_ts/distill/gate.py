"""Gates: when the teacher takes over from a student that is about to err."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robo_ts.distill.labels import Label
from robo_ts.distill.sag import SAwareGate
from robo_ts.distill.settings import GateConfig
from robo_ts.policies.policy import Output


class Gate:
    """Decides world by world whether the teacher takes over, and whether it is asked at all.

    Args:
        config: which gate.
        num_envs: number of worlds.
        generator: of SAG's random queries, on the worlds' device.
        seed: of SAG's imputations.
    """

    def __init__(
        self, config: GateConfig, num_envs: int, generator: torch.Generator, seed: int = 0
    ) -> None:
        self.config, self.generator = config, generator
        self.over = torch.zeros(num_envs, dtype=torch.bool, device=generator.device)
        self.sag = SAwareGate(config.sag, seed) if config.kind == "sag" else None
        self._uncertainty: list[Tensor] = []
        self._outcome: list[Tensor] = []
        self._queried: list[Tensor] = []

    @property
    def is_open(self) -> bool:
        """Whether the teacher never takes over."""
        return self.config.kind == "none"

    @property
    def is_spent(self) -> bool:
        """Whether labels are asked for by budget, and the budget is used up."""
        budget = self.config.sag.budget
        if self.sag is None or not self.config.labels or budget is None:
            return False
        return self.sag.spent >= budget

    def step(
        self, student: Output, clipped: Tensor, label: Label, failure: Tensor | None
    ) -> Tensor:
        """Where the teacher takes over in this step, or, for SAG, is asked: ``(num_envs,)`` bool.

        Args:
            student: what the student says.
            clipped: the action it would execute.
            label: what the teacher says.
            failure: the probability of failure it predicts, for that gate.
        """
        kind, bound = self.config.kind, self.config.bound
        if kind == "none":
            return self.over
        if kind == "sag":
            assert self.sag is not None
            signal = self.uncertainty(student, clipped, label)
            self.over = self.sag.query(signal, self.generator)
            return self.over
        if kind == "failure":
            assert failure is not None
            signal = failure
        elif kind == "action":
            signal = action_distance(clipped, label.action)
        else:
            signal = self.uncertainty(student, clipped, label)
        self.over = (signal > bound) | (self.over & (signal > bound * self.config.release))
        return self.over

    def uncertainty(self, student: Output, clipped: Tensor, label: Label) -> Tensor:
        """How unsure the student is, ``(num_envs,)`` >= 0."""
        if self.config.kind == "sag" and self.config.signal == "action":
            return action_distance(clipped, label.action)
        assert student.std is not None, "checked before training starts"
        return student.std.mean(dim=-1)

    def record(self, uncertainty: Tensor, outcome: Tensor, queried: Tensor) -> None:
        """Keep what SAG learns its threshold from."""
        self._uncertainty.append(uncertainty)
        self._outcome.append(outcome)
        self._queried.append(queried)

    def update(self, iteration: int) -> float | None:
        """Find SAG's threshold for round ``iteration``, which is next; None for other gates."""
        if self.sag is None or not self._uncertainty:
            return None
        self.sag.record(
            torch.cat(self._uncertainty),
            torch.cat(self._outcome),
            torch.cat(self._queried),
            iteration - 1,
        )
        self._uncertainty, self._outcome, self._queried = [], [], []
        return self.sag.update(iteration)

    def reset(self, done: Tensor) -> None:
        """Episodes ended: the student has the wheel again."""
        self.over = self.over & ~done

    def state_dict(self) -> dict[str, Any]:
        """For bit-exact resume."""
        return {
            "over": self.over.clone(),
            "sag": self.sag.state_dict() if self.sag is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.over = state["over"].to(self.over.device, copy=True)
        if self.sag is not None:
            self.sag.load_state_dict(state["sag"])


def action_distance(one: Tensor, other: Tensor) -> Tensor:
    """Greatest difference of any action, ``(num_envs,)``."""
    return (one - other).abs().amax(dim=-1)
