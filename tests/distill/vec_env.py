"""A user's environment of a few lines: an rsl_rl ``VecEnv`` that knows nothing of robo_ts."""

from __future__ import annotations

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict
from torch import Tensor


class Chase(VecEnv):
    """Follow a hidden target: the action has to equal it. Sensors show a noisy glimpse of it."""

    def __init__(self, num_envs: int = 32, seed: int = 0, camera: bool = False) -> None:
        self.num_envs, self.num_actions, self.device = num_envs, 2, "cpu"
        self.max_episode_length, self.cfg, self.camera = 20, {}, camera
        self.generator = torch.Generator().manual_seed(seed)
        self.episode_length_buf = torch.arange(num_envs) % self.max_episode_length
        self.target = self._draw(num_envs)
        self.error = torch.zeros(num_envs)

    def _draw(self, num: int) -> Tensor:
        return torch.rand(num, 2, generator=self.generator) * 1.6 - 0.8

    def get_observations(self) -> TensorDict:
        noise = 0.3 * torch.randn(self.num_envs, 2, generator=self.generator)
        obs = {"glimpse": self.target + noise, "target": self.target.clone()}
        if self.camera:
            column = (self.target[:, :1, None] * 6 + 8).round()
            across = torch.arange(16.0).expand(self.num_envs, 16, 16)
            obs["camera"] = ((across == column) * 255).to(torch.uint8)[:, None]
        return TensorDict(obs, batch_size=[self.num_envs])

    def step(self, actions: Tensor) -> tuple[TensorDict, Tensor, Tensor, dict]:
        self.error = (actions - self.target).abs().amax(dim=1)
        self.episode_length_buf = self.episode_length_buf + 1
        done = self.episode_length_buf >= self.max_episode_length
        self.episode_length_buf[done] = 0
        extras = {"time_outs": done, "episode": {"success": self.error[done] < 0.3}}
        self.target[done] = self._draw(int(done.sum()))
        return self.get_observations(), -self.error, done.long(), extras
