"""A whole task step: action, physics, reward, observation, and the autoreset of finished worlds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import TaskEnv


def hover(env: TaskEnv, obs: TensorDict) -> Tensor:
    """The throttle that carries each drone's weight; it drifts off, tilted as it began."""
    where = env.spec["privileged"].slices()["hover_action"]
    return obs["privileged"][:, where].expand(-1, env.num_actions)


def still(env: TaskEnv, obs: TensorDict) -> Tensor:
    """Zeros, for tasks that name nothing better."""
    return torch.zeros(env.num_envs, env.num_actions, device=env.device)


# Plain actions with which the worlds of a task live for a while, so that resets are neither absent
# nor all there is. A trained policy's episodes are longer, its steps therefore a little cheaper.
ACTIONS: dict[str, Callable[[TaskEnv, TensorDict], Tensor]] = {"quadrotor": hover}


class EnvStepper:
    """Steps a task with plain actions and counts the episodes that ended.

    Args:
        env: the worlds.
    """

    def __init__(self, env: TaskEnv) -> None:
        self.env = env
        self._act = ACTIONS.get(env.name, still)
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
