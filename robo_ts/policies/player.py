"""A policy that plays for agents nobody trains."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from robo_ts.policies.memory import Hidden
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Policy

# Inputs whose standard deviation was smaller than this in training said nothing there.
_SILENT = 1e-3


class PolicyPlayer:
    """Acts deterministically, with a memory per seat where the policy has one.

    What never changed in its training (opponents, for one that always played alone) it goes on to
    ignore, as a normaliser would blow it up beyond all measure. See
    :class:`robo_ts.env.players.Player`.

    Args:
        policy: the policy; copied.
        name: for reports.
    """

    def __init__(self, policy: Policy, name: str) -> None:
        self.policy, self.name = mute_constant_inputs(copy.deepcopy(policy)).eval(), name
        self.policy.requires_grad_(False)
        self.groups: tuple[str, ...] = tuple(policy.spec)
        self.hidden: Hidden = ()

    def sit(self, seats: int, generator: torch.Generator) -> None:
        self.policy.to(generator.device)
        self.hidden = self.policy.initial_state(seats)

    @torch.no_grad()
    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        own = tuple(part[:, seats] for part in self.hidden)
        action, own = self.policy.act(obs, own)
        for part, new in zip(self.hidden, own, strict=True):
            part[:, seats] = new
        return action.clamp(-1.0, 1.0)

    def clear(self, seats: Tensor) -> None:
        anew = self.policy.initial_state(len(seats))
        for part, first in zip(self.hidden, anew, strict=True):
            part[:, seats] = first

    def memory(self) -> dict[str, Tensor]:
        return {str(index): part for index, part in enumerate(self.hidden)}

    def load_memory(self, memory: Mapping[str, Tensor]) -> None:
        self.hidden = tuple(memory[str(index)] for index in range(len(self.hidden)))


def silent_inputs(normalizer: Normalizer) -> Tensor:
    """Which inputs did not vary while the statistics were gathered, ``(size,)`` bool."""
    # The scale is the standard deviation and a little more, so that constants stay finite.
    return normalizer.scale - normalizer.eps < _SILENT


@torch.no_grad()
def mute_constant_inputs(policy: Policy) -> Policy:
    """Let inputs that never varied say nothing, instead of a hundred times what they are.

    The policy is changed in place; where these inputs are as they were, it acts as before.
    """
    if isinstance(policy.normalizer, Normalizer):
        silent = silent_inputs(policy.normalizer)
        # (x - mean) / infinity is 0 for every x.
        policy.normalizer.scale[silent] = torch.inf
    return policy
