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
        RoboTSError: for a policy whose normaliser is not followed by one dense layer over the same
            numbers: one without an encoder, with point clouds, an adapter, or a population.
    """
    check_foldable(policy)
    policy = copy.deepcopy(policy)
    normalizer = policy.normalizer
    if not isinstance(normalizer, Normalizer):
        return policy
    first = policy.encoder[0]
    assert isinstance(first, nn.Linear)
    first.weight.div_(normalizer.scale)
    first.bias.sub_(first.weight @ normalizer.mean)
    policy.normalizer = nn.Identity()
    policy.config = replace(policy.config, normalize=False)
    return policy


def check_foldable(policy: Policy) -> None:
    """Refuse what :func:`fold_normalizer` cannot fold; see there."""
    if isinstance(policy.normalizer, nn.Identity):
        return
    plain = type(policy) is Policy and isinstance(policy.normalizer, Normalizer)
    if not plain or len(policy.points) or policy._plain is not None:
        clouds = f" that sees the points {', '.join(policy.points)}" if len(policy.points) else ""
        raise RoboTSError(
            "a plain policy, all of whose vectors pass one normaliser and one first layer, to fold",
            f"a {type(policy).__name__}{clouds}",
            "set student.fold=false; it flies with its normaliser as well",
        )
    if not len(policy.encoder):
        raise RoboTSError(
            "an encoder whose first layer can take in the normaliser",
            "a policy without an encoder",
            "set student.encoder, for example [16], or student.fold=false",
        )
