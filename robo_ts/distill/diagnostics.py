"""What happened in a round, beyond the loss: who acted, how far off, and did it work."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robo_ts.policies.memory import Hidden


class Diagnostics:
    """Collects measurements during one round, on the device, and reads them out once.

    Args:
        num_actions: length of the actions.
        device: where the measurements live.
    """

    def __init__(self, num_actions: int, device: torch.device) -> None:
        self._error = torch.zeros(num_actions, device=device)
        self._teacher_acted = torch.zeros((), device=device)
        self._steps = 0
        self._episodes = torch.zeros((), device=device)
        self._successes = torch.zeros((), device=device)

    def step(self, student: Tensor, label: Tensor, teacher_acts: Tensor) -> None:
        """One control step of all worlds."""
        self._error += (student - label).abs().mean(dim=0)
        self._teacher_acted += teacher_acts.float().mean()
        self._steps += 1

    def episodes(self, extras: dict[str, Any]) -> None:
        """Episodes that ended, when the environment judges them (``extras['episode']``)."""
        if "episode" in extras and "success" in extras["episode"]:
            success = extras["episode"]["success"]
            self._episodes += success.numel()
            self._successes += success.float().sum()

    def read(self, hidden: Hidden) -> dict[str, float]:
        """Everything as plain numbers."""
        steps, episodes = max(self._steps, 1), float(self._episodes)
        found = {
            "teacher_acts": float(self._teacher_acted) / steps,
            "episodes": episodes,
            "action_error": float(self._error.mean()) / steps,
        }
        found |= {f"action_error_{i}": float(e) / steps for i, e in enumerate(self._error)}
        if episodes:
            found["success"] = float(self._successes) / episodes
        if hidden:
            found["hidden_norm"] = float(hidden[0].norm(dim=-1).mean())
        return found
