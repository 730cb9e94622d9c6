"""Learners that go window by window through worlds whose physics are formulas."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from robo_ts.checks import check_at_least_one, check_not_negative, check_positive
from robo_ts.distributed import average_gradients, copy_from_first
from robo_ts.env.differentiable import DifferentiableEnv, Worlds
from robo_ts.optimizers import check_optimizer, make_optimizer
from robo_ts.policies import Policy
from robo_ts.policies.feature_first import check_feature_first, transposed
from robo_ts.policies.memory import Hidden, detached
from robo_ts.policies.normalizer import Normalizer


@dataclass
class WindowsConfig:
    """What these learners share.

    Attributes:
        num_envs: worlds trained on.
        iterations: windows, with one update each.
        window: control steps that gradients flow back through.
        first_window: the same at the start; grows linearly over the first third.
        learning_rate: at the start; falls to ``final_learning_rate`` on a cosine.
        rising_iterations: windows at the start over which the learning rate rises from zero: the
            optimizer has yet to see how gradients differ, and what is already good must not break.
        final_learning_rate: at the end.
        max_grad_norm: gradients are clipped to this norm.
        optimizer: ``adam``, or ``soap`` (:func:`~robo_ts.optimizers.make_optimizer`).
        betas: of its two moments.
        normalizer_iterations: windows in which the running mean and variance of the inputs are
            gathered.
    """

    num_envs: int = 512
    iterations: int = 2000
    window: int = 60
    first_window: int = 60
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-4
    rising_iterations: int = 0
    max_grad_norm: float = 1.0
    optimizer: str = "adam"
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])
    normalizer_iterations: int = 20

    group: ClassVar[str] = "apg"

    def __post_init__(self) -> None:
        check_not_negative(
            self,
            self.group,
            ("final_learning_rate", "normalizer_iterations", "rising_iterations"),
        )
        check_positive(self, self.group, ("learning_rate", "max_grad_norm"))
        check_at_least_one(self, self.group, ("num_envs", "iterations", "window", "first_window"))
        check_optimizer(self, self.group)


class Flown(NamedTuple):
    """A window, learnt from.

    Attributes:
        cost: what was minimised, before the last update.
        grad_norm: of that update, before clipping.
        worlds: at the end.
        hidden: the memory there, feature-first.
        seen: the policy's inputs in every step, if they were asked for.
    """

    cost: Tensor
    grad_norm: float
    worlds: Worlds
    hidden: Hidden
    seen: list[Tensor]


class WindowLearner(ABC):
    """Improves a policy, recurrent or not, window by window.

    Args:
        env: the worlds; they go on from window to window.
        policy: improved in place; over vectors.
        config: the settings.
    """

    measured: ClassVar[str] = "cost"
    #: Whether several processes train one policy.
    together: ClassVar[bool] = True

    def __init__(self, env: DifferentiableEnv, policy: Policy, config: WindowsConfig) -> None:
        check_feature_first(policy)
        self.env, self.config = env, config
        self._policy = policy.train()
        self.optimizer = make_optimizer(
            config.optimizer, policy.parameters(), config.learning_rate, config.betas
        )
        if self.together:
            copy_from_first(policy)
        self.hidden = policy.initial_state(env.num_envs)
        #: Worlds whose episode starts with the coming window, ``(num_envs,)`` bool.
        self.starts = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
        self.iteration, self.samples = 0, 0

    def policy(self) -> Policy:
        """The policy as it stands."""
        return self._policy

    def learn_one(self) -> dict[str, float]:
        """One window and what can be learnt from it.

        A gradient that is not finite changes nothing; ``grad_norm`` then says so.
        """
        rate = self._rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        steps = self._steps()
        gathering = self.iteration < self.config.normalizer_iterations
        gathering = gathering and isinstance(self._policy.normalizer, Normalizer)
        cost, size, worlds, hidden, seen = self._fly(steps, gathering)
        if seen:
            self._policy.normalizer.update(torch.stack(seen))  # type: ignore[operator]
        over = self.env.next_window(worlds, steps)
        self.hidden = self._policy.reset_state(transposed(detached(hidden)), over)
        self.starts = over
        self.iteration += 1
        self.samples += steps * self.env.num_envs
        return {self.measured: float(cost.detach()), "grad_norm": size, "learning_rate": rate}

    @abstractmethod
    def _fly(self, steps: int, looking: bool) -> Flown:
        """Fly a window of ``steps`` steps and learn; with what was seen when ``looking``."""

    def _descend(self, cost: Tensor) -> float:
        """One update; the gradient's norm."""
        self.optimizer.zero_grad(set_to_none=True)
        cost.backward()
        average_gradients(self._policy.parameters())
        norm = torch.nn.utils.clip_grad_norm_(self._policy.parameters(), self.config.max_grad_norm)
        size = float(norm)
        if math.isfinite(size):
            self.optimizer.step()
        return size

    def _rate(self) -> float:
        config = self.config
        share = min(self.iteration / config.iterations, 1.0)
        low = config.final_learning_rate
        rate = low + 0.5 * (config.learning_rate - low) * (1.0 + math.cos(math.pi * share))
        return rate * min((self.iteration + 1) / max(config.rising_iterations, 1), 1.0)

    def _steps(self) -> int:
        config = self.config
        grown = min(3.0 * self.iteration / config.iterations, 1.0)
        return round(config.first_window + grown * (config.window - config.first_window))

    def state_dict(self) -> dict[str, Any]:
        """For bit-exact resume."""
        return {
            "policy": self._policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "hidden": self.hidden,
            "starts": self.starts,
            "iteration": self.iteration,
            "samples": self.samples,
            "env": self.env.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.hidden = tuple(part.clone() for part in state["hidden"])
        self.starts = state["starts"].clone()
        self.iteration, self.samples = state["iteration"], state["samples"]
        self.env.load_state_dict(state["env"])

    def _look(self, worlds: Worlds) -> Tensor:
        """The policy's inputs, ``(num_envs, size)``."""
        with torch.no_grad():
            obs = self.env.observation(worlds)
            return torch.cat([obs[name] for name in self._policy.vectors]).t()


def followed(parts: Worlds) -> Worlds:
    """The same without history, but with gradients from here on.

    A function that meets gradients from the first step on is compiled once instead of twice.
    """
    return tuple(
        p.detach().contiguous().requires_grad_() if p.is_floating_point() else p for p in parts
    )
