"""Who labels the states the student visits."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.policies import Policy
from robo_ts.policies.memory import Hidden


class Teacher(Protocol):
    """Gives an action for every world, and keeps whatever memory it needs to do so."""

    def label(self, obs: TensorDict) -> tuple[Tensor, Tensor]:
        """Actions ``(num_envs, num_actions)``; may each be learnt from? ``(num_envs,)`` bool."""
        ...

    def reset(self, done: Tensor) -> None:
        """Episodes ended in the worlds where ``done (num_envs,)`` is true."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The teacher's memory, for bit-exact resume."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        ...


class PolicyTeacher:
    """A frozen policy as teacher: deterministic, clipped actions; its memory is never lost.

    Args:
        policy: the policy, with the normaliser it was trained with.
        num_envs: worlds it labels.
    """

    def __init__(self, policy: Policy, num_envs: int) -> None:
        self.policy = policy.eval().requires_grad_(False)
        self.hidden: Hidden = policy.initial_state(num_envs)

    @torch.no_grad()
    def label(self, obs: TensorDict) -> tuple[Tensor, Tensor]:
        action, self.hidden = self.policy.act(obs, self.hidden)
        return action, torch.ones(len(action), dtype=torch.bool, device=action.device)

    def reset(self, done: Tensor) -> None:
        self.hidden = self.policy.reset_state(self.hidden, done)

    def state_dict(self) -> dict[str, Any]:
        return {"hidden": [part.clone() for part in self.hidden]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.hidden = tuple(
            part.to(now.device, copy=True)
            for part, now in zip(state["hidden"], self.hidden, strict=True)
        )
