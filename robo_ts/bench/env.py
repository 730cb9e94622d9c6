"""A whole task step: action, physics, reward, observation, and the autoreset of finished worlds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import TaskEnv


class EnvStepper:
    """Steps a task with plain actions and counts the episodes that ended.

    Args:
        env: the worlds.
        act: ``(env, obs) -> action``; zeros when left out.
    """

    def __init__(
        self, env: TaskEnv, act: Callable[[TaskEnv, TensorDict], Tensor] | None = None
    ) -> None:
        self.env = env
        self._act = act or _still
        self._obs = env.observe()
        self.steps = 0
        self.resets = 0

    def step(self) -> None:
        """One control step of all worlds."""
        step = self.env.step(self._act(self.env, self._obs))
        self._obs = step.obs
        self.steps += 1
        self.resets += len(step.info["final_ids"])

    @property
    def resets_per_step(self) -> float:
        """Share of the worlds that were reset in a step, on average."""
        return self.resets / max(self.steps * self.env.num_envs, 1)


def _still(env: TaskEnv, obs: TensorDict) -> Tensor:
    return torch.zeros(env.num_envs, env.num_actions, device=env.device)
