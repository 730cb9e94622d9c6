"""What an exported policy expects and promises, as plain data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from robo_ts import __version__
from robo_ts.errors import RoboTSError

if TYPE_CHECKING:  # the runtime reads this file's constants without torch
    from robo_ts.env.observations import ObservationSpec
    from robo_ts.policies import Policy, PolicyBundle

SCHEMA = 3  # 2 knows images, 3 a memory that does not begin with zeros
METADATA_KEY = "robo_ts"
ONNX_FILE, CONTRACT_FILE, GOLDEN_FILE = "policy.onnx", "policy.json", "golden.npz"
OBSERVATION, ACTION = "obs", "action"
_STATES = {"none": (), "gru": ("h",), "lstm": ("h", "c")}


def state_inputs(kind: str) -> list[str]:
    """Names of the graph's memory inputs: none, ``h_in``, or ``h_in`` and ``c_in``."""
    return [f"{state}_in" for state in _STATES[kind]]


def state_outputs(kind: str) -> list[str]:
    """Names of the graph's memory outputs, in the order of :func:`state_inputs`."""
    return [f"{state}_out" for state in _STATES[kind]]


def build_contract(bundle: PolicyBundle) -> dict[str, Any]:
    """The contract of a bundle's exported policy: JSON-ready, numbers at full precision.

    Args:
        bundle: the policy and what is known of it.

    Returns:
        ``schema``, ``robo_ts`` (version), ``task``, ``task_config``, ``observation``, ``action``,
        ``hidden`` (None without memory), ``inputs``, ``outputs``, ``policy_digest``, ``lineage``;
        with cameras also ``images``; with a learnt initial state ``hidden.initial``, its values by
        memory input, ``(layers, size)`` each.
        A NaN in the lineage becomes None, which JSON can say.

    Raises:
        RoboTSError: when the bundle's action contract does not describe the policy's actions, or
            the bundle carries something that is not plain data.
    """
    policy = bundle.policy
    action, hidden = _action(bundle), _hidden(policy)
    states = hidden or {"inputs": [], "outputs": [], "shape": []}
    vectors, images = policy.spec.select(policy.spec.vectors()), _images(policy.spec)
    contract = {
        "schema": 3 if "initial" in (hidden or {}) else 2 if images else 1,
        "robo_ts": __version__,
        "task": bundle.task,
        "task_config": bundle.task_config,
        "observation": {
            "input": OBSERVATION if len(vectors) else None,
            "size": vectors.size(),
            "terms": _terms(vectors),
        },
        **({"images": images} if images else {}),
        "action": action,
        "hidden": hidden,
        "inputs": [
            *([_tensor(OBSERVATION, ["batch", vectors.size()])] if len(vectors) else []),
            *(_tensor(one["input"], ["batch", *one["shape"]], one["dtype"]) for one in images),
            *(_tensor(name, states["shape"]) for name in states["inputs"]),
        ],
        "outputs": [
            _tensor(ACTION, ["batch", policy.num_actions]),
            *(_tensor(name, states["shape"]) for name in states["outputs"]),
        ],
        "policy_digest": bundle.digest(),
        "lineage": bundle.lineage,
    }
    try:
        return json.loads(json.dumps(contract), parse_constant=lambda _: None)
    except (TypeError, ValueError) as error:
        raise RoboTSError(
            "a bundle whose task config, action contract and lineage are plain data",
            str(error),
            "keep numbers, strings, lists and dicts in them",
        ) from error


def image_input(group: str) -> str:
    """Name of the graph's input for an image group."""
    return f"image.{group}"


def _tensor(name: str, shape: list[int | str], dtype: str = "float32") -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "dtype": dtype}


def _images(spec: ObservationSpec) -> list[dict[str, Any]]:
    return [
        {
            "group": name,
            "input": image_input(name),
            "shape": list(spec[name].image),
            "dtype": spec[name].dtype,
            "deployable": spec[name].deployable,
        }
        for name in spec.images()
    ]


def _terms(spec: ObservationSpec) -> list[dict[str, Any]]:
    terms, column = [], 0
    for group in spec.values():
        for term in group.terms:
            terms.append(
                {
                    "group": group.name,
                    "term": term.name,
                    "column": column,
                    "size": term.size,
                    "unit": term.unit,
                    "frame": term.frame,
                    "deployable": group.deployable,
                }
            )
            column += term.size
    return terms


def _action(bundle: PolicyBundle) -> dict[str, Any]:
    size, bound = bundle.policy.num_actions, bundle.policy.config.action_clip
    clip = [-bound, bound] if bound else None
    action = {
        "names": [f"action_{i}" for i in range(size)],
        "meaning": "",
        "unit": "1",
        "low": [clip[0] if clip else None] * size,
        "high": [clip[1] if clip else None] * size,
        "rate_hz": None,
        **bundle.action,
    }
    for key in ("names", "low", "high"):
        if len(action[key]) != size:
            raise RoboTSError(
                f"an action contract with {size} {key}, one per action of the policy",
                f"{len(action[key])}: {action[key]}",
                "give the bundle the action_contract() of the task it was made for",
            )
    return {"output": ACTION, "size": size, "clip": clip, **action}


def _hidden(policy: Policy) -> dict[str, Any] | None:
    if policy.memory is None:
        return None
    kind = policy.memory.kind
    begins = "zeros" if policy.memory.start is None else "hidden.initial"
    initial = {} if policy.memory.start is None else {"initial": _initial(policy)}
    return {
        "kind": kind,
        "inputs": state_inputs(kind),
        "outputs": state_outputs(kind),
        "shape": [policy.memory.layers, "batch", policy.memory.size],
        "dtype": "float32",
        "reset": f"{begins} at every episode start",
        **initial,
    }


def _initial(policy: Policy) -> dict[str, list[list[float]]]:
    """What the memory begins with, by memory input."""
    names = state_inputs(policy.config.memory)
    parts = policy.initial_state(1)
    return {name: part[:, 0].tolist() for name, part in zip(names, parts, strict=True)}
