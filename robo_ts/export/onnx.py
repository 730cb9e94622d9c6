"""A policy as one ONNX file: normaliser, network, memory step and action clip."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from robo_ts.errors import RoboTSError
from robo_ts.export.contract import (
    ACTION,
    CONTRACT_FILE,
    METADATA_KEY,
    OBSERVATION,
    ONNX_FILE,
    build_contract,
    image_input,
    state_inputs,
    state_outputs,
)
from robo_ts.export.runtime import load
from robo_ts.files import atomic_path, write_json
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.policies.normalizer import Normalizer

OPSET = 18
CHECKED_BATCHES = (1, 7)
CHECK_TOLERANCE = 1e-4


@dataclass(frozen=True)
class ExportResult:
    """What :func:`export_bundle` wrote.

    Attributes:
        onnx_path: the policy; the contract is inside it too.
        contract_path: the contract beside it.
        contract: the contract as plain data.
        size_bytes: size of the ONNX file.
        seconds: how long the export took.
    """

    onnx_path: Path
    contract_path: Path
    contract: dict[str, Any]
    size_bytes: int
    seconds: float


def export_bundle(bundle: PolicyBundle, folder: str | Path) -> ExportResult:
    """Write ``policy.onnx`` and ``policy.json``.

    The graph takes the raw, concatenated vectors ``obs (batch, n)`` in the contract's order, every
    camera's image ``image.<group> (batch, channels, height, width)`` as it is stored, and for
    policies with memory ``h_in`` (and ``c_in``) ``(layers, batch, size)``. It gives
    ``action (batch, num_actions)``, clipped as the policy's config says, and ``h_out`` (and
    ``c_out``). All but images are float32 and the batch is free. A standard deviation is left out:
    what acts is the mean. The file is compared with the policy before it gets its name.

    Args:
        bundle: the policy to export; it is left untouched.
        folder: where to write; made when missing. It must not be a bundle's own folder.

    Raises:
        RoboTSError: for weights that are not finite, a folder that holds a bundle, a policy torch
            cannot export, or a file that does not act like the policy.
    """
    began = time.perf_counter()
    folder = Path(folder)
    _check_folder(folder)
    # A copy, because tracing assigns to the memory's weight list, and the CPU is the reference.
    policy = copy.deepcopy(bundle.policy).cpu().float().eval()
    _check_finite(policy)
    contract = build_contract(bundle)
    model = _graph(policy)
    contract_path, onnx_path = folder / CONTRACT_FILE, folder / ONNX_FILE
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(contract)})
    onnx.checker.check_model(model)
    with atomic_path(onnx_path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        _check_against(policy, temporary)
    write_json(contract_path, contract)
    size = onnx_path.stat().st_size
    return ExportResult(onnx_path, contract_path, contract, size, time.perf_counter() - began)


class _Step(nn.Module):
    """One control step with flat tensors in and out, as the graph sees it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        # Vectors (where there are any), images, memory; as :func:`_inputs` has them.
        rest = list(inputs)
        # Not len(), by which the exporter would fix the batch.
        nothing = torch.zeros(inputs[0].shape[0], 0)
        x = rest.pop(0) if self.policy.spec.vectors() else nothing
        count = len(self.policy.images)
        action, after = self.policy.step_vector(x, tuple(rest[count:]), rest[:count])
        return self.policy.clip(action), *after


def _inputs(policy: Policy, batch: int, generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
    """Vectors ``(batch, size)`` like the ones seen in training, and images of noise."""
    size = policy.spec.select(policy.spec.vectors()).size()
    x = torch.randn(batch, size, generator=generator)
    if isinstance(policy.normalizer, Normalizer):
        x = policy.normalizer.mean + policy.normalizer.scale * x
    images = []
    for name in policy.spec.images():
        group = policy.spec[name]
        # Noise of 8 bits for colours, of 16 for depth maps, up to 3 m for depth in metres.
        noise = torch.rand(batch, *group.image, generator=generator)
        scale = {"uint8": 255.0, "uint16": 65535.0}.get(group.dtype, 3.0)
        images.append((noise * scale).to(getattr(torch, group.dtype)))
    return x, images


def _graph(policy: Policy) -> onnx.ModelProto:
    kind = policy.config.memory
    hidden = policy.initial_state(2)
    x, images = _inputs(policy, 2, torch.Generator().manual_seed(0))
    vectors = [x] if policy.spec.vectors() else []
    batch = torch.export.Dim("batch", min=1)
    shapes = tuple({0: batch} for _ in [*vectors, *images]) + tuple({1: batch} for _ in hidden)
    names = [OBSERVATION] * len(vectors) + [image_input(name) for name in policy.spec.images()]
    with _quiet():
        try:
            program = torch.onnx.export(
                _Step(policy).eval(),
                (*vectors, *images, *hidden),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=[*names, *state_inputs(kind)],
                output_names=[ACTION, *state_outputs(kind)],
                dynamic_shapes=(shapes,),
                verbose=False,
            )
        except Exception as error:  # the exporter raises whatever its passes raise
            cause = error.__cause__ or error  # its own message is a page of advice
            first_line = str(cause).strip().partition("\n")[0]
            raise RoboTSError(
                "a policy that torch.onnx.export can trace",
                f"{type(cause).__name__}: {first_line}",
                "use the layers of robo_ts.policies, or compare the torch and onnxscript versions "
                "with pyproject.toml",
            ) from error
    assert program is not None
    model = program.model_proto
    _strip_traces(model.graph)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress lines, log records and warnings off the user's terminal."""
    level = logging.root.manager.disable
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(level)


def _strip_traces(graph: onnx.GraphProto) -> None:
    """Drop torch's per-node stack traces: they name files of this machine."""
    for group in (graph.node, graph.value_info, graph.input, graph.output, graph.initializer):
        for item in group:
            item.ClearField("doc_string")
            del item.metadata_props[:]
    graph.ClearField("doc_string")
    del graph.metadata_props[:]


# -- checks ----------------------------------------------------------------------------------------


def _check_folder(folder: Path) -> None:
    if (folder / "policy.safetensors").exists():
        raise RoboTSError(
            "a folder for the export alone",
            f"{folder}, which holds a policy bundle whose policy.json would be overwritten",
            "export to another folder, for example RUN/export",
        )


def _check_finite(policy: Policy) -> None:
    for name, tensor in policy.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise RoboTSError(
                "finite weights", f"NaN or Inf in {name}", "export an earlier, sound checkpoint"
            )


def _check_against(policy: Policy, path: Path) -> None:
    """Two steps with inputs like the ones seen in training, at several batch sizes."""
    generator = torch.Generator().manual_seed(0)
    runtime = load(path)
    for batch in CHECKED_BATCHES:
        runtime.reset(batch)
        hidden = policy.initial_state(batch)
        for _ in range(2):
            x, images = _inputs(policy, batch, generator)
            with torch.no_grad():
                action, hidden = policy.step_vector(x, hidden, images)
            seen = {n: i.numpy() for n, i in zip(policy.spec.images(), images, strict=True)}
            got = runtime.act(x.numpy(), seen)
            difference = np.abs(got - policy.clip(action).numpy()).max()
            if not difference <= CHECK_TOLERANCE:
                raise RoboTSError(
                    f"an ONNX file whose actions are within {CHECK_TOLERANCE} of the policy's",
                    f"a difference of {difference:.3g} at batch size {batch}",
                    "compare the torch, onnxscript and onnxruntime versions with pyproject.toml",
                )
