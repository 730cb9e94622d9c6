"""A normaliser becomes part of the layer behind it."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from robo_ts.errors import RoboTSError
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Policy


@torch.no_grad()
def fold_normalizer(policy: Policy) -> Policy:
    """The same policy without a normaliser: W (x - m) / s + b = (W / s) x + (b - (W / s) m).

    Learning is easier with inputs of one size; flying needs no extra numbers for it.

    Args:
        policy: stays as it is.

    Raises:
        RoboTSError: for a policy that has a normaliser but no dense layer behind it.
    """
    policy = copy.deepcopy(policy)
    normalizer = policy.normalizer
    if not isinstance(normalizer, Normalizer):
        return policy
    first = policy.encoder[0] if len(policy.encoder) else None
    if not isinstance(first, nn.Linear):
        raise RoboTSError(
            "an encoder whose first layer can take in the normaliser",
            "a policy without an encoder",
            "set student.encoder, for example [16], or student.fold=false",
        )
    first.weight.div_(normalizer.scale)
    first.bias.sub_(first.weight @ normalizer.mean)
    policy.normalizer = nn.Identity()
    policy.config = replace(policy.config, normalize=False)
    return policy
