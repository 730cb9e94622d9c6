"""What happened in a round, beyond the loss: who acted, how far off, and did it work."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import torch
from torch import Tensor

from robo_ts.distill.labels import Label
from robo_ts.policies.memory import Hidden
from robo_ts.policies.policy import Output

# Half the width of a Gaussian's central 90% interval, in standard deviations.
NINETY = 1.6448536269514722


class Diagnostics:
    """Collects measurements during one round, on the device, and reads them out once.

    Args:
        num_actions: length of the actions.
        device: where the measurements live.
        generator: draws the teacher's actions that coverage is measured with.
    """

    def __init__(
        self, num_actions: int, device: torch.device, generator: torch.Generator | None = None
    ) -> None:
        self._generator = generator
        self._error = torch.zeros(num_actions, device=device)
        self._teacher_acted = torch.zeros((), device=device)
        self._overridden = torch.zeros((), device=device)
        self._labelled = torch.zeros((), device=device)
        self._covered = torch.zeros((), device=device)
        self._gap = torch.zeros((), device=device)
        self._steps = 0
        self._episodes = torch.zeros((), device=device)
        self._successes = torch.zeros((), device=device)
        self._has_std = False

    def step(
        self, student: Output, label: Label, teacher_acts: Tensor, over: Tensor, valid: Tensor
    ) -> None:
        """One control step of all worlds."""
        count = valid.sum().clamp_min(1)
        error = (student.action - label.action).abs()
        self._error += torch.where(valid[:, None], error, 0.0).sum(dim=0) / count
        self._teacher_acted += teacher_acts.float().mean()
        self._overridden += over.float().mean()
        self._labelled += valid.float().mean()
        self._steps += 1
        if student.std is not None:
            self._has_std = True
            self._interval(student.action, student.std, label, valid, count)

    def _interval(
        self, mean: Tensor, std: Tensor, label: Label, valid: Tensor, count: Tensor
    ) -> None:
        said = label.action
        if label.std is not None:
            noise = torch.randn(said.shape, generator=self._generator, device=said.device)
            said = said + label.std * noise
        inside = ((said - mean).abs() <= NINETY * std).float().mean(dim=-1)
        self._covered += torch.where(valid, inside, 0.0).sum() / count
        own = std.square().mean(dim=-1)
        theirs = 0.0 if label.std is None else label.std.square().mean(dim=-1)
        self._gap += torch.where(valid, own - theirs, 0.0).sum() / count

    def episodes(self, success: Tensor | None) -> None:
        """Episodes that ended, where the environment judges them: 1 or 0 each."""
        if success is not None:
            self._episodes += success.numel()
            self._successes += success.sum()

    def read(self, hidden: Hidden) -> dict[str, float]:
        """Everything as plain numbers.

        ``coverage_90`` is the share of the teacher's actions (drawn from its distribution where it
        has one) inside the student's central 90% interval; ``imitation_gap`` estimates the variance
        of the teacher's action that the student's observations leave open: the student's variance
        beyond the teacher's. Both tell the truth for the forward KL and the likelihood only.
        """
        steps, episodes = max(self._steps, 1), float(self._episodes)
        found = {
            "teacher_acts": float(self._teacher_acted) / steps,
            "overridden": float(self._overridden) / steps,
            "labelled": float(self._labelled) / steps,
            "episodes": episodes,
            "action_error": float(self._error.mean()) / steps,
        }
        found |= {f"action_error_{i}": float(e) / steps for i, e in enumerate(self._error)}
        if self._has_std:
            found["coverage_90"] = float(self._covered) / steps
            found["imitation_gap"] = float(self._gap) / steps
        if episodes:
            found["success"] = float(self._successes) / episodes
        if hidden:
            found["hidden_norm"] = float(hidden[0].norm(dim=-1).mean())
        return found


class Alarm:
    """Rings when the loss falls while success falls: the student gets better at the wrong thing.

    Compares the mean of the last ``span`` rounds with that of the ``span`` rounds before.

    Args:
        span: rounds per half.
        loss_drop: relative fall of the loss that counts.
        deviations: fall of success that counts, in standard errors of the difference.
    """

    def __init__(self, span: int = 10, loss_drop: float = 0.05, deviations: float = 4.0) -> None:
        self.span, self.loss_drop, self.deviations = span, loss_drop, deviations
        self._rows: deque[tuple[float, float, float]] = deque(maxlen=2 * span)

    def rings(self, measured: dict[str, float]) -> bool:
        """Take in one round; rounds in which the teacher acts or no episode ends do not count."""
        learnt = "success" in measured and "loss" in measured
        if not learnt or measured["teacher_acts"] > 0.0:
            return False
        self._rows.append((measured["loss"], measured["success"], measured["episodes"]))
        if len(self._rows) < 2 * self.span:
            return False
        rows = list(self._rows)
        (loss_then, then, many_then), (loss_now, now, many_now) = (
            _pooled(rows[: self.span]),
            _pooled(rows[self.span :]),
        )
        pooled = (then * many_then + now * many_now) / (many_then + many_now)
        error = math.sqrt(max(pooled * (1 - pooled), 1e-6) * (1 / many_then + 1 / many_now))
        return loss_now < (1 - self.loss_drop) * loss_then and then - now > self.deviations * error

    def state_dict(self) -> dict[str, Any]:
        """For bit-exact resume."""
        return {"rows": [list(row) for row in self._rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._rows.clear()
        self._rows.extend((float(a), float(b), float(c)) for a, b, c in state["rows"])


def _pooled(rows: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Mean loss, success over all episodes, episodes."""
    episodes = sum(row[2] for row in rows)
    success = sum(row[1] * row[2] for row in rows) / max(episodes, 1.0)
    return sum(row[0] for row in rows) / len(rows), success, max(episodes, 1.0)
