"""A PPO actor that starts from an earlier policy instead of from chance."""

from __future__ import annotations

import math
from typing import Any

import torch

from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.player import silent_inputs

# The running statistics count as so many samples, so that they follow the new task.
_COUNT = 100_000


def start_from(actor: Any, policy: Policy, std: float = 0.0) -> None:
    """Give rsl_rl's MLP ``actor`` the layers, the normaliser and the noise of ``policy``.

    The noise is ``std`` instead where that is not 0.

    Inputs that were constant for the earlier policy (opponents that were never there) get weight 0
    and variance 1: what was learnt stays as it was until the new task makes use of them.

    Raises:
        RoboTSError: when the two networks have different layers.
    """
    theirs = [module for module in policy.encoder if isinstance(module, torch.nn.Linear)]
    theirs.append(policy.head)
    mine = [module for module in actor.mlp if isinstance(module, torch.nn.Linear)]
    shapes = [tuple(m.weight.shape) for m in mine], [tuple(m.weight.shape) for m in theirs]
    if policy.is_recurrent or shapes[0] != shapes[1]:
        raise RoboTSError(
            f"a policy without memory and with layers {shapes[0]} in teacher.start_from",
            f"layers {shapes[1]}",
            "set teacher.actor to the widths it has, or give another bundle",
        )
    with torch.no_grad():
        for own, other in zip(mine, theirs, strict=True):
            own.weight.copy_(other.weight)
            own.bias.copy_(other.bias)
        if isinstance(policy.normalizer, Normalizer):
            _copy_statistics(actor.obs_normalizer, policy.normalizer, mine[0])
        if policy.log_std is not None and hasattr(actor.distribution, "log_std_param"):
            actor.distribution.log_std_param.copy_(policy.log_std)
    if std:
        set_noise(actor, std)


@torch.no_grad()
def set_noise(actor: Any, std: float) -> None:
    """Give every action of rsl_rl's Gaussian ``actor`` the noise ``std``."""
    actor.distribution.log_std_param.fill_(math.log(std))


def zero_head(actor: Any) -> None:
    """Let rsl_rl's MLP ``actor`` begin with zeros, or with the base action it adds to."""
    last = [module for module in actor.mlp if isinstance(module, torch.nn.Linear)][-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)


def _copy_statistics(own: Any, other: Normalizer, first: torch.nn.Linear) -> None:
    # rsl_rl divides by std + 1e-2, which the policy's scale already holds.
    std, silent = (other.scale - other.eps).clamp_min(0.0), silent_inputs(other)
    first.weight[:, silent] = 0.0
    std = torch.where(silent, torch.ones_like(std), std)
    own._mean.copy_(other.mean)
    own._std.copy_(std)
    own._var.copy_(std.square())
    own.count.fill_(_COUNT)
