"""The C header acts like torch, and is a header without dependencies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robo_ts.env import TaskEnv, make_env
from robo_ts.errors import RoboTSError
from robo_ts.export.c_header import write_c_header
from robo_ts.export.golden import record_golden
from robo_ts.pipeline.config import ExportConfig
from robo_ts.pipeline.measure import export_and_check
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from tests.export.compiled_header import needs_compiler, run


def bundle_of(env: TaskEnv, **config: object) -> PolicyBundle:
    torch.manual_seed(0)
    names = ["proprioception", "privileged"] if config.get("base_term") else ["proprioception"]
    policy = Policy(PolicyConfig(**config), env.spec.select(names), 4)  # type: ignore[arg-type]
    if policy.memory is not None and policy.memory.start is not None:
        torch.nn.init.normal_(policy.memory.start)
    if config.get("normalize", True):
        policy.normalizer.update(3.0 * torch.randn(50, policy.spec.size()) + 1.0)  # type: ignore[operator]
    return PolicyBundle(policy, env.name, {}, env.action_contract(), {})


def header(env: TaskEnv, folder: Path, **config: object) -> Path:
    bundle = bundle_of(env, **config)
    record_golden(bundle, env, folder=folder)
    return write_c_header(bundle, folder)


@needs_compiler
@pytest.mark.parametrize(
    "config",
    [
        {"encoder": [16], "memory_size": 16, "normalize": False, "action_clip": 0.0},
        {"encoder": [], "memory_size": 8, "decoder": [12], "activation": "elu"},
        {"encoder": [16], "memory_size": 16, "learn_initial_state": True},
        {"encoder": [24, 8], "memory": "none", "activation": "tanh"},
        {"encoder": [8], "memory": "none", "activation": "silu", "std": "state"},
        {"encoder": [8], "memory": "none", "base_term": "privileged.hover_action"},
        {"encoder": [8], "memory_size": 4, "base_term": "proprioception.previous_action"},
    ],
)
def test_it_acts_like_torch(
    config: dict[str, object], make_quadrotor: Callable[..., TaskEnv], tmp_path: Path
) -> None:
    header(make_quadrotor(episode_steps=30), tmp_path, **config)
    assert 0.0 <= run(tmp_path, "-O2") < 1e-5


@needs_compiler
def test_a_wrong_weight_is_seen(make_quadrotor: Callable[..., TaskEnv], tmp_path: Path) -> None:
    path = header(make_quadrotor(), tmp_path, encoder=[16], memory_size=16)
    text = path.read_text()
    begin = text.index("policy_head_b[4] = {") + len("policy_head_b[4] = {")
    path.write_text(text[:begin] + "0.5f + " + text[begin:].lstrip())
    assert run(tmp_path) > 0.1


@needs_compiler
def test_it_is_a_cpp_header_too(make_quadrotor: Callable[..., TaskEnv], tmp_path: Path) -> None:
    header(make_quadrotor(), tmp_path, encoder=[16], memory_size=16)
    assert run(tmp_path, "-x", "c++", standard="-std=c++11") < 1e-5


def test_it_names_what_it_reads(make_quadrotor: Callable[..., TaskEnv], tmp_path: Path) -> None:
    text = header(make_quadrotor(), tmp_path, encoder=[16]).read_text()
    assert "proprioception: rotation, 9" in text and "front_right" in text
    assert "#include" in text and text.count("#include") == 1


def test_what_it_cannot_say_is_refused(
    make_quadrotor: Callable[..., TaskEnv], tmp_path: Path
) -> None:
    env = make_quadrotor()
    with pytest.raises(RoboTSError, match="use the ONNX file"):
        header(env, tmp_path, memory="lstm")
    with pytest.raises(RoboTSError, match="export the bundle first"):
        write_c_header(bundle_of(env, memory="none"), tmp_path / "empty")


@needs_compiler
def test_a_step_of_file_and_header_is_timed(
    make_quadrotor: Callable[..., TaskEnv], tmp_path: Path
) -> None:
    bundle = bundle_of(make_quadrotor(), encoder=[16], memory_size=16)
    run_config = ExportConfig(steps=5, num_envs=2)
    found = export_and_check(
        bundle, tmp_path, lambda num, seed: make_env("quadrotor", num), run_config, seed=0
    )
    speed = found["microseconds_per_step"]
    assert set(speed) == {"onnx", "c"} and 0.0 < speed["c"] < speed["onnx"]
    assert run(tmp_path) < 1e-5
