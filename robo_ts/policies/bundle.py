"""What users exchange: weights and all that is needed to rebuild and judge a policy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.files import atomic_path, read_json, sha256, write_json
from robo_ts.policies import adapter, population
from robo_ts.policies.config import PolicyConfig
from robo_ts.policies.policy import Policy

SCHEMA = 1
_WEIGHTS, _CARD = "policy.safetensors", "policy.json"
_ANEW = "copy it again from its source or train it anew"


@dataclass
class PolicyBundle:
    """A policy with its contracts and its history.

    Attributes:
        policy: the network, normaliser inside.
        task: name of the task it was made for.
        task_config: that task's settings, as plain data.
        action: the action contract (names, meaning, range, rate).
        lineage: how it came to be: kind, seed, command, parent hash, measured numbers.
    """

    policy: Policy
    task: str
    task_config: dict[str, Any] = field(default_factory=dict)
    action: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: str | Path) -> Path:
        """Write the bundle, whole or not at all. An older bundle of that name is replaced."""
        folder = Path(folder)
        tensors = {k: v.detach().cpu().contiguous() for k, v in self.policy.state_dict().items()}
        with atomic_path(folder) as temporary:
            temporary.mkdir(parents=True)
            try:
                save_file(tensors, temporary / _WEIGHTS)
            except SafetensorError as error:  # how safetensors reports a full disk
                raise OSError(str(error)) from error
            write_json(
                temporary / _CARD,
                {
                    "schema": SCHEMA,
                    "task": self.task,
                    "architecture": _architecture(self.policy),
                    "observation": self.policy.spec.to_json(),
                    "observation_digest": self.policy.spec.digest(),
                    "num_actions": self.policy.num_actions,
                    "action": self.action,
                    "task_config": self.task_config,
                    "lineage": self.lineage,
                    "weights_sha256": sha256(temporary / _WEIGHTS),
                },
            )
        return folder

    @staticmethod
    def load(folder: str | Path, device: str | torch.device = "cpu") -> PolicyBundle:
        """Rebuild a policy from its folder. Runs no code from it.

        Raises:
            BundleError: when files are missing, damaged or of a newer schema.
        """
        folder = Path(folder)
        if not (folder / _CARD).is_file() or not (folder / _WEIGHTS).is_file():
            raise BundleError(
                f"a policy bundle (a folder with {_CARD} and {_WEIGHTS})",
                f"{folder}, which {'lacks them' if folder.exists() else 'does not exist'}",
                "check the path; 'robo-ts pipeline' writes them to RUN/teacher/bundle and "
                "RUN/student/bundle",
            )
        try:
            card = read_json(folder / _CARD)
            return _rebuild(folder, card, device)
        except BundleError:
            raise
        except RoboTSError as error:
            raise BundleError(
                f"an undamaged policy bundle in {folder}",
                f"{error.got}, not {error.expected}",
                _ANEW,
            ) from error
        except (
            SafetensorError,
            AttributeError,
            KeyError,
            OSError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            raise BundleError(
                f"an undamaged policy bundle in {folder}",
                f"{type(error).__name__}: {error}",
                _ANEW,
            ) from error

    def digest(self) -> str:
        """Hash of architecture, observation contract and weights; it names this very policy."""
        shape = json.dumps([_architecture(self.policy), self.policy.spec.digest()])
        digest = hashlib.sha256(shape.encode())
        for name, tensor in sorted(self.policy.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def check_fits(self, task: str, spec: ObservationSpec, num_actions: int) -> None:
        """Raise unless the policy can act in an environment with this contract.

        Raises:
            BundleError: naming what differs.
        """
        if self.task != task:
            raise BundleError(
                f"a policy of task {task!r}", f"one of task {self.task!r}", "give a fitting bundle"
            )
        mine = self.policy.spec
        missing = [name for name in mine if name not in spec]
        if missing:
            raise BundleError(
                f"the observation groups {list(mine)}, which the policy reads",
                f"a task that emits {list(spec)}",
                "use the version of the task the bundle was made with, or train anew",
            )
        theirs = spec.select(mine)
        if mine.digest() != theirs.digest():
            wrong = [name for name in mine if mine[name] != theirs[name]]
            raise BundleError(
                f"observation groups {wrong} as the policy was trained with: "
                f"{[mine[name].terms for name in wrong]}",
                f"{[theirs[name].terms for name in wrong]}",
                "use the version of the task the bundle was made with, or train anew",
            )
        if self.policy.num_actions != num_actions:
            raise BundleError(
                f"{num_actions} actions", f"{self.policy.num_actions}", "give a fitting bundle"
            )


def _check_kinds(folder: Path, card: dict[str, Any]) -> None:
    kinds = {"task": str, "action": dict, "task_config": dict, "lineage": dict}
    for name, kind in kinds.items():
        if not isinstance(card[name], kind):
            raise BundleError(
                f"an undamaged policy bundle in {folder}",
                f"a card whose {name!r} is a {type(card[name]).__name__}, not a {kind.__name__}",
                _ANEW,
            )


def _rebuild(folder: Path, card: dict[str, Any], device: str | torch.device) -> PolicyBundle:
    if card["schema"] > SCHEMA:
        raise BundleError(
            f"a bundle of schema {SCHEMA} or older", f"schema {card['schema']}", "update robo_ts"
        )
    _check_kinds(folder, card)
    if card["weights_sha256"] != sha256(folder / _WEIGHTS):
        raise BundleError(
            f"weights in {folder} with the hash their card names",
            "other bytes",
            "copy the bundle again from its source",
        )
    spec = ObservationSpec.from_json(card["observation"])
    policy = _network(card["architecture"], spec, int(card["num_actions"]))
    policy.load_state_dict(load_file(folder / _WEIGHTS), strict=True)
    policy.to(device).eval()
    return PolicyBundle(policy, card["task"], card["task_config"], card["action"], card["lineage"])


def _architecture(policy: Policy) -> dict[str, Any]:
    if isinstance(policy, adapter.AdapterPolicy | population.PopulationPolicy):
        return policy.architecture()
    return policy.config.architecture()


def _network(architecture: dict[str, Any], spec: ObservationSpec, num_actions: int) -> Policy:
    # A plain policy's card names no kind, as before there were others.
    if "kind" not in architecture:
        return Policy(PolicyConfig(**architecture), spec, num_actions)
    kinds = {adapter.KIND: adapter.rebuild, population.KIND: population.rebuild}
    kind = architecture["kind"]
    if kind not in kinds:
        known = ", ".join(kinds)
        raise BundleError(
            f"a policy of a kind this version knows ({known}, or none for a plain one)",
            repr(kind),
            "update robo_ts",
        )
    return kinds[kind](architecture, spec, num_actions)
