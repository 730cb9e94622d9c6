"""K networks of one architecture in one policy: each world is acted on by one of them.

Which one, an observation group tells (:mod:`robo_ts.env.pool`). All weights are stacked along a
first dimension, so that K small networks cost a few batched products instead of K calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from robo_ts.env.observations import ObservationSpec
from robo_ts.env.pool import POOL, pool_group
from robo_ts.errors import RoboTSError
from robo_ts.policies.config import PolicyConfig
from robo_ts.policies.memory import Hidden
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Output, Policy

KIND = "population"


class StackedLinear(nn.Module):
    """K linear layers: weights ``(K, out, in)``, biases ``(K, out)``."""

    def __init__(self, members: int, size: int, width: int) -> None:
        super().__init__()
        bound = size**-0.5  # as torch's own linear layer begins
        self.weight = nn.Parameter(torch.empty(members, width, size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, width).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """``(K, num, in)`` to ``(K, num, out)``."""
        return torch.baddbmm(self.bias[:, None], x, self.weight.transpose(1, 2))


class StackedNormalizer(Normalizer):
    """K running means and variances, ``(K, size)`` each."""

    def __init__(self, members: int, size: int) -> None:
        super().__init__(size)
        for name in ("mean", "scale", "variance"):
            setattr(self, name, getattr(self, name).repeat(members, 1))
        self.count = self.count.repeat(members)

    def forward(self, x: Tensor) -> Tensor:
        """``x (K, num, size)``."""
        return (x - self.mean[:, None]) / self.scale[:, None]

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Merge the statistics of ``x (time, num_envs, size)``, whose worlds lie grouped by member,
        equally many of each; a member that saw what is not finite keeps its own."""
        members, size = self.mean.shape
        x = x.view(x.shape[0], members, -1, size).transpose(0, 1).reshape(members, -1, size)
        count = float(x.shape[1])
        total = self.count + count
        share = (count / total).float()[:, None]
        mean, fresh = x.mean(dim=1), x.var(dim=1, unbiased=False)
        sound = (mean + fresh).isfinite().all(dim=1)
        delta = torch.where(sound[:, None], mean - self.mean, 0.0)
        grown = share * (fresh - self.variance + (1 - share) * delta * delta)
        self.mean += share * delta
        self.variance += torch.where(sound[:, None], grown, 0.0)
        self.count.copy_(torch.where(sound, total, self.count))
        self.scale.copy_(self.variance.sqrt() + self.eps)


class PopulationPolicy(Policy):
    """K policies of one architecture over vectors, without memory and without chance.

    Args:
        config: the architecture of each.
        spec: the groups each reads, in order; the group ``pool`` is added, and tells which of them
            is in charge.
        num_actions: length of the action vector.
        members: K.

    Raises:
        RoboTSError: for an architecture this is not written for.
    """

    kept: Tensor

    def __init__(
        self, config: PolicyConfig, spec: ObservationSpec, num_actions: int, members: int
    ) -> None:
        own = spec.select([name for name in spec if name != POOL])
        _check(config, own, members)
        super().__init__(config, own, num_actions)
        self.members = members
        self.spec = ObservationSpec([*own.values(), pool_group(members)])
        if config.normalize:
            self.normalizer = StackedNormalizer(members, own.size())
        layers = [
            StackedLinear(members, layer.in_features, layer.out_features)
            if isinstance(layer, nn.Linear)
            else layer
            for layer in [*self.encoder, *self.decoder, self.head]
        ]
        count = len(self.encoder)
        self.encoder = nn.Sequential(*layers[:count])
        self.decoder = nn.Sequential(*layers[count:-1])
        self.head = layers[-1]  # type: ignore[assignment]
        #: Whose labels may be learnt from, ``(K,)`` bool.
        self.register_buffer("kept", torch.ones(members, dtype=torch.bool))

    @staticmethod
    def of(policies: Sequence[Policy]) -> PopulationPolicy:
        """The population of these policies, which are copied.

        Raises:
            RoboTSError: when they differ in architecture.
        """
        if not policies or any(
            (p.config, p.spec.digest(), p.num_actions)
            != (policies[0].config, policies[0].spec.digest(), policies[0].num_actions)
            for p in policies
        ):
            raise RoboTSError(
                "at least one policy, and all of one architecture",
                f"{len(policies)} of several" if policies else "none",
                "give policies that differ in their weights only",
            )
        first = policies[0]
        whole = PopulationPolicy(first.config, first.spec, first.num_actions, len(policies))
        states = [policy.state_dict() for policy in policies]
        stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}
        whole.load_state_dict({**stacked, "kept": whole.kept})
        return whole.to(next(first.parameters()).device)

    def member(self, index: int) -> Policy:
        """One of them as a policy of its own, which reads no pool."""
        policy = Policy(self.config, self.vectors, self.num_actions)
        state = {k: v[index] for k, v in self.state_dict().items() if k != "kept"}
        policy.load_state_dict(state)
        return policy.to(self.kept.device).eval()

    def architecture(self) -> dict[str, Any]:
        """All that is needed to build it again, as plain data; see :func:`rebuild`."""
        return {"kind": KIND, **self.config.architecture(), "members": self.members}

    def inputs(self, obs: Mapping[str, Tensor]) -> Tensor:
        """What the networks read, ``(..., size)``: every group but the pool."""
        parts = [self._checked(obs, name) for name in self.vectors]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def index(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Who is in charge, ``(...)`` long.

        Raises:
            RoboTSError: for a number that is none of theirs.
        """
        index = self._checked(obs, POOL)[..., 0].long()
        if bool(((index < 0) | (index >= self.members)).any()):
            raise RoboTSError(
                f"numbers from 0 to {self.members - 1} in group {POOL!r}",
                f"{index.unique().tolist()[:8]}",
                "fly the pool the population was trained on",
            )
        return index

    def known(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Where a label may be learnt from, ``(...)`` bool."""
        return self.kept[self.index(obs)]

    def run(
        self, obs: Mapping[str, Tensor], hidden: Hidden = (), starts: Tensor | None = None
    ) -> tuple[Output, Hidden]:
        x, index = self.inputs(obs), self.index(obs)
        flat, who = x.reshape(-1, x.shape[-1]), index.reshape(-1)
        # Every member's worlds in one row of a padded tensor: a copy of each world's weights
        # instead would be 20 times slower on a CPU.
        order = torch.argsort(who, stable=True)
        count = torch.bincount(who, minlength=self.members)
        row = who[order]
        place = torch.arange(len(who), device=who.device) - (count.cumsum(0) - count)[row]
        padded = flat.new_zeros(self.members, int(count.max()), flat.shape[-1])
        padded[row, place] = flat[order]
        latent = self.encoder(self.normalizer(padded))
        action = self.head(self.decoder(latent))

        def back(value: Tensor) -> Tensor:
            rows = value.new_empty(len(who), value.shape[-1])
            rows[order] = value[row, place]
            return rows.view(*index.shape, -1)

        found = back(action)
        if self.base is not None:
            found = found + x[..., self.base]
        return Output(found, None, back(latent)), hidden

    def step_vector(
        self, x: Tensor, hidden: Hidden = (), images: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Hidden]:
        raise RoboTSError(
            "one policy", f"a population of {self.members}", "take PopulationPolicy.member(index)"
        )


def rebuild(
    architecture: Mapping[str, Any], spec: ObservationSpec, num_actions: int
) -> PopulationPolicy:
    """A policy from :meth:`PopulationPolicy.architecture`; its weights have to be loaded yet."""
    words = dict(architecture)
    words.pop("kind")
    members = int(words.pop("members"))
    return PopulationPolicy(PolicyConfig(**words), spec, num_actions, members)


def _check(config: PolicyConfig, spec: ObservationSpec, members: int) -> None:
    if members < 1:
        raise RoboTSError("a population of at least one", str(members), "raise it")
    if config.memory != "none" or config.std != "none" or spec.images():
        raise RoboTSError(
            "members over vectors, without memory and without a standard deviation",
            f"memory {config.memory!r}, std {config.std!r}, images {spec.images()}",
            "mend the architecture",
        )
