"""Who acts: the teacher's warm-up, then beta-mixing with the student, then the gate."""

from __future__ import annotations

import torch
from torch import Tensor

from robo_ts.distill.settings import RollinConfig


class Rollin:
    """Chooses, world by world, whether the teacher's or the student's action is executed.

    Args:
        config: the schedule.
        num_envs: number of worlds.
        generator: source of the choices.
    """

    def __init__(self, config: RollinConfig, num_envs: int, generator: torch.Generator) -> None:
        self.config, self.num_envs, self.generator = config, num_envs, generator
        self.teacher_acts = torch.zeros(num_envs, dtype=torch.bool, device=generator.device)
        self._beta = -1.0

    def beta(self, iteration: int) -> float:
        """Probability that the teacher acts in this round."""
        config = self.config
        since = iteration - config.warmup_iterations
        if since < 0:
            return 1.0
        if config.schedule == "linear":
            return config.beta * max(0.0, 1.0 - since / max(config.decay_iterations, 1))
        if config.schedule == "exponential":
            return config.beta * 0.5 ** (since / max(config.decay_iterations, 1))
        return config.beta

    def begin(self, iteration: int) -> None:
        """A new round. All worlds get a new actor when the warm-up begins or ends only; later, a
        changed beta shows when episodes end (or at every step), so that no episode is torn."""
        warming = iteration < self.config.warmup_iterations
        torn = self._beta < 0.0 or (self._beta == 1.0 and not warming)
        self._beta = self.beta(iteration)
        if torn:
            self._draw(torch.ones_like(self.teacher_acts))

    def choose(self, student: Tensor, teacher: Tensor, over: Tensor | None = None) -> Tensor:
        """The action to execute, ``(num_envs, num_actions)``; the teacher's also where ``over``."""
        if self.config.unit == "step" and 0.0 < self._beta < 1.0:
            self._draw(torch.ones_like(self.teacher_acts))
        acts = self.teacher_acts if over is None else self.teacher_acts | over
        return torch.where(acts[:, None], teacher, student)

    def reset(self, done: Tensor) -> None:
        """Draw the actors of worlds whose episode ended."""
        if self._beta > 0.0 or self.config.beta > 0.0:
            self._draw(done)

    def state_dict(self) -> dict:
        """For bit-exact resume."""
        return {"teacher_acts": self.teacher_acts.clone(), "beta": self._beta}

    def load_state_dict(self, state: dict) -> None:
        """Restore :meth:`state_dict`."""
        self.teacher_acts = state["teacher_acts"].to(self.generator.device, copy=True)
        self._beta = state["beta"]

    def _draw(self, where: Tensor) -> None:
        draw = torch.rand(self.num_envs, generator=self.generator, device=self.generator.device)
        self.teacher_acts = torch.where(where, draw < self._beta, self.teacher_acts)
