"""A step of a policy on feature-first tensors, ``(size, num)``.

Simulators written as formulas keep every quantity in a row of its own. A policy that works the same
way can be compiled into one function with them, in which nothing is ever transposed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from robo_ts.env.pool import POOL
from robo_ts.errors import RoboTSError
from robo_ts.policies.memory import Hidden, Memory
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Policy
from robo_ts.policies.population import PopulationPolicy, StackedLinear


def check_feature_first(policy: Policy) -> None:
    """Refuse policies that :func:`step` is not written for.

    Raises:
        RoboTSError: for policies that see images or points.
    """
    if len(policy.images) or len(policy.points):
        raise RoboTSError(
            "a policy over vectors",
            f"one that sees {', '.join([*policy.images, *policy.points])}",
            "train it by imitation or by reward",
        )


def check_grouped(
    policy: Policy, obs: Mapping[str, Tensor], robots: Sequence[int] | None = None
) -> None:
    """Refuse a population in worlds that do not lie grouped by member, equally many of each and in
    order, which :func:`step` takes for granted.

    Args:
        policy: any policy; only populations are looked at.
        obs: groups, ``(size, num)`` each.
        robots: the numbers of its members' robots in the pool; all of the pool when left out.

    Raises:
        RoboTSError: saying what lies where.
    """
    if not isinstance(policy, PopulationPolicy):
        return
    if POOL not in obs:
        raise RoboTSError(
            f"worlds of the pool that the population of {policy.members} was trained on",
            "worlds whose robots are drawn anew",
            "declare the pool in the settings of training",
        )
    wanted = list(range(policy.members) if robots is None else robots)
    groups, counts = torch.unique_consecutive(obs[POOL][0].long(), return_counts=True)
    if groups.tolist() != wanted or len(counts.unique()) > 1:
        raise RoboTSError(
            f"equally many worlds of each of {policy.members} robots, one after the other",
            f"robots {groups.tolist()[:8]} with {counts.tolist()[:8]} worlds",
            "use a multiple of that many worlds, and the pool the population was trained on",
        )


def step(policy: Policy, obs: Mapping[str, Tensor], hidden: Hidden) -> tuple[Tensor, Hidden]:
    """What :meth:`Policy.forward` does.

    Args:
        policy: a policy over vectors; for a population see :func:`check_grouped`.
        obs: groups, ``(size, num)`` each.
        hidden: the memory before the step, ``(layers, size, num)`` per part.

    Returns:
        Unclipped actions ``(num_actions, num)`` and the memory after the step.
    """
    if isinstance(policy, PopulationPolicy):
        return _population(policy, obs), hidden
    parts = [obs[name] for name in policy.spec]
    x = y = parts[0] if len(parts) == 1 else torch.cat(parts)
    if isinstance(policy.normalizer, Normalizer):
        y = (y - policy.normalizer.mean[:, None]) / policy.normalizer.scale[:, None]
    y = _dense(policy.encoder, y)
    if policy.memory is not None:
        y, hidden = _remember(policy.memory, y, hidden)
    action = _linear(policy.head, _dense(policy.decoder, y))
    if policy.base is not None:
        action = action + x[policy.base]
    return action, hidden


def transposed(hidden: Hidden) -> Hidden:
    """``(layers, num, size)`` to ``(layers, size, num)`` and back."""
    return tuple(part.transpose(1, 2) for part in hidden)


def known(policy: Policy, num: int) -> Tensor | None:
    """Where a grouped population's labels may be learnt from, ``(num,)`` float; None everywhere."""
    if not isinstance(policy, PopulationPolicy) or bool(policy.kept.all()):
        return None
    return torch.repeat_interleave(policy.kept.float(), num // policy.members)


def _population(policy: PopulationPolicy, obs: Mapping[str, Tensor]) -> Tensor:
    parts = [obs[name] for name in policy.vectors]
    x = parts[0] if len(parts) == 1 else torch.cat(parts)
    size, num = x.shape
    y = x.view(size, policy.members, -1).transpose(0, 1)
    if isinstance(policy.normalizer, Normalizer):
        mean, scale = policy.normalizer.mean, policy.normalizer.scale
        y = (y - mean[:, :, None]) / scale[:, :, None]
    for layer in [*policy.encoder, *policy.decoder, policy.head]:
        if isinstance(layer, StackedLinear):
            y = torch.baddbmm(layer.bias[:, :, None], layer.weight, y)
        else:
            y = layer(y)
    action = y.transpose(0, 1).reshape(policy.num_actions, num)
    return action if policy.base is None else action + x[policy.base]


def _dense(layers: nn.Sequential, x: Tensor) -> Tensor:
    for layer in layers:
        x = _linear(layer, x) if isinstance(layer, nn.Linear) else layer(x)
    return x


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    return _affine(layer.weight, layer.bias, x)


def _affine(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    return torch.addmm(bias[:, None], weight, x)


def _remember(memory: Memory, x: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
    cell = _lstm if memory.kind == "lstm" else _gru
    states = []
    for layer in range(memory.layers):
        weights = [getattr(memory.rnn, f"{name}_l{layer}") for name in _WEIGHTS]
        states.append(cell(x, [part[layer] for part in hidden], *weights))
        x = states[-1][0]
    if memory.layers == 1:
        return x, tuple(part.unsqueeze(0) for part in states[0])
    return x, tuple(torch.stack(parts) for parts in zip(*states, strict=True))


_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _gru(x: Tensor, hidden: list[Tensor], *weights: Tensor) -> list[Tensor]:
    """Torch's GRU: r, z = sigmoid(W x + b + U h + c); n = tanh(W x + b + r (U h + c));
    h' = (1 - z) n + z h."""
    weight, recurrent, bias, recurrent_bias = weights
    before = hidden[0]
    a, b, c = _affine(weight, bias, x).chunk(3)
    d, e, f = _affine(recurrent, recurrent_bias, before).chunk(3)
    # tanh by way of sigmoid, which is three times faster.
    new = 2.0 * torch.sigmoid(2.0 * (c + torch.sigmoid(a + d) * f)) - 1.0
    return [new + torch.sigmoid(b + e) * (before - new)]


def _lstm(x: Tensor, hidden: list[Tensor], *weights: Tensor) -> list[Tensor]:
    """Torch's LSTM: c' = sigmoid(f) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c')."""
    weight, recurrent, bias, recurrent_bias = weights
    gates = _affine(weight, bias, x) + _affine(recurrent, recurrent_bias, hidden[0])
    i, f, g, o = gates.chunk(4)
    cell = torch.sigmoid(f) * hidden[1] + torch.sigmoid(i) * torch.tanh(g)
    return [torch.sigmoid(o) * torch.tanh(cell), cell]
