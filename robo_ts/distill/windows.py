"""Distillation where the physics are formulas: teacher, student and worlds in one function.

The student flies, and the teacher says in every step what it would have done. After a window the
student is moved towards that in a few updates, and then the window is forgotten (DAgger on the
newest data only): with worlds this cheap fresh data costs less than keeping old data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from robo_ts.checks import check_at_least_one, check_not_negative, check_one_of
from robo_ts.compiling import compiled
from robo_ts.env.differentiable import DifferentiableEnv, Worlds
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.feature_first import (
    check_feature_first,
    check_grouped,
    known,
    step,
    transposed,
)
from robo_ts.policies.memory import Hidden
from robo_ts.teach.windows import Flown, WindowLearner, WindowsConfig

# Squared errors below this are as good as none; it keeps the root's gradient finite.
_SMALLEST = 1e-6


@dataclass
class WindowDistillConfig(WindowsConfig):
    """Distillation window by window.

    Attributes:
        loss: ``mse``, the mean squared distance of the actions, or ``distance``, its root: the few
            large errors of the first moments, when a student cannot yet know what it flies, then
            do not drown the many small ones that decide how still it stands.
        minibatches: groups of worlds that a window is cut into, with one update each.
        warmup_iterations: windows at the start in which the teacher flies.
    """

    window: int = 100
    first_window: int = 100
    learning_rate: float = 3e-3
    loss: str = "distance"
    minibatches: int = 4
    warmup_iterations: int = 50
    group: ClassVar[str] = "windows"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative(self, self.group, ("warmup_iterations",))
        check_at_least_one(self, self.group, ("minibatches",))
        check_one_of(f"{self.group}.loss", self.loss, ("mse", "distance"))
        if self.minibatches > self.num_envs:
            raise RoboTSError(
                f"windows.minibatches of at most windows.num_envs ({self.num_envs})",
                str(self.minibatches),
                "lower it",
            )


class Gathered(NamedTuple):
    """What was seen, and what would have been right.

    Attributes:
        seen: the student's groups, ``(steps, num_envs, size)`` each.
        label: the teacher's actions, ``(steps, num_envs, num_actions)``.
        counts: 1 where the world was still to be learnt from, else 0, ``(steps, num_envs)``.
        worlds: at the end.
        hidden: the student's memory there, feature-first.
    """

    seen: dict[str, Tensor]
    label: Tensor
    counts: Tensor
    worlds: Worlds
    hidden: Hidden


class WindowDistiller(WindowLearner):
    """Makes a student do what a teacher would, in the worlds the student comes to.

    The loss compares actions, the teacher's clipped to [-1, 1]; its gradient flows through the
    student's memory, never through the worlds. A world that has come to its end teaches nothing
    more in that window.

    Args:
        env: the worlds; they go on from window to window.
        policy: the student, improved in place; over vectors.
        config: the settings.
        teacher: without memory, over vectors. Of a population the member in charge of each world
            speaks; where that one was dropped, nothing is learnt.
        seed: of the minibatches.

    Raises:
        RoboTSError: for a teacher with memory, for policies that see images, and for a population
            in other worlds than its own.
    """

    measured: ClassVar[str] = "loss"

    def __init__(
        self,
        env: DifferentiableEnv,
        policy: Policy,
        config: WindowDistillConfig,
        teacher: Policy,
        seed: int = 0,
    ) -> None:
        if teacher.is_recurrent:
            raise RoboTSError(
                "a teacher without memory, to distil window by window",
                f"one with memory {teacher.config.memory!r}",
                "set distiller=rounds",
            )
        check_feature_first(teacher)
        check_grouped(teacher, env.observation(env.worlds))
        super().__init__(env, policy, config)
        self._known = known(teacher, env.num_envs)
        self.teacher, self.warmup = teacher, config.warmup_iterations
        self.minibatches, self.loss = config.minibatches, config.loss
        self.generator = torch.Generator().manual_seed(seed)
        self._step = compiled(self._observe_act_advance, env.device, gradients=False)

    def _fly(self, steps: int, looking: bool) -> Flown:
        """The loss is the mean over the updates."""
        data = self._gather(steps)
        total, size = torch.zeros((), device=self.env.device), 0.0
        order = torch.randperm(self.env.num_envs, generator=self.generator)
        for ids in order.to(self.env.device).chunk(self.minibatches):
            loss = self._loss(data, ids)
            size = self._descend(loss)
            total += loss.detach() / self.minibatches
        seen = [self._policy.inputs(data.seen)] if looking else []
        return Flown(total, size, data.worlds, data.hidden, seen)

    @torch.no_grad()
    def _gather(self, steps: int) -> Gathered:
        env, rows = self.env, []
        worlds, hidden = env.worlds, tuple(p.contiguous() for p in transposed(self.hidden))
        guided = torch.tensor(float(self.iteration < self.warmup), device=env.device)
        for _ in range(steps):
            worlds, hidden, row = self._step(worlds, hidden, env.draw(), guided)
            rows.append(row)
        label, counts, *seen = (torch.stack(parts) for parts in zip(*rows, strict=True))
        groups = {n: x.transpose(1, 2) for n, x in zip(self._policy.spec, seen, strict=True)}
        return Gathered(groups, label.transpose(1, 2), counts, worlds, hidden)

    def _loss(self, data: Gathered, ids: Tensor) -> Tensor:
        seen = {name: x[:, ids] for name, x in data.seen.items()}
        counts = data.counts[:, ids]
        starts = torch.zeros_like(counts, dtype=torch.bool)  # episodes end between windows only
        if self._policy.config.learn_initial_state:
            starts[0] = self.starts[ids]
        hidden = tuple(part[:, ids] for part in self.hidden)
        action, _ = self._policy.sequence(seen, hidden, starts)
        error = (action - data.label[:, ids]).square().mean(dim=-1)
        if self.loss == "distance":
            error = torch.sqrt(error + _SMALLEST)
        return (error * counts).sum() / counts.sum().clamp_min(1.0)

    def _observe_act_advance(
        self, worlds: Worlds, hidden: Hidden, chance: Tensor, guided: Tensor
    ) -> tuple[Worlds, Hidden, tuple[Tensor, ...]]:
        obs = self.env.observation(worlds)
        label = step(self.teacher, obs, ())[0].clamp(-1.0, 1.0)
        action, hidden = step(self._policy, obs, hidden)
        counts = self.env.running(worlds).float()
        if self._known is not None:
            counts, guided = counts * self._known, guided * self._known
            label = torch.where(self._known > 0.0, label, action)
        worlds, _ = self.env.advance(worlds, torch.lerp(action, label, guided), chance)
        seen = (obs[name] for name in self._policy.spec)
        return worlds, hidden, (label, counts, *seen)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.generator.set_state(state["generator"])
