"""Analytic policy gradient: back-propagation through the simulator itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from robo_ts.checks import check_not_negative, check_positive
from robo_ts.compiling import compiled
from robo_ts.env.differentiable import DifferentiableEnv, Worlds
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.feature_first import step, transposed
from robo_ts.policies.memory import Hidden
from robo_ts.teach.windows import Flown, WindowLearner, WindowsConfig, followed

# Costs below this are as good as none; it keeps the gradient of a root finite.
_SMALLEST = 1e-6


@dataclass
class APGConfig(WindowsConfig):
    """Analytic policy gradient.

    Attributes:
        max_world_grad: how far a step's outcome in one world may pull on the steps before it: the
            norm of the cost's gradient with respect to the world's state (the cost summed over what
            is left of the window) is clipped to this; 0 for no limit. Worlds that are about to be
            lost have gradients that grow from step to step and drown all others.
        cost_power: what a window costs in a world counts as this power of it. 1: as it is, and the
            worlds where things go wrong decide nearly alone; 0.5: as its root, and what makes good
            flights better counts, too.
    """

    max_world_grad: float = 0.0
    cost_power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative(self, self.group, ("max_world_grad",))
        check_positive(self, self.group, ("cost_power",))


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


class AnalyticPolicyGradient(WindowLearner):
    """Goes down the cost of a window of steps, as the physics say it depends on the actions.

    Args:
        env: the worlds; they go on from window to window.
        policy: improved in place; over vectors.
        config: the settings.
    """

    def __init__(self, env: DifferentiableEnv, policy: Policy, config: APGConfig) -> None:
        super().__init__(env, policy, config)
        self._max_world_grad, self._cost_power = config.max_world_grad, config.cost_power
        self._step = compiled(self._observe_act_advance, env.device)

    def _fly(self, steps: int, looking: bool) -> Flown:
        """The mean cost of a step and what the end costs."""
        env, total, seen = self.env, None, []
        worlds, hidden = followed(env.worlds), followed(transposed(self.hidden))
        if self._policy.config.learn_initial_state:
            begun = self._policy.begun(transposed(hidden), self.starts)
            hidden = tuple(part.contiguous() for part in transposed(begun))
        limit = self._max_world_grad / (steps * self._averaged())
        for _ in range(steps):
            if looking:
                seen.append(self._look(worlds))
            worlds, hidden, cost = self._step(worlds, hidden, env.draw())
            if limit:
                limit_gradients(worlds, limit)
            total = cost if total is None else total + cost
        assert total is not None
        costs = total / steps + env.last_cost(worlds)
        cost = self._mean(costs)
        aim = cost
        if self._cost_power != 1.0:
            aim = self._mean(costs.clamp_min(_SMALLEST) ** self._cost_power)
        return Flown(cost, self._descend(aim), worlds, hidden, seen)

    def _mean(self, cost: Tensor) -> Tensor:
        """Over the worlds, of ``cost (num_envs,)``."""
        return cost.mean()

    def _averaged(self) -> int:
        """Over how many worlds."""
        return self.env.num_envs

    def _observe_act_advance(
        self, worlds: Worlds, hidden: Hidden, chance: Tensor
    ) -> tuple[Worlds, Hidden, Tensor]:
        action, hidden = step(self._policy, self.env.observation(worlds), hidden)
        worlds, cost = self.env.advance(worlds, action, chance)
        return worlds, hidden, cost


def limit_gradients(worlds: Worlds, limit: float) -> None:
    """Clip the gradient that will flow back through each world to norm ``limit``.

    Args:
        worlds: feature-first, as a step left them.
        limit: in units of what will be differentiated.
    """

    def clip(gradient: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(gradient, dim=0)
        return gradient * (limit / size.clamp_min(limit))

    for part in worlds:
        if part.requires_grad:
            part.register_hook(clip)
