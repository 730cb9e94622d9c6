"""Checkpoints of rsl_rl and Stable-Baselines3 as policies of our own. Runs no pickle."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import BundleError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.normalizer import Normalizer

# What reading a file that is damaged, foreign or full of code may raise.
_UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


def policy_from_rsl_rl(
    actor: dict[str, Tensor],
    spec: ObservationSpec,
    num_actions: int,
    activation: str = "elu",
    base_term: str = "",
) -> Policy:
    """An rsl_rl ``MLPModel`` actor (its state dict) as a policy with the same deterministic
    actions, and, where it is one number per action, the same standard deviation.

    Args:
        actor: ``actor_state_dict`` of a PPO checkpoint.
        spec: the groups of the ``actor`` set, in order.
        num_actions: length of the action vector.
        activation: of the MLP; rsl_rl does not store it.
        base_term: see :class:`PolicyConfig`.

    Raises:
        BundleError: when the checkpoint is not an MLP or does not fit the observation groups.
    """
    layers = _linear_layers(actor, "mlp.")
    log_std = actor.get("distribution.log_std_param")
    if "distribution.std_param" in actor:
        log_std = actor["distribution.std_param"].log()
    policy = _mlp_policy(layers, spec, num_actions, activation, base_term, "rsl_rl", log_std)
    if "obs_normalizer._mean" in actor:
        # rsl_rl divides by std + 1e-2.
        _set_normalizer(
            policy, actor["obs_normalizer._mean"][0], actor["obs_normalizer._std"][0] + 1e-2
        )
    return policy


def policy_from_sb3(
    path: str | Path,
    spec: ObservationSpec,
    num_actions: int,
    activation: str = "tanh",
    mean: Tensor | None = None,
    variance: Tensor | None = None,
    epsilon: float = 1e-8,
) -> Policy:
    """A Stable-Baselines3 PPO or A2C checkpoint (``MlpPolicy``) as a policy.

    Only the zip's ``policy.pth`` is read, with ``weights_only``; its pickled settings are not, so
    the activation has to be told, and so have the statistics of ``VecNormalize`` (``obs_rms.mean``
    and
    ``obs_rms.var``) when it was used.

    Raises:
        BundleError: when the file is not such a checkpoint or does not fit the observation groups.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            raw = archive.read("policy.pth")
        weights = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, *_UNREADABLE) as error:
        raise BundleError(
            f"a Stable-Baselines3 zip with policy.pth at {path}", str(error), "save the model again"
        ) from error
    if "action_net.weight" not in weights:
        raise BundleError(
            "a Stable-Baselines3 PPO or A2C checkpoint with an action_net",
            f"weights {sorted(weights)[:4]}, ...",
            "give a PPO or A2C model; other algorithms cannot be converted",
        )
    layers = _linear_layers(weights, "mlp_extractor.policy_net.")
    layers.append((weights["action_net.weight"], weights["action_net.bias"]))
    log_std = weights.get("log_std")
    policy = _mlp_policy(layers, spec, num_actions, activation, "", "Stable-Baselines3", log_std)
    if mean is not None and variance is not None:
        scale = torch.sqrt(torch.as_tensor(variance) + epsilon)
        _set_normalizer(policy, torch.as_tensor(mean).float(), scale.float())
    return policy


def load_rsl_rl_actor(path: str | Path) -> dict[str, Tensor]:
    """The actor's state dict of an rsl_rl PPO checkpoint file; runs no pickled code."""
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return checkpoint["actor_state_dict"]
    except _UNREADABLE as error:
        raise BundleError(
            f"an rsl_rl PPO checkpoint with actor_state_dict at {path}",
            f"{type(error).__name__}: {error}",
            "give a model_*.pt that rsl_rl >= 4 wrote",
        ) from error


def _linear_layers(weights: dict[str, Tensor], prefix: str) -> list[tuple[Tensor, Tensor]]:
    indices = sorted(
        int(key[len(prefix) : -len(".weight")])
        for key in weights
        if key.startswith(prefix) and key.endswith(".weight")
    )
    return [(weights[f"{prefix}{i}.weight"], weights[f"{prefix}{i}.bias"]) for i in indices]


def _mlp_policy(
    layers: list[tuple[Tensor, Tensor]],
    spec: ObservationSpec,
    num_actions: int,
    activation: str,
    base_term: str,
    source: str,
    log_std: Tensor | None = None,
) -> Policy:
    shapes = [tuple(weight.shape) for weight, _ in layers]
    if not shapes or shapes[0][1] != spec.size() or shapes[-1][0] != num_actions:
        raise BundleError(
            f"a {source} MLP from {spec.size()} inputs ({list(spec)}) to {num_actions} actions",
            f"layers of shapes {shapes}",
            "name the groups the checkpoint was trained with, in its order",
        )
    config = PolicyConfig(
        encoder=[shape[0] for shape in shapes[:-1]],
        activation=activation,
        memory="none",
        normalize=True,
        base_term=base_term,
        std="none" if log_std is None else "constant",
    )
    policy = Policy(config, spec, num_actions)
    ours = [module for module in policy.encoder if isinstance(module, torch.nn.Linear)]
    with torch.no_grad():
        for module, (weight, bias) in zip([*ours, policy.head], layers, strict=True):
            module.weight.copy_(weight)
            module.bias.copy_(bias)
        if policy.log_std is not None and log_std is not None:
            policy.log_std.copy_(log_std)
    return policy.eval()


def _set_normalizer(policy: Policy, mean: Tensor, scale: Tensor) -> None:
    normalizer = policy.normalizer
    assert isinstance(normalizer, Normalizer)
    normalizer.mean.copy_(mean)
    normalizer.scale.copy_(scale)
    normalizer.variance.copy_(scale.square())
