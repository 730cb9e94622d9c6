"""Policies with cameras: one input per camera, as it is stored, in the file, trace and runtime."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from robo_ts.env import TaskEnv, make_env
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.envs.quadrotor.groups import PROPRIOCEPTION
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.actors import OnnxActor
from robo_ts.export import (
    ExportMismatch,
    PolicyRuntimeError,
    Runtime,
    compare_closed_loop,
    export_bundle,
    load,
    record_golden,
    replay_golden,
)
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.sim import EngineConfig

SHAPES = {"rgb": (3, 12, 16), "depth": (1, 12, 16)}
RGB = ObservationGroup("rgb", (Term("colour", 576),), True, image=SHAPES["rgb"])
SPECS: dict[str, list[ObservationGroup]] = {
    "vectors and colour": [RGB, PROPRIOCEPTION],
    "depth alone": [ObservationGroup("depth", (Term("m", 192),), True, SHAPES["depth"], "float16")],
    "two cameras": [
        RGB,
        ObservationGroup("depth", (Term("mm", 192),), True, SHAPES["depth"], "uint16"),
    ],
}


def bundle_of(kind: str, **config: Any) -> PolicyBundle:
    torch.manual_seed(3)
    settings: dict[str, Any] = {
        "encoder": [16],
        "memory": "none" if kind == "depth alone" else "gru",
        "memory_size": 8,
        "channels": [4, 4],
        "image_features": 8,
        "std": "state",
    }
    policy = Policy(PolicyConfig(**(settings | config)), ObservationSpec(SPECS[kind]), 4).eval()
    if isinstance(policy.normalizer, Normalizer):
        policy.normalizer.update(torch.randn(64, 22) * 2.0 + 1.0)
    return PolicyBundle(policy, "quadrotor")


def frames(spec: ObservationSpec, num: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    high = {"uint8": 256, "uint16": 65536, "float16": 3}
    return {
        name: rng.integers(0, high[spec[name].dtype], (num, *spec[name].image)).astype(
            spec[name].dtype
        )
        for name in spec.images()
    }


def observation(spec: ObservationSpec, num: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = {n: rng.normal(size=(num, spec[n].size)).astype("f4") for n in spec.vectors()}
    return vectors | frames(spec, num, seed)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {kind: tmp_path_factory.mktemp("images") for kind in SPECS}
    for kind, folder in made.items():
        export_bundle(bundle_of(kind), folder)
    return made


@pytest.fixture
def runtime(folders: dict[str, Path]) -> Runtime:
    return load(folders["vectors and colour"] / "policy.onnx")


@pytest.fixture(scope="module")
def camera_env() -> Iterator[TaskEnv]:
    """A quadrotor whose camera shows where it is: a picture that depends on what it does."""
    env = make_env("quadrotor", 4, engine=EngineConfig(threads=1))
    env.spec = ObservationSpec([*env.spec.values(), RGB])
    observe = env._observe

    def with_camera(env_ids: Tensor | None = None) -> dict[str, Tensor]:
        seen = observe(env_ids)
        grey = (seen["proprioception"][:, :12].tanh() * 127 + 128).to(torch.uint8)
        return seen | {"rgb": grey[:, None, :, None].expand(-1, *RGB.image).clone()}

    env._observe = with_camera  # type: ignore[method-assign]
    yield env
    env.close()


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("kind", SPECS)
def test_the_file_acts_like_the_policy_on_what_cameras_store(
    kind: str, batch: int, folders: dict[str, Path]
):
    policy, runtime = bundle_of(kind).policy, load(folders[kind] / "policy.onnx")
    hidden = policy.initial_state(batch)
    runtime.reset(batch)
    actions = []
    for step in range(5):
        obs = observation(policy.spec, batch, step)
        action, hidden = policy.act({n: torch.from_numpy(v) for n, v in obs.items()}, hidden)
        actions.append(runtime.act(obs))
        np.testing.assert_allclose(actions[-1], action.numpy(), atol=1e-5)
    assert np.abs(actions[0] - actions[1]).max() > 1e-4


def test_every_camera_is_an_input_of_its_own_kind(folders: dict[str, Path]):
    graph = onnx.load(folders["two cameras"] / "policy.onnx").graph
    kinds = {
        n.name: onnx.helper.tensor_dtype_to_np_dtype(n.type.tensor_type.elem_type).name
        for n in graph.input
    }
    assert kinds == {"image.rgb": "uint8", "image.depth": "uint16", "h_in": "float32"}
    runtime = load(folders["two cameras"] / "policy.onnx")
    assert runtime.groups == ["rgb", "depth"]
    assert runtime.contract["schema"] == 2
    assert runtime.contract["observation"]["input"] is None
    assert [(i["shape"], i["dtype"]) for i in runtime.images] == [
        ([3, 12, 16], "uint8"),
        ([1, 12, 16], "uint16"),
    ]


def test_the_terms_are_those_of_the_vectors(runtime: Runtime):
    assert runtime.observation_size == PROPRIOCEPTION.size
    assert {term["group"] for term in runtime.observation_terms} == {"proprioception"}


def test_a_flat_vector_beside_images_equals_all_groups(runtime: Runtime):
    obs = observation(bundle_of("vectors and colour").policy.spec, 3)
    runtime.reset(3)
    named = runtime.act(obs)
    runtime.reset(3)
    np.testing.assert_array_equal(
        runtime.act(obs["proprioception"], images={"rgb": obs["rgb"]}), named
    )


def test_file_and_policy_agree_in_closed_loop(
    folders: dict[str, Path], camera_env: TaskEnv, tmp_path: Path
):
    bundle, folder = bundle_of("vectors and colour"), tmp_path / "export"
    shutil.copytree(folders["vectors and colour"], folder)
    found = compare_closed_loop(bundle, folder / "policy.onnx", camera_env, 60, seed=1)
    assert found.max_abs_diff < 1e-5 and found.episodes > 0
    golden = np.load(record_golden(bundle, camera_env, 20, folder=folder))
    assert golden["image.rgb"].shape == (20, 4, 3, 12, 16)
    assert golden["image.rgb"].dtype == np.uint8
    assert replay_golden(folder) < 1e-5
    arrays = dict(golden)
    np.savez(folder / "golden.npz", **(arrays | {"image.rgb": 255 - arrays["image.rgb"]}))
    assert replay_golden(folder) > 1e-3
    del arrays["image.rgb"]
    np.savez(folder / "golden.npz", **arrays)
    with pytest.raises(RoboTSError, match=r"with image\.rgb"):
        replay_golden(folder)


def test_a_camera_upside_down_is_caught(
    folders: dict[str, Path], camera_env: TaskEnv, monkeypatch: pytest.MonkeyPatch
):
    image = Runtime._image
    monkeypatch.setattr(Runtime, "_image", lambda self, *a: image(self, *a)[:, :, ::-1].copy())
    with pytest.raises(ExportMismatch):
        path = folders["vectors and colour"] / "policy.onnx"
        compare_closed_loop(bundle_of("vectors and colour"), path, camera_env, 40)


def test_the_file_flies_as_an_actor(runtime: Runtime, camera_env: TaskEnv):
    actor = OnnxActor(runtime, torch.device("cpu"))
    actor.begin(4)
    assert actor.act(camera_env.reset(seed=0)).shape == (4, 4)


BAD: dict[str, tuple[Callable[[dict[str, np.ndarray]], Any], str]] = {
    "scaled": (lambda o: o | {"rgb": o["rgb"] / 255.0}, "dtype uint8(.|\n)*float64"),
    "channels last": (
        lambda o: o | {"rgb": o["rgb"].transpose(0, 2, 3, 1)},
        r"\(2, 3, 12, 16\)(.|\n)*\(2, 12, 16, 3\)",
    ),
    "missing": (lambda o: {"proprioception": o["proprioception"]}, "an image 'rgb'"),
    "flat alone": (lambda o: o["proprioception"], "a flat array alone"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_images_get_a_clear_error_and_leave_the_memory(runtime: Runtime, case: str):
    spoil, said = BAD[case]
    obs = observation(bundle_of("vectors and colour").policy.spec, 2)
    runtime.reset(2)
    runtime.act(obs)
    (before,) = runtime.hidden
    with pytest.raises(PolicyRuntimeError, match=said):
        runtime.act(spoil(obs))
    np.testing.assert_array_equal(runtime.hidden[0], before)


def test_depth_that_is_not_finite_is_refused(folders: dict[str, Path]):
    runtime = load(folders["depth alone"] / "policy.onnx")
    runtime.reset(1)
    depth = np.full((1, *SHAPES["depth"]), np.nan, np.float16)
    with pytest.raises(PolicyRuntimeError, match="image 'depth' with finite numbers"):
        runtime.act({"depth": depth})
