"""Plays an exported policy with numpy and onnxruntime; no torch, no simulator.

::

    policy = load("policy.onnx")
    policy.reset(n)
    action = policy.act(obs)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime

from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.export.contract import METADATA_KEY, SCHEMA

_REQUIRED = (
    ("observation", "input"),
    ("observation", "size"),
    ("observation", "terms"),
    ("action", "output"),
    ("action", "names"),
)
_REMAKE = "copy it again from its source or export the bundle anew"


class PolicyRuntimeError(RoboTSError):
    """An ONNX file that is no policy of ours, or input that does not keep its contract."""


def load(path: str | Path, threads: int = 1) -> Runtime:
    """Open an exported policy.

    Args:
        path: the ``policy.onnx`` file.
        threads: threads of one inference; these networks are too small to gain from more than one.

    Raises:
        PolicyRuntimeError: for a file that is missing, damaged, foreign or of a newer schema.
    """
    return Runtime(path, threads)


class Runtime:
    """An exported policy with its memory, for ``n`` robots at a time.

    Args:
        path: the ``policy.onnx`` file.
        threads: threads of one inference.

    Attributes:
        contract: what the policy expects and promises, see :mod:`robo_ts.export.contract`.
        observation_terms: the contract's terms in order: group, term, column, size, unit, frame.
        observation_size: length of the flat observation.
        images: the contract's images in order: group, shape, dtype; empty without cameras.
        action_names: names of the actions in order.
        num: number of robots of the last :meth:`reset`; 0 before.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        self._session = _open(Path(path), threads)
        self.contract: dict[str, Any] = _read_contract(self._session, Path(path))
        self.observation_terms: list[dict[str, Any]] = self.contract["observation"]["terms"]
        self.observation_size: int = self.contract["observation"]["size"]
        self.action_names: list[str] = self.contract["action"]["names"]
        self._groups: dict[str, list[dict[str, Any]]] = {}
        for term in self.observation_terms:
            self._groups.setdefault(term["group"], []).append(term)
        self.images: list[dict[str, Any]] = self.contract.get("images", [])
        self._input: str | None = self.contract["observation"]["input"]
        states = self.contract["hidden"] or {"inputs": [], "outputs": []}
        self._states: list[str] = states["inputs"]
        self._outputs: list[str] = [self.contract["action"]["output"], *states["outputs"]]
        self._initial = _initial(self.contract["hidden"], Path(path))
        self._hidden: list[np.ndarray] = []
        self.num = 0

    @property
    def groups(self) -> list[str]:
        """Names of the observation groups :meth:`act` reads, in order."""
        return [*self._groups, *(image["group"] for image in self.images)]

    @property
    def hidden(self) -> tuple[np.ndarray, ...]:
        """Copies of the memory, ``(layers, n, size)`` each: h of a GRU, h and c of an LSTM."""
        return tuple(part.copy() for part in self._hidden)

    def remember(self, hidden: Sequence[np.ndarray]) -> None:
        """Put back a memory that :attr:`hidden` gave.

        Raises:
            PolicyRuntimeError: for another number of arrays, or one of another shape.
        """
        wanted = [part.shape for part in self._hidden]
        given = [np.shape(part) for part in hidden]
        if given != wanted:
            raise PolicyRuntimeError(
                f"memory of the shapes {wanted}", str(given), "give what policy.hidden gave"
            )
        self._hidden = [np.array(part, dtype=np.float32) for part in hidden]

    def reset(self, n: int | None = None, mask: np.ndarray | None = None) -> None:
        """Start episodes: the memory of all robots, or of some, becomes what the contract says,
        zeros in most.

        Args:
            n: number of robots; all start anew. Left out: as many as before, one at first.
            mask: ``(n,)`` bool; only robots where it is true start anew.

        Raises:
            PolicyRuntimeError: for a count below one, a wrong mask, or both arguments at once.
        """
        if mask is not None:
            self._reset_rows(n, mask)
            return
        n = n if n is not None else max(self.num, 1)
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise PolicyRuntimeError("a number of robots >= 1", repr(n), "call reset(n)")
        self.num = int(n)
        self._hidden = [part.repeat(self.num, axis=1) for part in self._initial]

    def act(
        self, obs: np.ndarray | Mapping[str, Any], images: Mapping[str, Any] | None = None
    ) -> np.ndarray:
        """One control step.

        Args:
            obs: raw observations in the contract's units: one flat array ``(n,
                observation_size)``, or a mapping from group names to ``(n, group size)``, in which
                groups the policy does not read are ignored. Images are ``(n, channels, height,
                width)`` in the contract's dtype.
            images: the images by group, beside a flat array.

        Returns:
            Actions ``(n, number of actions)`` in [-1, 1], float32. The memory moves on by one step.

        Raises:
            PolicyRuntimeError: before the first reset, for a missing group, a wrong shape or kind
                of number, and for NaN or Inf; the memory then stays as it was.
        """
        if self.num == 0:
            raise PolicyRuntimeError(
                "a reset before the first step",
                "none",
                "call policy.reset(n) at every episode start",
            )
        feed = dict(zip(self._states, self._hidden, strict=True))
        if self._input is not None:
            feed[self._input] = self._flat(obs)
        for image in self.images:
            feed[image["input"]] = self._image(image, images if images is not None else obs)
        action, *hidden = cast(list[np.ndarray], self._session.run(self._outputs, feed))
        if not np.isfinite(action).all():
            raise PolicyRuntimeError(
                "finite actions",
                f"NaN or Inf in rows {_rows(action)}",
                "look for observations far outside their usual range",
            )
        self._hidden = hidden
        return action

    # -- input checks ------------------------------------------------------------------------------

    def _reset_rows(self, n: int | None, mask: Any) -> None:
        if n is not None or self.num == 0:
            raise PolicyRuntimeError(
                "a mask for robots that are already running",
                "a mask together with n" if n is not None else "a mask before the first reset",
                "call reset(n) first and reset(mask=mask) later",
            )
        mask = _array(mask, "mask")
        if mask.dtype != np.bool_ or mask.shape != (self.num,):
            raise PolicyRuntimeError(
                f"a bool mask of shape ({self.num},)",
                f"{mask.dtype} of shape {mask.shape}",
                "give one bool per robot, true where an episode starts",
            )
        for part, initial in zip(self._hidden, self._initial, strict=True):
            part[:, mask] = initial

    def _flat(self, obs: Any) -> np.ndarray:
        # Not isinstance(Mapping): a TensorDict has keys but is none.
        if not hasattr(obs, "keys"):
            return self._checked(obs, "obs", self.observation_terms)
        known, parts = list(obs.keys()), []
        for name, terms in self._groups.items():
            if name not in known:
                raise PolicyRuntimeError(
                    f"an observation group {name!r}",
                    f"groups {sorted(map(str, known))}",
                    did_you_mean(name, map(str, known)) if known else "give the contract's groups",
                )
            parts.append(self._checked(obs[name], f"group {name!r}", terms))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _image(self, image: dict[str, Any], given: Any) -> np.ndarray:
        name, shape = image["group"], (self.num, *image["shape"])
        known = list(given.keys()) if hasattr(given, "keys") else []
        if name not in known:
            raise PolicyRuntimeError(
                f"an image {name!r}",
                f"{sorted(map(str, known)) if known else 'a flat array alone'}",
                "give a mapping with all groups, or act(flat, images={name: array})",
            )
        array = _array(given[name], f"image {name!r}")
        # The network scales images by how they are stored, so no dtype may stand for another.
        if array.dtype != np.dtype(image["dtype"]) or array.shape != shape:
            raise PolicyRuntimeError(
                f"image {name!r} of shape {shape} (robots, channels, height, width) and dtype "
                f"{image['dtype']}",
                f"shape {array.shape} and dtype {array.dtype}",
                "give the camera's image as it was stored in training, not scaled",
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise PolicyRuntimeError(
                f"image {name!r} with finite numbers", "NaN or Inf", "0 stands for no depth"
            )
        return np.ascontiguousarray(array)

    def _checked(self, value: Any, what: str, terms: list[dict[str, Any]]) -> np.ndarray:
        array = _array(value, what)
        size = sum(term["size"] for term in terms)
        if array.dtype.kind not in "fiu":
            raise PolicyRuntimeError(
                f"{what} of real numbers (float32)", f"dtype {array.dtype}", "convert it to float32"
            )
        if array.shape != (self.num, size):
            raise PolicyRuntimeError(
                f"{what} of shape ({self.num}, {size}): {', '.join(t['term'] for t in terms)}",
                f"shape {array.shape}",
                "give one row per robot of the last reset(n); a single observation needs obs[None]",
            )
        with np.errstate(over="ignore"):  # what overflows becomes Inf and is refused below
            array = np.ascontiguousarray(array, dtype=np.float32)
        if not np.isfinite(array).all():
            raise PolicyRuntimeError(
                f"{what} with finite numbers",
                f"NaN or Inf in {', '.join(_bad_terms(array, terms))}, rows {_rows(array)}",
                "mend the sensor or the estimator; a NaN would stay in the policy's memory",
            )
        return array


def _array(value: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors of a GPU
        raise PolicyRuntimeError(
            f"{what} as a numpy array",
            f"{type(value).__name__}: {error}",
            "convert it with numpy.asarray, a tensor with .detach().cpu().numpy()",
        ) from error


def _bad_terms(array: np.ndarray, terms: list[dict[str, Any]]) -> list[str]:
    first = terms[0]["column"]
    columns = {first + int(i) for i in np.nonzero(~np.isfinite(array))[1]}
    return [t["term"] for t in terms if columns & set(range(t["column"], t["column"] + t["size"]))]


def _rows(array: np.ndarray) -> list[int]:
    return np.flatnonzero(~np.isfinite(array).all(axis=1))[:5].tolist()


# -- the file --------------------------------------------------------------------------------------


def _open(path: Path, threads: int) -> onnxruntime.InferenceSession:
    if threads < 1:
        raise PolicyRuntimeError("threads >= 1", str(threads), "use 1 for small networks")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise PolicyRuntimeError(
            "an ONNX file", f"{path}, which {what}", "give the path of a policy.onnx"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised below
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise PolicyRuntimeError(
            f"an undamaged ONNX file {path}", f"{type(error).__name__}: {error}", _REMAKE
        ) from error


def _initial(hidden: dict[str, Any] | None, path: Path) -> list[np.ndarray]:
    """What the memory begins with, ``(layers, 1, size)`` per part."""
    if hidden is None:
        return []
    layers, _, size = hidden["shape"]
    if "initial" not in hidden:
        return [np.zeros((layers, 1, size), np.float32) for _ in hidden["inputs"]]
    given = hidden["initial"]
    try:
        parts = [np.asarray(given[name], np.float32) for name in hidden["inputs"]]
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyRuntimeError(
            f"the initial memory of {', '.join(hidden['inputs'])} in {path}",
            f"{type(error).__name__}: {error}",
            _REMAKE,
        ) from error
    if any(p.shape != (layers, size) or not np.isfinite(p).all() for p in parts):
        raise PolicyRuntimeError(
            f"an initial memory of {layers} x {size} finite numbers in {path}",
            f"shapes {[p.shape for p in parts]}",
            _REMAKE,
        )
    return [part[:, None] for part in parts]


def _read_contract(session: onnxruntime.InferenceSession, path: Path) -> dict[str, Any]:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise PolicyRuntimeError(
            f"a policy with a contract under the metadata key {METADATA_KEY!r}",
            f"{path} without one",
            "export it with robo_ts.export.export_bundle",
        )
    try:
        contract = json.loads(text)
        schema = contract["schema"]
        if schema > SCHEMA:
            raise PolicyRuntimeError(
                f"a contract of schema {SCHEMA} or older", f"schema {schema}", "update robo_ts"
            )
        missing = [f"{k}.{e}" for k, e in _REQUIRED if e not in contract[k]]
        if missing or "hidden" not in contract:
            raise KeyError(", ".join(missing) or "hidden")
        for key, nodes in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            promised = {t["name"]: t["shape"] for t in contract[key]}
            found = {node.name: node.shape for node in nodes}
            if promised != found:
                raise PolicyRuntimeError(f"{key} {promised} in {path}", str(found), _REMAKE)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise PolicyRuntimeError(
            f"an undamaged contract in {path}", f"{type(error).__name__}: {error}", _REMAKE
        ) from error
    return contract
