from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from robo_ts.errors import RoboTSError
from robo_ts.export import export_bundle, load
from robo_ts.export import onnx as exporter
from robo_ts.policies import PolicyBundle

KINDS = ["mlp", "gru", "lstm", "base", "state std", "constant std"]


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_the_file_acts_like_the_policy_at_any_batch_size(
    kind: str,
    batch: int,
    bundles: dict[str, PolicyBundle],
    exported: Callable[[str], Path],
):
    policy, runtime = bundles[kind].policy, load(exported(kind) / "policy.onnx")
    hidden = policy.initial_state(batch)
    runtime.reset(batch)
    for _ in range(20):
        x = torch.randn(batch, policy.spec.size()) * 2.0 + 1.0
        with torch.no_grad():
            action, hidden = policy.step_vector(x, hidden)
        np.testing.assert_allclose(runtime.act(x.numpy()), action.clamp(-1, 1), atol=1e-5)
        for got, true in zip(runtime.hidden, hidden, strict=True):
            np.testing.assert_allclose(got, true, atol=1e-5)


@pytest.mark.parametrize("kind", ["state std", "constant std"])
def test_a_standard_deviation_serves_learning_and_stays_out_of_the_file(
    kind: str, exported: Callable[[str], Path]
):
    runtime = load(exported(kind) / "policy.onnx")
    x = np.ones((2, 22), np.float32)
    actions = []
    for _ in range(2):
        runtime.reset(2)
        actions.append(runtime.act(x))
    np.testing.assert_array_equal(*actions)  # the mean acts, nothing is drawn
    graph = onnx.load(exported(kind) / "policy.onnx").graph
    assert not [t.name for t in graph.initializer if "std" in t.name]


def test_the_normaliser_is_inside_the_graph(
    bundles: dict[str, PolicyBundle], exported: Callable[[str], Path]
):
    blunt = copy.deepcopy(bundles["mlp"].policy)
    blunt.normalizer = nn.Identity()
    runtime = load(exported("mlp") / "policy.onnx")
    runtime.reset(5)
    x = torch.ones(5, blunt.spec.size())
    with torch.no_grad():
        without = blunt.step_vector(x)[0].clamp(-1, 1)
    assert np.abs(runtime.act(x.numpy()) - without.numpy()).max() > 1e-2


def test_the_action_clip_is_inside_the_graph(
    make_bundle: Callable[[str], PolicyBundle], tmp_path: Path
):
    bundle = make_bundle("mlp")
    with torch.no_grad():
        bundle.policy.head.weight.mul_(100.0)
    runtime = load(export_bundle(bundle, tmp_path).onnx_path)
    runtime.reset(50)
    x = torch.randn(50, bundle.policy.spec.size())
    with torch.no_grad():
        assert bundle.policy.step_vector(x)[0].abs().max() > 2.0
    action = runtime.act(x.numpy())
    assert action.min() == -1.0
    assert action.max() == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_one_file_holds_all_weights_as_float32(kind: str, exported: Callable[[str], Path]):
    folder = exported(kind)
    assert {p.name for p in folder.iterdir()} == {"policy.onnx", "policy.json", "golden.npz"}
    model = onnx.load(folder / "policy.onnx", load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    for tensor in model.graph.initializer:
        assert tensor.data_location == onnx.TensorProto.DEFAULT
        assert tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.INT64)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_and_outputs_are_those_of_the_contract(kind: str, exported: Callable[[str], Path]):
    folder = exported(kind)
    graph = onnx.load(folder / "policy.onnx").graph
    contract = json.loads((folder / "policy.json").read_text())
    for nodes, promised in ((graph.input, "inputs"), (graph.output, "outputs")):
        found = [
            (node.name, [d.dim_param or d.dim_value for d in node.type.tensor_type.shape.dim])
            for node in nodes
        ]
        assert found == [(t["name"], t["shape"]) for t in contract[promised]]


def test_the_contract_inside_is_the_contract_beside(exported: Callable[[str], Path]):
    folder = exported("lstm")
    (entry,) = onnx.load(folder / "policy.onnx").metadata_props
    assert entry.key == "robo_ts"
    assert json.loads(entry.value) == json.loads((folder / "policy.json").read_text())


def test_the_file_names_no_path_of_this_machine(exported: Callable[[str], Path]):
    content = (exported("lstm") / "policy.onnx").read_bytes()
    assert b"site-packages" not in content
    assert str(Path(exporter.__file__).parents[2]).encode() not in content


def test_exporting_is_silent(
    make_bundle: Callable[[str], PolicyBundle],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_bundle(make_bundle("gru"), tmp_path)
    assert capfd.readouterr() == ("", "")
    assert not [r for r in caplog.records if r.levelno >= logging.INFO]


def test_exporting_tells_what_it_wrote_and_leaves_the_bundle_alone(
    make_bundle: Callable[[str], PolicyBundle], tmp_path: Path
):
    bundle = make_bundle("gru")
    bundle.policy.train()
    before = bundle.digest()
    result = export_bundle(bundle, tmp_path / "new" / "folder")
    assert bundle.digest() == before
    assert bundle.policy.training
    assert result.onnx_path == tmp_path / "new" / "folder" / "policy.onnx"
    assert result.size_bytes == result.onnx_path.stat().st_size
    assert result.contract == json.loads(result.contract_path.read_text())
    assert result.seconds > 0


def test_a_bundles_own_folder_is_not_overwritten(
    make_bundle: Callable[[str], PolicyBundle], tmp_path: Path
):
    bundle = make_bundle("mlp")
    bundle.save(tmp_path / "student")
    with pytest.raises(RoboTSError, match="another folder"):
        export_bundle(bundle, tmp_path / "student")
    assert PolicyBundle.load(tmp_path / "student").digest() == bundle.digest()


def test_weights_that_are_not_finite_are_refused(
    make_bundle: Callable[[str], PolicyBundle], tmp_path: Path
):
    bundle = make_bundle("mlp")
    with torch.no_grad():
        bundle.policy.head.bias[1] = float("nan")
    with pytest.raises(RoboTSError, match=r"head\.bias"):
        export_bundle(bundle, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_fails_its_check_never_replaces_a_good_one(
    make_bundle: Callable[[str], PolicyBundle],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    good = export_bundle(make_bundle("mlp"), tmp_path)
    before = good.onnx_path.read_bytes(), good.contract_path.read_bytes()
    bundle = make_bundle("mlp")
    bundle.lineage = {"seed": 4}
    monkeypatch.setattr(exporter, "CHECK_TOLERANCE", -1.0)
    with pytest.raises(RoboTSError, match="batch size 1"):
        export_bundle(bundle, tmp_path)
    assert (good.onnx_path.read_bytes(), good.contract_path.read_bytes()) == before
    assert {p.name for p in tmp_path.iterdir()} == {"policy.onnx", "policy.json"}


def test_a_policy_torch_cannot_trace_gets_a_clear_error(
    make_bundle: Callable[[str], PolicyBundle], tmp_path: Path
):
    class Stubborn(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum().item() > 0.0 else -x

    bundle = make_bundle("mlp")
    bundle.policy.encoder = nn.Sequential(Stubborn(), *bundle.policy.encoder)
    with pytest.raises(RoboTSError, match=r"can trace\n +got GuardOnDataDependent.*\n +fix"):
        export_bundle(bundle, tmp_path)
