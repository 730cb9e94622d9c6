"""Other people's simulators, behind the contract that a task's policies are published with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class OtherWorlds(Protocol):
    """Episodes in a simulator that is none of ours; numpy, ``(num_envs, ...)``.

    Attributes:
        num_envs: episodes flown together.
        episode_steps: control steps of each.
    """

    num_envs: int
    episode_steps: int

    def observe(self) -> dict[str, np.ndarray]:
        """The task's deployable groups, float32."""
        ...

    def step(self, action: np.ndarray) -> None:
        """One control step with actions ``(num_envs, num_actions)``."""
        ...

    def measured(self) -> dict[str, np.ndarray]:
        """Metrics of the episodes so far, named as the task's own: outcomes as bool, and numbers,
        infinite where they are undefined."""
        ...


@dataclass(frozen=True)
class OtherSimulator:
    """A simulator that a task's policies can be flown in.

    Attributes:
        text: what it is, in a few words.
        extra: of robo_ts that installs it: ``pip install 'robo_ts[extra]'``.
        robots: what it can fly.
        build: ``(robot, num_envs, seed, spread) -> OtherWorlds``; raises when it is not installed.
        same_here: ``(robot, folder) -> changes`` of the task's settings with which the task's own
            engines fly the robot; ``folder`` may be written to.
    """

    text: str
    extra: str
    robots: tuple[str, ...]
    build: Callable[[str, int, int, float], OtherWorlds]
    same_here: Callable[[str, Path], dict[str, Any]]
