"""A policy that plays for agents nobody trains."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from robo_ts.policies.memory import Hidden
from robo_ts.policies.policy import Policy


class PolicyPlayer:
    """Acts deterministically, with a memory per seat where the policy has one.

    See :class:`robo_ts.env.players.Player`.

    Args:
        policy: the policy.
        name: for reports.
    """

    def __init__(self, policy: Policy, name: str) -> None:
        self.policy, self.name = policy.eval().requires_grad_(False), name
        self.groups: tuple[str, ...] = tuple(policy.spec)
        self.hidden: Hidden = ()

    def sit(self, seats: int, generator: torch.Generator) -> None:
        self.policy.to(generator.device)
        self.hidden = self.policy.initial_state(seats)

    @torch.no_grad()
    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        if not self.policy.is_recurrent:
            return self.policy.act(obs, ())[0].clamp(-1.0, 1.0)
        own = tuple(part[:, seats] for part in self.hidden)
        action, own = self.policy.act(obs, own)
        for part, new in zip(self.hidden, own, strict=True):
            part[:, seats] = new
        return action.clamp(-1.0, 1.0)

    def clear(self, seats: Tensor) -> None:
        for part in self.hidden:
            part[:, seats] = 0.0

    def memory(self) -> dict[str, Tensor]:
        return {str(index): part for index, part in enumerate(self.hidden)}

    def load_memory(self, memory: Mapping[str, Tensor]) -> None:
        self.hidden = tuple(memory[str(index)] for index in range(len(self.hidden)))

