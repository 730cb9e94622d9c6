"""Contract 7: onnxruntime and torch agree step by step in closed loop, memory included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from robo_ts.env import TaskEnv, make_env
from robo_ts.env.observations import ObservationSpec
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.envs.quadrotor.groups import PROPRIOCEPTION
from robo_ts.export import (
    ExportMismatch,
    Runtime,
    compare_closed_loop,
    export_bundle,
    record_golden,
    replay_golden,
)
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.sim import EngineConfig

WORLDS, STEPS = 32, 520
MEMORIES = ["gru", "lstm", "gru learnt"]  # the last begins with what it learnt, not with zeros
Exports = dict[str, tuple[PolicyBundle, Path]]


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Iterator[None]:
    """Networks this small only lose by a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    # Wide limits let some episodes last to the time limit, so that long memories are compared, too.
    config = QuadrotorConfig(episode_steps=250, limit_arms=200.0, limit_velocity=12.0)
    made = make_env("quadrotor", WORLDS, config, EngineConfig(threads=1))
    yield made
    made.close()


@pytest.fixture(scope="module")
def exports(env: TaskEnv, tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """Untrained students, their inputs normalised by what random flights looked like."""
    seen = [env.step(torch.rand(WORLDS, 4) * 2.0 - 1.0).obs["proprioception"] for _ in range(50)]
    made = {}
    for memory in MEMORIES:
        torch.manual_seed(0)
        kind, _, learnt = memory.partition(" ")
        config = PolicyConfig(
            encoder=[24], memory=kind, memory_size=32, learn_initial_state=bool(learnt)
        )
        policy = Policy(config, ObservationSpec([PROPRIOCEPTION]), 4).eval()
        if policy.memory is not None and policy.memory.start is not None:
            torch.nn.init.normal_(policy.memory.start)
        assert isinstance(policy.normalizer, Normalizer)
        policy.normalizer.update(torch.stack(seen))
        bundle = PolicyBundle(policy, env.name, {}, env.action_contract(), {"kind": "untrained"})
        folder = tmp_path_factory.mktemp(memory.replace(" ", "_"))
        export_bundle(bundle, folder)
        made[memory] = bundle, folder
    return made


@pytest.mark.parametrize("memory", MEMORIES)
def test_file_and_student_agree_over_whole_episodes(memory: str, exports: Exports, env: TaskEnv):
    bundle, folder = exports[memory]
    found = compare_closed_loop(bundle, folder / "policy.onnx", env, STEPS, seed=1)
    assert found.steps_compared == STEPS > 2 * env.max_episode_steps
    assert found.worlds == WORLDS
    assert found.episodes > WORLDS
    assert found.max_abs_diff < 1e-5
    assert found.max_hidden_diff < 1e-5


@pytest.mark.parametrize("memory", MEMORIES)
def test_the_golden_trace_of_a_real_rollout_is_repeated(
    memory: str, exports: Exports, env: TaskEnv
):
    bundle, folder = exports[memory]
    golden = np.load(record_golden(bundle, env, folder=folder))
    assert golden["starts"][1:].any()
    assert replay_golden(folder) < 1e-5


@pytest.mark.parametrize("shape", [(4, 32), (3 * 32, 32)], ids=["head", "recurrent"])
def test_one_corrupted_weight_is_caught(
    shape: tuple[int, int], exports: Exports, env: TaskEnv, tmp_path: Path
):
    bundle, folder = exports["gru"]
    model = onnx.load(folder / "policy.onnx")
    # By size, because the exporter may rename and fold what it finds constant.
    size = shape[0] * shape[1]
    (weight,) = (t for t in model.graph.initializer if np.prod(t.dims) == size)
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] += 0.1
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "policy.onnx")
    with pytest.raises(ExportMismatch):
        compare_closed_loop(bundle, tmp_path / "policy.onnx", env, 100)


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_runtime_that_forgets_to_reset_finished_episodes_is_caught(
    memory: str, exports: Exports, env: TaskEnv, monkeypatch: pytest.MonkeyPatch
):
    reset = Runtime.reset

    def forgetful(self: Runtime, n: int | None = None, mask: np.ndarray | None = None) -> None:
        if mask is None:
            reset(self, n)

    monkeypatch.setattr(Runtime, "reset", forgetful)
    bundle, folder = exports[memory]
    with pytest.raises(ExportMismatch):
        compare_closed_loop(bundle, folder / "policy.onnx", env, 260)


def test_a_runtime_that_resets_the_wrong_worlds_is_caught(
    exports: Exports, env: TaskEnv, monkeypatch: pytest.MonkeyPatch
):
    reset = Runtime.reset

    def shifted(self: Runtime, n: int | None = None, mask: np.ndarray | None = None) -> None:
        reset(self, n, None if mask is None else np.roll(mask, 1))

    monkeypatch.setattr(Runtime, "reset", shifted)
    bundle, folder = exports["gru"]
    with pytest.raises(ExportMismatch):
        compare_closed_loop(bundle, folder / "policy.onnx", env, 260)
