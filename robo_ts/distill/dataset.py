"""Sequences with the memory they began with: which are kept, and how they are handed out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from robo_ts.distill.pier import importance_weights, priorities, sample
from robo_ts.distill.replay import EarlierData
from robo_ts.distill.settings import DatasetConfig
from robo_ts.errors import RoboTSError
from robo_ts.policies.memory import Hidden

# The data set's own fields beside the observation groups, whose names begin with "obs.".
LABEL, STD, LATENT, VALID, STARTS = "label", "std", "latent", "valid", "starts"


@dataclass
class Rollout:
    """Sequences of some worlds; every tensor is ``(time, num, ...)`` unless said.

    Attributes:
        fields: what was stored: ``obs.<group>``, ``aux.<name>``, ``label``, ``valid`` (bool, may
            be learnt from), ``starts`` (bool, an episode begins with this step), and where the
            teacher gives them ``std`` and ``latent``.
        hidden: the student's memory before the first step, ``(layers, num, width)`` per part.
        fresh: whether a sequence is of the newest round, ``(num,)`` bool.
        weight: of each sequence in the loss, ``(num,)``.
        slots: where the data set keeps them, ``(num,)``; -1 for data of earlier runs.
    """

    fields: dict[str, Tensor]
    hidden: Hidden
    fresh: Tensor
    weight: Tensor
    slots: Tensor
    _obs: dict[str, Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._obs = {k[4:]: v for k, v in self.fields.items() if k.startswith("obs.")}

    @property
    def obs(self) -> dict[str, Tensor]:
        """The student's observation groups."""
        return self._obs

    @property
    def label(self) -> Tensor:
        """The teacher's actions."""
        return self.fields[LABEL]

    @property
    def valid(self) -> Tensor:
        """Which labels may be learnt from."""
        return self.fields[VALID]

    @property
    def starts(self) -> Tensor:
        """Where episodes begin."""
        return self.fields[STARTS]

    @property
    def std(self) -> Tensor | None:
        """The teacher's standard deviations."""
        return self.fields.get(STD)

    def steps(self, part: slice) -> dict[str, Tensor]:
        """The fields of some steps."""
        return {name: value[part] for name, value in self.fields.items()}


class SequenceDataset:
    """Keeps sequences of one length in memory that is allocated once.

    ``window`` keeps the newest rounds, ``reservoir`` a uniform sample of all rounds there ever
    were (Vitter's algorithm R), ``prioritised`` the newest rounds, drawn by PIER's priorities.

    Args:
        config: which sequences are kept.
        steps: length of a sequence.
        num_envs: sequences a round adds.
        example: one step of every field, ``(num_envs, ...)``, for shapes and kinds.
        hidden: one memory, for its shape.
        generator: draws which sequences a reservoir keeps.
        announce: whether to print the memory it takes before taking it.

    Raises:
        RoboTSError: when the budget is too small.
    """

    def __init__(
        self,
        config: DatasetConfig,
        steps: int,
        num_envs: int,
        example: Mapping[str, Tensor],
        hidden: Hidden,
        generator: torch.Generator,
        announce: bool = False,
    ) -> None:
        self.config, self.steps, self.num_envs = config, steps, num_envs
        self.generator = generator
        self.capacity = config.window * num_envs
        self._staged = config.kind == "reservoir"
        rows = self.capacity + (num_envs if self._staged else 0)
        self.bytes = rows * bytes_per_sequence(example, hidden, steps)
        self._check_budget(announce)
        device = next(iter(example.values())).device
        self._fields = {
            name: torch.zeros(steps, rows, *x.shape[1:], dtype=x.dtype, device=device)
            for name, x in example.items()
        }
        self._hidden = tuple(
            torch.zeros(part.shape[0], rows, part.shape[2], device=device) for part in hidden
        )
        self.round = torch.full((rows,), -1, dtype=torch.long, device=device)
        self.uncertainty = torch.ones(rows, device=device)
        self.outcome = torch.zeros(rows, device=device)
        self.written = 0
        self._begin, self._newest = 0, 0
        self.earlier = EarlierData(config.earlier, self._fields, hidden) if config.earlier else None

    def _check_budget(self, announce: bool) -> None:
        config, size = self.config, self.bytes / 2**30
        if announce:
            print(
                f"data set: {config.kind} of {self.capacity} sequences of {self.steps} steps, "
                f"{size:.2f} GiB of {config.budget_gb:g} GiB allowed",
                file=sys.stderr,
            )
        if size > config.budget_gb:
            raise RoboTSError(
                f"a data set of at most {config.budget_gb:g} GiB (distill.dataset.budget_gb)",
                f"{size:.3g} GiB",
                "lower distill.dataset.window, num_envs or steps_per_iteration, or raise the "
                "budget",
            )

    def __len__(self) -> int:
        """Sequences kept."""
        return min(self.written * self.num_envs, self.capacity)

    # -- writing -----------------------------------------------------------------------------------

    def begin(self, hidden: Hidden) -> None:
        """Start the next round from this memory."""
        if self._staged:
            self._begin = self.capacity
        else:
            self._begin = (self.written % self.config.window) * self.num_envs
        for kept, part in zip(self._hidden, hidden, strict=True):
            kept[:, self._begin : self._begin + self.num_envs] = part

    def add(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Store one step of the round that was begun, ``(num_envs, ...)`` per field."""
        rows = slice(self._begin, self._begin + self.num_envs)
        for name, kept in self._fields.items():
            kept[step, rows] = values[name]

    def newest(self) -> Rollout:
        """The round being written or just finished, as views."""
        return self._rows(slice(self._begin, self._begin + self.num_envs))

    def end(self, uncertainty: Tensor | None = None, outcome: Tensor | None = None) -> Rollout:
        """Finish the round.

        Args:
            uncertainty: of each sequence, ``(num_envs,)`` >= 0; for PIER.
            outcome: 1 success, -1 failure, 0 unknown, ``(num_envs,)``; for PIER.

        Returns:
            The round.
        """
        rows = slice(self._begin, self._begin + self.num_envs)
        self.round[rows] = self._newest = self.written
        self.uncertainty[rows] = 1.0 if uncertainty is None else uncertainty
        self.outcome[rows] = 0.0 if outcome is None else outcome
        rollout = self.newest()
        if self._staged:
            self._keep_some()
        self.written += 1
        return rollout

    def _keep_some(self) -> None:
        """Algorithm R: the n-th sequence ever stays with probability capacity / n."""
        first = self.written * self.num_envs
        count = torch.arange(first, first + self.num_envs, dtype=torch.float64)
        draw = (torch.rand(self.num_envs, generator=self.generator).double() * (count + 1)).long()
        slot = torch.where(count < self.capacity, count.long(), draw)
        kept = slot < self.capacity
        source, slot = torch.arange(self.num_envs)[kept] + self.capacity, slot[kept]
        # Where two draw one slot the later one stays; which of two writes wins is undefined.
        latest = {int(place): index for index, place in enumerate(slot)}
        chosen = torch.tensor(sorted(latest.values()), dtype=torch.long)
        device = self.round.device
        source, slot = source[chosen].to(device), slot[chosen].to(device)
        for value in self._fields.values():
            value[:, slot] = value[:, source]
        for part in self._hidden:
            part[:, slot] = part[:, source]
        for value in (self.round, self.uncertainty, self.outcome):
            value[slot] = value[source]

    # -- reading -----------------------------------------------------------------------------------

    def minibatches(self, count: int, generator: torch.Generator) -> Iterator[Rollout]:
        """``count`` minibatches for every round's worth of sequences kept.

        ``window`` and ``reservoir`` hand out every sequence once, in random order; ``prioritised``
        draws them with replacement. Where earlier data is mixed in, it takes its share of each.

        Raises:
            RoboTSError: when there is nothing yet.
        """
        if not len(self):
            raise RoboTSError("a data set with sequences in it", "an empty one", "gather first")
        total = max(len(self) // self.num_envs, 1) * count
        if self.config.kind == "prioritised":
            yield from self._prioritised(total, generator)
            return
        order = torch.randperm(len(self), generator=generator).to(self.round.device)
        if total == 1:  # everything at once: no order, no copy
            yield self._mixed(self._rows(slice(0, len(self))), generator)
            return
        for ids in order.chunk(total):
            yield self._mixed(self._rows(ids), generator)

    def _prioritised(self, total: int, generator: torch.Generator) -> Iterator[Rollout]:
        filled, config = slice(0, len(self)), self.config.pier
        chance = priorities(
            self.uncertainty[filled], self.outcome[filled], self.round[filled], config
        )
        size = max(len(self) // total, 1)
        for _ in range(total):
            ids = sample(chance, config.alpha, size, generator)
            batch = self._rows(ids)
            batch.weight = importance_weights(chance, config.alpha, config.beta, ids)
            yield self._mixed(batch, generator)

    def _mixed(self, batch: Rollout, generator: torch.Generator) -> Rollout:
        """The minibatch with its share of earlier data in the place of some sequences."""
        if self.earlier is None:
            return batch
        num = len(batch.slots)
        # At least one where there is room for both, so that small minibatches mix too.
        old = min(max(round(self.config.earlier_share * num), int(num > 1)), num)
        if not old:
            return batch
        fields, hidden = self.earlier.draw(old, generator, self.round.device)
        device = self.round.device
        return Rollout(
            {k: torch.cat([v[:, old:], fields[k]], dim=1) for k, v in batch.fields.items()},
            tuple(
                torch.cat([a[:, old:], b], dim=1) for a, b in zip(batch.hidden, hidden, strict=True)
            ),
            torch.cat([batch.fresh[old:], torch.zeros(old, dtype=torch.bool, device=device)]),
            torch.cat([batch.weight[old:], torch.ones(old, device=device)]),
            torch.cat([batch.slots[old:], torch.full((old,), -1, device=device)]),
        )

    def _rows(self, rows: Tensor | slice) -> Rollout:
        rounds = self.round[rows]
        slots = torch.arange(len(self.round), device=rounds.device)[rows]

        def part(value: Tensor) -> Tensor:
            if isinstance(rows, slice):
                return value[:, rows]
            return value.index_select(1, rows)  # twice as fast as value[:, rows]

        return Rollout(
            {name: part(value) for name, value in self._fields.items()},
            tuple(part(value) for value in self._hidden),
            rounds == self._newest,
            torch.ones(len(rounds), device=rounds.device),
            slots,
        )

    def labels(self) -> int:
        """Labels kept that may be learnt from."""
        return int(self._fields[VALID][:, : len(self)].sum())

    # -- persistence -------------------------------------------------------------------------------

    def state_dict(self) -> dict:
        """For bit-exact resume."""
        return {
            "fields": self._fields,
            "hidden": self._hidden,
            "round": self.round,
            "uncertainty": self.uncertainty,
            "outcome": self.outcome,
            "written": self.written,
            "begin": self._begin,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Restore :meth:`state_dict`."""
        for name, kept in self._fields.items():
            kept.copy_(state["fields"][name])
        for kept, value in zip(self._hidden, state["hidden"], strict=True):
            kept.copy_(value)
        for name in ("round", "uncertainty", "outcome"):
            getattr(self, name).copy_(state[name])
        self.written, self._begin = int(state["written"]), int(state["begin"])
        self._newest = max(self.written - 1, 0)
        self.generator.set_state(state["generator"])

    def stored(self) -> tuple[dict[str, Tensor], Hidden]:
        """All sequences kept, ``(time, sequences, ...)``, to be written to disk."""
        filled = slice(0, len(self))
        return (
            {name: value[:, filled] for name, value in self._fields.items()},
            tuple(part[:, filled] for part in self._hidden),
        )


def bytes_per_sequence(example: Mapping[str, Tensor], hidden: Hidden, steps: int) -> int:
    """Memory one sequence takes."""
    step = sum(x[0].numel() * x.element_size() for x in example.values())
    return steps * step + sum(4 * part[:, 0].numel() for part in hidden) + 16
