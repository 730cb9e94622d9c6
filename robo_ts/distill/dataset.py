"""A window of the newest rollouts, as sequences with the memory they began with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.errors import RoboTSError
from robo_ts.policies.memory import Hidden


@dataclass
class Rollout:
    """Sequences of all worlds; every tensor is ``(time, num_envs, ...)`` unless said.

    Attributes:
        obs: the student's observation groups.
        label: the teacher's actions.
        valid: whether the label may be learnt from (bool).
        starts: whether an episode begins with this step (bool).
        hidden: the student's memory before the first step.
    """

    obs: dict[str, Tensor]
    label: Tensor
    valid: Tensor
    starts: Tensor
    hidden: Hidden

    def worlds(self, ids: Tensor) -> Rollout:
        """The sequences of some worlds."""
        return Rollout(
            {name: value[:, ids] for name, value in self.obs.items()},
            self.label[:, ids],
            self.valid[:, ids],
            self.starts[:, ids],
            tuple(part[:, ids] for part in self.hidden),
        )


class WindowDataset:
    """Keeps the newest ``window`` rollouts in memory allocated once.

    Args:
        window: rollouts kept.
        steps: length of each.
        num_envs: worlds.
        obs: one observation, for names, sizes and dtypes of the student's groups.
        groups: the groups kept; uint8 images stay uint8.
        num_actions: length of the labels.
        hidden: one memory state, for its sizes.
        budget_gb: refuse to allocate more.

    Raises:
        RoboTSError: when the budget is too small.
    """

    def __init__(
        self,
        window: int,
        steps: int,
        num_envs: int,
        obs: TensorDict,
        groups: list[str],
        num_actions: int,
        hidden: Hidden,
        budget_gb: float,
    ) -> None:
        device = obs[groups[0]].device
        self.bytes = (
            window
            * steps
            * num_envs
            * (sum(obs[g][0].numel() * obs[g].element_size() for g in groups) + 4 * num_actions + 2)
        )
        if self.bytes > budget_gb * 2**30:
            raise RoboTSError(
                f"a data window of at most {budget_gb:g} GiB (distill.memory_budget_gb)",
                f"{self.bytes / 2**30:.2f} GiB",
                "lower distill.window, num_envs or steps_per_iteration, or raise the budget",
            )

        def empty(shape, dtype) -> Tensor:
            return torch.zeros(window, steps, num_envs, *shape, dtype=dtype, device=device)

        self._obs = {g: empty(obs[g].shape[1:], obs[g].dtype) for g in groups}
        self._label = empty((num_actions,), torch.float32)
        self._valid, self._starts = empty((), torch.bool), empty((), torch.bool)
        self._hidden = tuple(torch.zeros(window, *part.shape, device=device) for part in hidden)
        self.window, self.steps, self.num_envs = window, steps, num_envs
        self.written = 0

    def __len__(self) -> int:
        return min(self.written, self.window)

    def begin(self, hidden: Hidden) -> None:
        """Start the next rollout, over the oldest one, from this memory."""
        for kept, part in zip(self._hidden, hidden, strict=True):
            kept[self.written % self.window] = part

    def add(self, step: int, obs: TensorDict, label: Tensor, valid: Tensor, starts: Tensor) -> None:
        """Store one step of the rollout that was begun."""
        slot = self.written % self.window
        for name, kept in self._obs.items():
            kept[slot, step] = obs[name]
        self._label[slot, step], self._valid[slot, step] = label, valid
        self._starts[slot, step] = starts

    def end(self) -> Rollout:
        """Finish the rollout and return it."""
        self.written += 1
        return self._slot((self.written - 1) % self.window)

    def minibatches(self, count: int, generator: torch.Generator) -> Iterator[tuple[Rollout, bool]]:
        """Every world of every kept rollout once, in random order.

        Yields:
            A minibatch and whether it comes from the newest rollout.
        """
        newest = (self.written - 1) % self.window
        for slot in torch.randperm(len(self), generator=generator).tolist():
            order = torch.randperm(self.num_envs, generator=generator)
            for ids in order.to(self._label.device).chunk(count):
                yield self._slot(slot).worlds(ids), slot == newest

    def state_dict(self) -> dict:
        """For bit-exact resume."""
        return {
            "obs": self._obs,
            "label": self._label,
            "valid": self._valid,
            "starts": self._starts,
            "hidden": self._hidden,
            "written": self.written,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restore :meth:`state_dict`."""
        for name, kept in self._obs.items():
            kept.copy_(state["obs"][name])
        for kept, value in zip(self._hidden, state["hidden"], strict=True):
            kept.copy_(value)
        self._label.copy_(state["label"])
        self._valid.copy_(state["valid"])
        self._starts.copy_(state["starts"])
        self.written = int(state["written"])

    def _slot(self, slot: int) -> Rollout:
        return Rollout(
            {name: value[slot] for name, value in self._obs.items()},
            self._label[slot],
            self._valid[slot],
            self._starts[slot],
            tuple(part[slot] for part in self._hidden),
        )
