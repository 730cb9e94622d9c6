"""The cost of a window of steps and its gradient, step by step, without a graph of all of it.

Forward, a step is one compiled function of policy and worlds, and only the worlds between steps are
kept. Backward, each step is computed again together with its gradient, in another one. Automatic
differentiation over the whole window gives the same gradient in twice the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from robo_ts.compiling import compiled
from robo_ts.env.differentiable import DifferentiableEnv, Worlds
from robo_ts.policies import Policy
from robo_ts.policies.feature_first import step
from robo_ts.policies.memory import Hidden


class Flown(NamedTuple):
    """A window.

    Attributes:
        cost: mean cost of a step and what the end costs, over the worlds.
        gradients: of ``cost`` by parameter name.
        worlds: at the end.
        hidden: the memory there, feature-first.
        seen: the policy's inputs in every step, ``(steps, num_envs, size)``, if asked for.
    """

    cost: float
    gradients: dict[str, Tensor]
    worlds: Worlds
    hidden: Hidden
    seen: Tensor | None


class Window:
    """Flies windows and differentiates them.

    Args:
        env: the worlds.
        policy: who acts; a policy over vectors.
    """

    def __init__(self, env: DifferentiableEnv, policy: Policy) -> None:
        self.env, self.policy = env, policy
        self._forward = compiled(self._step, env.device, gradients=False)
        self._backward = compiled(self._pull, env.device, gradients=False)

    @torch.no_grad()
    def fly(self, hidden: Hidden, steps: int, look: bool = False) -> Flown:
        """One window.

        Args:
            hidden: the memory before the first step, feature-first.
            steps: how many.
            look: whether to give what the policy saw.
        """
        env, weights = self.env, dict(self.policy.named_parameters())
        worlds, total = env.worlds, torch.zeros(env.num_envs, device=env.device)
        passed, seen = [], []
        for _ in range(steps):
            chance = env.draw()
            passed.append((worlds, hidden, chance))
            if look:
                obs = env.observation(worlds)
                seen.append(torch.cat([obs[name] for name in self.policy.spec]).t())
            worlds, hidden, cost = self._forward(weights, worlds, hidden, chance)
            total += cost
        share = 1.0 / env.num_envs
        last, slope = self._end(worlds)
        slopes = (slope, tuple(torch.zeros_like(part) for part in hidden))
        each = torch.full_like(total, share / steps)
        gradient = torch.zeros(sum(value.numel() for value in weights.values()), device=env.device)
        for worlds_then, hidden_then, chance in reversed(passed):
            told, *rest = self._backward(weights, worlds_then, hidden_then, chance, *slopes, each)
            slopes = (rest[0], rest[1])
            gradient += told
        parts = gradient.split([value.numel() for value in weights.values()])
        gradients = {n: g.view_as(weights[n]) for n, g in zip(weights, parts, strict=True)}
        cost = share * float(total.sum()) / steps + last
        return Flown(cost, gradients, worlds, hidden, torch.stack(seen) if seen else None)

    def _end(self, worlds: Worlds) -> tuple[float, Worlds]:
        """What the end costs, and its slope in every floating-point part of the worlds."""
        with torch.enable_grad():
            parts = _floats(worlds)
            followed = tuple(part.detach().requires_grad_() for part in parts)
            cost = self.env.last_cost(_whole(followed, worlds)).mean()
            slopes = torch.autograd.grad(cost, followed, materialize_grads=True)
        return float(cost.detach()), slopes

    # -- compiled ----------------------------------------------------------------------------------

    def _step(
        self, weights: Mapping[str, Tensor], worlds: Worlds, hidden: Hidden, chance: Tensor
    ) -> tuple[Worlds, Hidden, Tensor]:
        action, hidden = step(self.policy, weights, self.env.observation(worlds), hidden)
        worlds, cost = self.env.advance(worlds, action, chance)
        return worlds, hidden, cost

    def _pull(
        self,
        weights: Mapping[str, Tensor],
        worlds: Worlds,
        hidden: Hidden,
        chance: Tensor,
        after: Worlds,
        hidden_after: Hidden,
        each: Tensor,
    ) -> tuple[Tensor, Worlds, Hidden]:
        """Slopes after a step to those in the weights, one after the other, and before it."""

        def run(
            weights: Mapping[str, Tensor], parts: Worlds, hidden: Hidden
        ) -> tuple[Worlds, Hidden, Tensor]:
            now, then, cost = self._step(weights, _whole(parts, worlds), hidden, chance)
            return _floats(now), then, cost

        pull = torch.func.vjp(run, dict(weights), _floats(worlds), hidden)[1]
        told, before, hidden_before = pull((after, hidden_after, each))
        return torch.cat([told[name].reshape(-1) for name in weights]), before, hidden_before


def _floats(worlds: Worlds) -> Worlds:
    return tuple(part for part in worlds if part.is_floating_point())


def _whole(parts: Worlds, worlds: Worlds) -> Worlds:
    """``worlds`` with its floating-point parts replaced."""
    left = list(parts)
    return tuple(left.pop(0) if part.is_floating_point() else part for part in worlds)
