"""What a task offers whose worlds can be differentiated through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from robo_ts.env.observations import ObservationSpec


class DifferentiableEnv(Protocol):
    """Many worlds whose costs have gradients with respect to the actions that led to them.

    Worlds go on from window to window; gradients end where a window begins.
    """

    spec: ObservationSpec
    num_envs: int
    num_actions: int

    def observe(self) -> Mapping[str, Tensor]:
        """The observation groups, ``(num_envs, ...)``, with their gradients."""
        ...

    def step(self, action: Tensor) -> Tensor:
        """One control step; returns its cost, ``(num_envs,)``; zero in worlds that have crashed."""
        ...

    def last_cost(self) -> Tensor:
        """What the present state costs at a window's end, ``(num_envs,)``."""
        ...

    def next_window(self) -> Tensor:
        """Forget gradients, begin new episodes where one is over; which, ``(num_envs,)`` bool."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        ...
