"""Analytic policy gradient: back-propagation through the simulator itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from robo_ts.checks import check_at_least_one, check_not_negative, check_positive
from robo_ts.compiling import compiled
from robo_ts.distributed import average_gradients, copy_from_first
from robo_ts.env.differentiable import DifferentiableEnv, Worlds
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.feature_first import check_feature_first, step, transposed
from robo_ts.policies.memory import Hidden, detached
from robo_ts.policies.normalizer import Normalizer


@dataclass
class APGConfig:
    """Analytic policy gradient.

    Attributes:
        num_envs: worlds trained on.
        iterations: windows, with one update each.
        window: control steps that gradients flow back through.
        first_window: the same at the start; grows linearly over the first third.
        learning_rate: at the start; falls to ``final_learning_rate`` on a cosine.
        final_learning_rate: at the end.
        max_grad_norm: gradients are clipped to this norm.
        betas: of Adam's two moments.
        normalizer_iterations: windows in which the running mean and variance of the inputs are
            gathered.
    """

    num_envs: int = 512
    iterations: int = 2000
    window: int = 60
    first_window: int = 60
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-4
    max_grad_norm: float = 1.0
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])
    normalizer_iterations: int = 20

    def __post_init__(self) -> None:
        check_not_negative(self, "apg", ("final_learning_rate", "normalizer_iterations"))
        check_positive(self, "apg", ("learning_rate", "max_grad_norm"))
        check_at_least_one(self, "apg", ("num_envs", "iterations", "window", "first_window"))
        if len(self.betas) != 2 or not all(0.0 <= b < 1.0 for b in self.betas):
            raise RoboTSError("apg.betas: two numbers in [0, 1)", str(self.betas), "mend them")


@dataclass
class APGTeacherConfig(APGConfig):
    """A teacher trained that way.

    Attributes:
        hidden: widths of its layers.
        activation: after each.
        base_term: ``group.term`` of an action it starts from; empty for none.
    """

    hidden: list[int] = field(default_factory=lambda: [64, 64])
    activation: str = "relu"
    base_term: str = ""

    def network(self) -> PolicyConfig:
        """Its architecture."""
        return PolicyConfig(
            encoder=list(self.hidden),
            activation=self.activation,
            memory="none",
            base_term=self.base_term,
        )


class AnalyticPolicyGradient:
    """Improves a policy, recurrent or not, window by window.

    Args:
        env: the worlds; they go on from window to window.
        policy: improved in place; over vectors.
        config: the settings.
    """

    def __init__(self, env: DifferentiableEnv, policy: Policy, config: APGConfig) -> None:
        check_feature_first(policy)
        self.env, self.config = env, config
        self._policy = policy.train()
        self.optimizer = torch.optim.Adam(
            policy.parameters(),
            lr=config.learning_rate,
            betas=(config.betas[0], config.betas[1]),
            fused=True,
        )
        copy_from_first(policy)
        self.hidden = policy.initial_state(env.num_envs)
        self.iteration, self.samples = 0, 0
        self._step = compiled(self._observe_act_advance, env.device)

    def policy(self) -> Policy:
        """The policy as it stands."""
        return self._policy

    def learn_one(self) -> dict[str, float]:
        """One window and one update.

        A gradient that is not finite changes nothing; ``grad_norm`` then says so.
        """
        rate = self._rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        window = self._window()
        cost, worlds, hidden, seen = self._fly(window)
        self.optimizer.zero_grad(set_to_none=True)
        cost.backward()
        average_gradients(self._policy.parameters())
        norm = torch.nn.utils.clip_grad_norm_(self._policy.parameters(), self.config.max_grad_norm)
        size = float(norm)
        if math.isfinite(size):
            self.optimizer.step()
        if seen:
            self._policy.normalizer.update(torch.stack(seen))  # type: ignore[operator]
        over = self.env.next_window(worlds, window)
        self.hidden = self._policy.reset_state(transposed(detached(hidden)), over)
        self.iteration += 1
        self.samples += window * self.env.num_envs
        return {"cost": float(cost.detach()), "grad_norm": size, "learning_rate": rate}

    def _fly(self, window: int) -> tuple[Tensor, Worlds, Hidden, list[Tensor]]:
        """The mean cost of a window with its gradients, and where it ends."""
        policy, env, total, seen = self._policy, self.env, None, []
        gathering = self.iteration < self.config.normalizer_iterations
        gathering = gathering and isinstance(policy.normalizer, Normalizer)
        # With gradients from the first step on, there is one function to compile instead of two.
        worlds = tuple(_followed(part) for part in env.worlds)
        hidden = tuple(_followed(part) for part in transposed(self.hidden))
        for _ in range(window):
            if gathering:
                with torch.no_grad():
                    obs = env.observation(worlds)
                    seen.append(torch.cat([obs[name] for name in policy.spec]).t())
            worlds, hidden, cost = self._step(worlds, hidden, env.draw())
            total = cost if total is None else total + cost
        assert total is not None
        return (total / window + env.last_cost(worlds)).mean(), worlds, hidden, seen

    def _observe_act_advance(
        self, worlds: Worlds, hidden: Hidden, chance: Tensor
    ) -> tuple[Worlds, Hidden, Tensor]:
        action, hidden = step(self._policy, self.env.observation(worlds), hidden)
        worlds, cost = self.env.advance(worlds, action, chance)
        return worlds, hidden, cost

    def _rate(self) -> float:
        config = self.config
        share = min(self.iteration / config.iterations, 1.0)
        low = config.final_learning_rate
        return low + 0.5 * (config.learning_rate - low) * (1.0 + math.cos(math.pi * share))

    def _window(self) -> int:
        config = self.config
        grown = min(3.0 * self.iteration / config.iterations, 1.0)
        return round(config.first_window + grown * (config.window - config.first_window))

    def state_dict(self) -> dict[str, Any]:
        """For bit-exact resume."""
        return {
            "policy": self._policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "hidden": self.hidden,
            "iteration": self.iteration,
            "samples": self.samples,
            "env": self.env.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.hidden = tuple(part.clone() for part in state["hidden"])
        self.iteration, self.samples = state["iteration"], state["samples"]
        self.env.load_state_dict(state["env"])


def _followed(part: Tensor) -> Tensor:
    part = part.detach().contiguous()
    return part.requires_grad_() if part.is_floating_point() else part
