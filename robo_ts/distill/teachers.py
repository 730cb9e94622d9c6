"""Who labels the states the student visits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill.labels import Label
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.memory import Hidden
from robo_ts.policies.policy import Output


class Teacher(Protocol):
    """Gives an action for every world, and keeps whatever memory it needs to do so."""

    def label(self, obs: TensorDict, student: Output) -> Label:
        """What it would do in every world; ``student`` is what the student says there."""
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

    It reads its own observation groups through its own normaliser. With a standard deviation it
    also labels with that, and its latent is always told. Of a population the member in charge of
    each world speaks; where that one was dropped, nobody does.

    Args:
        policy: the policy, with the normaliser it was trained with.
        num_envs: worlds it labels.
    """

    def __init__(self, policy: Policy, num_envs: int) -> None:
        self.policy = policy.eval().requires_grad_(False)
        self.hidden: Hidden = policy.initial_state(num_envs)

    @torch.no_grad()
    def label(self, obs: TensorDict, student: Output) -> Label:
        worlds = self.hidden[0].shape[1] if self.hidden else len(student.action)
        if worlds != len(student.action):
            raise RoboTSError(
                f"a memory of {len(student.action)} worlds",
                f"one of {worlds}",
                "build PolicyTeacher with env.num_envs",
            )
        output, self.hidden = self.policy.run(obs, self.hidden)
        valid = self.policy.known(obs)
        return Label(self.policy.clip(output.action), valid, output.std, output.latent)

    def reset(self, done: Tensor) -> None:
        self.hidden = self.policy.reset_state(self.hidden, done)

    def state_dict(self) -> dict[str, Any]:
        return {"hidden": [part.clone() for part in self.hidden]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.hidden = tuple(
            part.to(now.device, copy=True)
            for part, now in zip(state["hidden"], self.hidden, strict=True)
        )


class FunctionTeacher:
    """A teacher without memory, such as a scripted controller.

    Args:
        function: observation groups to mean actions ``(num_envs, num_actions)``, or to these and
            their standard deviations.
    """

    def __init__(self, function: Callable[[TensorDict], Tensor | tuple[Tensor, Tensor]]) -> None:
        self.function = function

    @torch.no_grad()
    def label(self, obs: TensorDict, student: Output) -> Label:
        said = self.function(obs)
        return Label(said) if isinstance(said, Tensor) else Label(said[0], None, said[1])

    def reset(self, done: Tensor) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
