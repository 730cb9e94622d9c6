"""What a task offers whose worlds can be differentiated through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from robo_ts.env.observations import ObservationSpec

# What changes with every step, one tensor or more; what it holds is the task's affair.
Worlds = tuple[Tensor, ...]


class DifferentiableEnv(Protocol):
    """Many worlds whose costs have gradients with respect to the actions that led to them.

    Everything a step deals with is feature-first, ``(size, num_envs)``.

    ``observation``, ``advance`` and ``last_cost`` change nothing and draw nothing, so that they can
    be compiled into one function together with a policy.
    """

    spec: ObservationSpec
    num_envs: int
    num_actions: int
    device: torch.device

    @property
    def worlds(self) -> Worlds:
        """All worlds as a window finds them, without gradients."""
        ...

    def draw(self) -> Tensor:
        """The chance of one step in all worlds."""
        ...

    def observation(self, worlds: Worlds) -> Mapping[str, Tensor]:
        """The observation groups, ``(size, num_envs)`` each, with their gradients."""
        ...

    def advance(self, worlds: Worlds, action: Tensor, chance: Tensor) -> tuple[Worlds, Tensor]:
        """One control step under ``action (num_actions, num_envs)``: the worlds after it and its
        cost, ``(num_envs,)``; zero in worlds that have crashed."""
        ...

    def running(self, worlds: Worlds) -> Tensor:
        """Which worlds have not crashed, ``(num_envs,)`` bool."""
        ...

    def last_cost(self, worlds: Worlds) -> Tensor:
        """What the worlds cost at a window's end, ``(num_envs,)``."""
        ...

    def next_window(self, worlds: Worlds, steps: int) -> Tensor:
        """Keep the worlds after ``steps`` steps without their gradients, begin new episodes where
        one is over; which, ``(num_envs,)`` bool."""
        ...

    def fly(self, action: Tensor) -> tuple[Mapping[str, Tensor], Tensor]:
        """One step without gradients, as fast as it gets: the observations after it and its cost.
        Episodes do not end."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        ...
