"""A task environment as an rsl_rl ``VecEnv``."""

from __future__ import annotations

from typing import Any

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv


class RslRlEnv(VecEnv):
    """Observation groups as a TensorDict, SAME_STEP autoreset, time-outs in ``extras``.

    ``extras`` also carries ``final_ids`` and ``episode`` (the task's ``evaluate()`` of the episodes
    that ended in this step), which the distiller reads and rsl_rl's logger averages
    (``Episode/success``). It has no ``log``, because that logger ignores it beside ``episode``.
    rsl_rl never calls ``reset``; the environment is reset by whoever built it.
    """

    def __init__(self, env: TaskEnv) -> None:
        self.env = env
        self.num_envs = env.num_envs
        self.num_actions = env.num_actions
        self.max_episode_length = env.max_episode_steps
        self.device = env.device
        self.cfg: Any = {"task": env.name, "step_dt": env.step_dt}

    @property
    def episode_length_buf(self) -> Tensor:
        """Control steps since each world's last reset, ``(num_envs,)`` long."""
        return self.env.episode_step

    @episode_length_buf.setter
    def episode_length_buf(self, value: Tensor) -> None:  # type: ignore[override]
        self.env.episode_step = value.to(self.env.episode_step, copy=True)

    def get_observations(self) -> TensorDict:
        """The current observation groups."""
        return self.env.observe()

    def step(self, actions: Tensor) -> tuple[TensorDict, Tensor, Tensor, dict]:
        """One control step: observations after autoreset, rewards, dones (long), extras."""
        step = self.env.step(actions)
        extras: dict[str, Any] = {"time_outs": step.truncated, **step.info}
        return step.obs, step.reward, step.done.to(torch.long), extras
