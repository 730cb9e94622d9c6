"""Distillation where the physics are formulas: teacher, student and worlds in one function.

The student flies, the teacher says in every step what it would have done, and after a window the
student is moved towards that; then the window is forgotten (DAgger on the newest data only). With
worlds this cheap fresh data costs less than keeping old data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robo_ts.checks import check_not_negative
from robo_ts.compiling import compiled
from robo_ts.env.differentiable import DifferentiableEnv, Worlds
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.feature_first import check_feature_first, step, transposed
from robo_ts.policies.memory import Hidden
from robo_ts.teach.windows import Flown, WindowLearner, WindowsConfig, followed


@dataclass
class WindowDistillConfig(WindowsConfig):
    """Distillation window by window.

    Attributes:
        warmup_iterations: windows at the start in which the teacher flies.
    """

    window: int = 100
    first_window: int = 100
    learning_rate: float = 3e-3
    warmup_iterations: int = 50
    group: ClassVar[str] = "windows"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative(self, self.group, ("warmup_iterations",))


class WindowDistiller(WindowLearner):
    """Makes a student do what a teacher would, in the worlds the student comes to.

    The loss is the mean squared distance of the actions, the teacher's clipped to [-1, 1]; its
    gradient flows through the student's memory, never through the worlds.

    Args:
        env: the worlds; they go on from window to window.
        policy: the student, improved in place; over vectors.
        config: the settings.
        teacher: without memory, over vectors.

    Raises:
        RoboTSError: for a teacher with memory, and for policies that see images.
    """

    measured: ClassVar[str] = "loss"

    def __init__(
        self, env: DifferentiableEnv, policy: Policy, config: WindowDistillConfig, teacher: Policy
    ) -> None:
        if teacher.is_recurrent:
            raise RoboTSError(
                "a teacher without memory, to distil window by window",
                f"one with memory {teacher.config.memory!r}",
                "set distiller=rounds",
            )
        check_feature_first(teacher)
        super().__init__(env, policy, config)
        self.teacher, self.warmup = teacher, config.warmup_iterations
        self._step = compiled(self._observe_act_advance, env.device)

    def _fly(self, steps: int, looking: bool) -> Flown:
        """The mean loss of a step."""
        env, total, seen = self.env, None, []
        worlds, hidden = env.worlds, followed(transposed(self.hidden))
        guided = torch.tensor(float(self.iteration < self.warmup), device=env.device)
        for _ in range(steps):
            if looking:
                seen.append(self._look(worlds))
            worlds, hidden, loss = self._step(worlds, hidden, env.draw(), guided)
            total = loss if total is None else total + loss
        assert total is not None
        return Flown(total.mean() / steps, worlds, hidden, seen)

    def _observe_act_advance(
        self, worlds: Worlds, hidden: Hidden, chance: Tensor, guided: Tensor
    ) -> tuple[Worlds, Hidden, Tensor]:
        obs = self.env.observation(worlds)
        label = step(self.teacher, obs, ())[0].detach().clamp(-1.0, 1.0)
        action, hidden = step(self._policy, obs, hidden)
        loss = (action - label).square().mean(dim=0)
        flown = torch.lerp(action.detach(), label, guided)
        worlds, _ = self.env.advance(worlds, flown, chance)
        return tuple(part.detach() for part in worlds), hidden, loss
