"""Things that act in an environment: torch policies, ONNX files, or a user's own."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.policies import Policy
from robo_ts.policies.memory import Hidden


class Actor(Protocol):
    """Acts in many worlds at once and keeps one memory per world.

    One that has ``groups``, the observation groups it reads, is shown no others: what nobody looks
    at need not be drawn.
    """

    def begin(self, num: int) -> None:
        """Start ``num`` worlds with empty memories."""
        ...

    def act(self, obs: TensorDict) -> Tensor:
        """Actions ``(num, num_actions)`` in [-1, 1]."""
        ...

    def clear(self, done: Tensor) -> None:
        """Forget the worlds where ``done (num,)`` is true."""
        ...


class PolicyActor:
    """A torch policy acting deterministically.

    Args:
        policy: the policy.
        memory_reset_every: clear every memory after so many steps (an ablation); 0 never does.
    """

    def __init__(self, policy: Policy, memory_reset_every: int = 0) -> None:
        self.policy = policy.eval()
        self.memory_reset_every = memory_reset_every
        self.groups = list(policy.spec)
        self.hidden: Hidden = ()
        self._num = self._steps = 0

    def begin(self, num: int) -> None:
        self._num, self._steps = num, 0
        self.hidden = self.policy.initial_state(num)

    def act(self, obs: TensorDict) -> Tensor:
        if self.memory_reset_every and self._steps % self.memory_reset_every == 0:
            self.hidden = self.policy.initial_state(self._num)
        self._steps += 1
        action, self.hidden = self.policy.act(obs, self.hidden)
        return action

    def clear(self, done: Tensor) -> None:
        self.hidden = self.policy.reset_state(self.hidden, done)


class OnnxActor:
    """An exported file acting through onnxruntime.

    Args:
        runtime: a :class:`robo_ts.export.runtime.Runtime`.
        device: where the actions are wanted.
    """

    def __init__(self, runtime: Any, device: torch.device) -> None:
        self.runtime, self.device = runtime, device
        self.groups: list[str] = runtime.groups

    def begin(self, num: int) -> None:
        self.runtime.reset(num)

    def act(self, obs: TensorDict) -> Tensor:
        groups = {name: obs[name].cpu().numpy() for name in self.runtime.groups}
        return torch.from_numpy(self.runtime.act(groups)).to(self.device)

    def clear(self, done: Tensor) -> None:
        if bool(done.any()):
            self.runtime.reset(mask=done.cpu().numpy())
