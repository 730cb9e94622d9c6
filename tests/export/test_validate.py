from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from robo_ts.env import TaskEnv, make_env
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.export import (
    ExportMismatch,
    compare_closed_loop,
    export_bundle,
    load,
    record_golden,
    replay_golden,
)
from robo_ts.export.runtime import Runtime
from robo_ts.policies import PolicyBundle
from robo_ts.sim import EngineConfig

KINDS = ["mlp", "gru", "lstm", "base"]


def bend_one_weight(path: Path, amount: float) -> None:
    """Change one number of the head."""
    model = onnx.load(path)
    (weight,) = (t for t in model.graph.initializer if t.name.endswith("head.bias"))
    values = numpy_helper.to_array(weight).copy()
    values[2] += amount
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, path)


@pytest.fixture
def copied(exported: Callable[[str], Path], tmp_path: Path) -> Path:
    """A GRU's export that may be spoilt."""
    return shutil.copytree(exported("gru"), tmp_path / "export")


@pytest.mark.parametrize("kind", KINDS)
def test_the_golden_trace_is_repeated(kind: str, exported: Callable[[str], Path]):
    assert replay_golden(exported(kind)) < 1e-5


def test_the_golden_trace_is_repeated_without_torch(exported: Callable[[str], Path]):
    code = (
        "import sys; sys.modules['torch'] = sys.modules['mujoco'] = None; "
        "from robo_ts.export import replay_golden; print(replay_golden(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported("lstm"))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 1e-5


def test_the_golden_trace_has_memory_before_and_after_each_step(exported: Callable[[str], Path]):
    golden = np.load(exported("lstm") / "golden.npz")
    assert golden["observations"].shape == (64, 4, 22)
    assert golden["actions"].shape == (64, 4, 4)
    assert golden["starts"].shape == (64, 4)
    for part in "hc":
        before, after = golden[f"{part}_in"], golden[f"{part}_out"]
        assert before.shape == after.shape == (64, 2, 4, 8)
        assert not before.transpose(0, 2, 1, 3)[golden["starts"]].any()
        went_on = ~golden["starts"][1:]
        np.testing.assert_array_equal(
            before[1:].transpose(0, 2, 1, 3)[went_on], after[:-1].transpose(0, 2, 1, 3)[went_on]
        )


def test_an_episode_starts_within_the_trace_even_when_none_ends(
    bundles: dict[str, PolicyBundle], tmp_path: Path
):
    endless = QuadrotorConfig(limit_arms=1e9, limit_velocity=1e9, limit_angular_velocity=1e9)
    env = make_env("quadrotor", 3, endless, EngineConfig(threads=1))
    starts = np.load(record_golden(bundles["gru"], env, 20, folder=tmp_path))["starts"]
    env.close()
    assert starts[0].all()
    assert np.argwhere(starts[1:]).tolist() == [[9, 0]]


def test_a_trace_of_too_few_steps_is_refused(
    bundles: dict[str, PolicyBundle], env: TaskEnv, tmp_path: Path
):
    with pytest.raises(RoboTSError, match="at least 2 steps"):
        record_golden(bundles["gru"], env, 1, folder=tmp_path)


def test_replaying_shows_a_corrupted_weight(copied: Path):
    bend_one_weight(copied / "policy.onnx", 0.05)
    assert replay_golden(copied) > 1e-2


def test_rounding_does_not_grow_in_a_policy_that_is_unstable_by_itself(
    bundles: dict[str, PolicyBundle], tmp_path: Path
):
    bundle = copy.deepcopy(bundles["gru"])
    with torch.no_grad():
        for name, weight in bundle.policy.named_parameters():
            weight.mul_(20.0 if "weight_hh" in name else 1.0)
    export_bundle(bundle, tmp_path)
    endless = QuadrotorConfig(limit_arms=1e9, limit_velocity=1e9, limit_angular_velocity=1e9)
    env = make_env("quadrotor", 4, endless, EngineConfig(threads=1))
    record_golden(bundle, env, 300, folder=tmp_path)
    env.close()
    golden = np.load(tmp_path / "golden.npz")
    alone = Runtime(tmp_path / "policy.onnx")
    alone.reset(4)
    apart = 0.0
    for seen, true, starts in zip(
        golden["observations"], golden["actions"], golden["starts"], strict=True
    ):
        alone.reset(mask=starts)
        apart = max(apart, float(np.abs(alone.act(seen) - true).max()))
    assert apart > 1e-3
    assert replay_golden(tmp_path) < 1e-4


def test_a_memory_of_another_shape_is_refused(exported: Callable[[str], Path]):
    runtime = Runtime(exported("lstm") / "policy.onnx")
    runtime.reset(2)
    kept = runtime.hidden
    runtime.act(np.ones((2, 22), dtype=np.float32))
    runtime.remember(kept)
    assert all((now == then).all() for now, then in zip(runtime.hidden, kept, strict=True))
    with pytest.raises(RoboTSError, match="memory of the shapes"):
        runtime.remember(kept[:1])


def test_a_damaged_trace_gets_a_clear_error(copied: Path):
    path = copied / "golden.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RoboTSError, match="readable golden trace"):
        replay_golden(copied)
    path.unlink()
    with pytest.raises(RoboTSError, match="record it anew"):
        replay_golden(copied)
    np.savez(path, observations=np.zeros((2, 1, 22)))
    with pytest.raises(RoboTSError, match="actions, h_in, h_out"):
        replay_golden(copied)


def test_a_trace_of_another_policy_is_refused(copied: Path, exported: Callable[[str], Path]):
    shutil.copy(exported("mlp") / "policy.onnx", copied)
    with pytest.raises(RoboTSError, match="of one policy"):
        replay_golden(copied)


def test_a_comparison_tells_what_was_compared(
    bundles: dict[str, PolicyBundle], exported: Callable[[str], Path], env: TaskEnv
):
    found = compare_closed_loop(bundles["lstm"], exported("lstm") / "policy.onnx", env, 80, seed=2)
    assert found.max_abs_diff < 1e-5
    assert 0.0 < found.max_hidden_diff < 1e-5
    assert (found.steps_compared, found.worlds) == (80, env.num_envs)
    assert found.episodes > 0


def test_memory_that_is_not_cleared_at_an_episodes_end_is_a_mismatch(
    bundles: dict[str, PolicyBundle],
    exported: Callable[[str], Path],
    env: TaskEnv,
    monkeypatch: pytest.MonkeyPatch,
):
    whole = Runtime.reset

    def forgetful(self: Runtime, num: int = 1, mask: np.ndarray | None = None) -> None:
        if mask is None:
            whole(self, num)

    monkeypatch.setattr(Runtime, "reset", forgetful)
    with pytest.raises(ExportMismatch, match="cleared at episode ends"):
        compare_closed_loop(bundles["gru"], exported("gru") / "policy.onnx", env, 80, seed=2)


def test_rounding_that_only_grows_in_open_loop_is_no_mismatch(
    make_bundle: Callable[[str], PolicyBundle], env: TaskEnv, tmp_path: Path
):
    bundle = make_bundle("gru")
    with torch.no_grad():
        for name, weight in bundle.policy.named_parameters():
            if "_hh" in name and weight.dim() == 2:
                weight.mul_(30.0)  # its memory is chaotic,
            if "_ih" in name and weight.dim() == 2:
                weight.mul_(0.1)  # whatever it sees
    export_bundle(bundle, tmp_path)
    one, other = load(tmp_path / "policy.onnx"), load(tmp_path / "policy.onnx")
    obs = env.reset(seed=2)["proprioception"].numpy()
    for runtime, first in ((one, obs), (other, obs + np.float32(1e-5))):
        runtime.reset(env.num_envs)
        runtime.act(first)
    apart = [float(np.abs(one.act(obs) - other.act(obs)).max()) for _ in range(80)]
    assert max(apart) > 1e-3
    compare_closed_loop(bundle, tmp_path / "policy.onnx", env, 80, seed=2)


def test_a_mismatch_names_the_step_the_world_and_the_action(
    bundles: dict[str, PolicyBundle], copied: Path, env: TaskEnv
):
    bend_one_weight(copied / "policy.onnx", 0.05)
    with pytest.raises(ExportMismatch, match=r"step \d+, world \d, back_left") as caught:
        compare_closed_loop(bundles["gru"], copied / "policy.onnx", env, 10)
    assert caught.value.comparison is not None
    assert caught.value.comparison.max_abs_diff == pytest.approx(0.05, abs=1e-3)


def test_a_file_of_another_policy_is_refused(
    bundles: dict[str, PolicyBundle], exported: Callable[[str], Path], env: TaskEnv
):
    with pytest.raises(RoboTSError, match="of one policy"):
        compare_closed_loop(bundles["gru"], exported("lstm") / "policy.onnx", env, 10)


def test_an_environment_of_another_task_is_refused(
    make_bundle: Callable[[str], PolicyBundle], exported: Callable[[str], Path], env: TaskEnv
):
    bundle = make_bundle("gru")
    bundle.task = "grasp"
    with pytest.raises(BundleError, match="grasp"):
        compare_closed_loop(bundle, exported("gru") / "policy.onnx", env, 10)
