from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from robo_ts.env import TaskEnv
from robo_ts.export import replay_golden
from robo_ts.export.runtime import PolicyRuntimeError, Runtime, load
from robo_ts.policies import PolicyBundle


@pytest.fixture
def gru(exported: Callable[[str], Path]) -> Runtime:
    return load(exported("gru") / "policy.onnx")


@pytest.fixture
def lstm(exported: Callable[[str], Path]) -> Runtime:
    return load(exported("lstm") / "policy.onnx")


def observations(num: int, size: int = 22, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, size)).astype(np.float32)


def test_importing_the_runtime_imports_neither_torch_nor_mujoco():
    code = (
        "import sys, robo_ts.export.runtime, robo_ts.export.validate; "
        "from robo_ts.export import load, replay_golden; "
        "print([m for m in ('torch', 'mujoco', 'onnx', 'tensordict') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_three_lines_give_actions(exported: Callable[[str], Path]):
    policy = load(exported("gru") / "policy.onnx")
    policy.reset(3)
    action = policy.act(observations(3))
    assert action.shape == (3, 4)
    assert action.dtype == np.float32
    assert np.abs(action).max() <= 1.0


def test_the_contract_comes_with_the_file(gru: Runtime):
    assert gru.contract["task"] == "quadrotor"
    assert gru.action_names == ["front_right", "back_right", "back_left", "front_left"]
    assert gru.observation_terms[0]["term"] == "position_error"
    assert gru.observation_size == 22


def test_groups_by_name_equal_the_flat_vector(exported: Callable[[str], Path]):
    flat, named = (load(exported("base") / "policy.onnx") for _ in range(2))
    flat.reset(4)
    named.reset(4)
    x = observations(4, flat.observation_size)
    groups = {"privileged": x[:, 22:], "unknown": None, "proprioception": x[:, :22]}
    np.testing.assert_array_equal(flat.act(x), named.act(groups))


def test_an_environments_observations_fit_as_they_are(gru: Runtime, env: TaskEnv):
    obs = env.reset(seed=1)
    gru.reset(env.num_envs)
    assert gru.act(obs).shape == (env.num_envs, 4)  # pyright: ignore[reportArgumentType]


def test_memory_changes_what_the_same_observation_means(lstm: Runtime):
    lstm.reset(2)
    x = observations(2)
    first, second = lstm.act(x), lstm.act(x)
    assert np.abs(first - second).max() > 1e-4
    lstm.reset()
    np.testing.assert_array_equal(lstm.act(x), first)


def test_a_mask_clears_the_memory_of_its_rows_only(lstm: Runtime):
    lstm.reset(3)
    for seed in range(4):
        lstm.act(observations(3, seed=seed))
    before = lstm.hidden
    lstm.reset(mask=np.array([False, True, False]))
    for old, new in zip(before, lstm.hidden, strict=True):
        assert not new[:, 1].any()
        np.testing.assert_array_equal(new[:, [0, 2]], old[:, [0, 2]])
    assert all(part[:, 1].any() for part in before), "the memory handed out is a copy"


def test_a_cleared_row_acts_like_a_new_robot(gru: Runtime, exported: Callable[[str], Path]):
    fresh = load(exported("gru") / "policy.onnx")
    gru.reset(2)
    gru.act(observations(2))
    gru.reset(mask=np.array([True, False]))
    fresh.reset(2)
    x = observations(2, seed=5)
    old, new = gru.act(x), fresh.act(x)
    np.testing.assert_allclose(old[0], new[0], atol=1e-6)
    assert np.abs(old[1] - new[1]).max() > 1e-4


def test_actions_handed_out_do_not_change_later(gru: Runtime):
    gru.reset(2)
    action = gru.act(observations(2))
    kept = action.copy()
    gru.act(observations(2, seed=1))
    np.testing.assert_array_equal(action, kept)


def test_reset_changes_the_number_of_robots(gru: Runtime):
    gru.reset(2)
    gru.act(observations(2))
    gru.reset(5)
    assert gru.act(observations(5)).shape == (5, 4)
    assert gru.num == 5


def test_reset_without_a_number_starts_one_robot(gru: Runtime):
    gru.reset()
    assert gru.act(observations(1)).shape == (1, 4)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_other_real_numbers_are_converted(gru: Runtime, dtype: type):
    gru.reset(2)
    assert gru.act(np.ones((2, 22), dtype)).dtype == np.float32


def test_rows_in_fortran_order_give_the_same_actions(gru: Runtime):
    x = observations(6)
    gru.reset(6)
    expected = gru.act(x)
    gru.reset(6)
    np.testing.assert_array_equal(gru.act(np.asfortranarray(x)), expected)


def test_acting_before_a_reset_is_refused(gru: Runtime):
    with pytest.raises(PolicyRuntimeError, match="reset"):
        gru.act(observations(1))


BAD = {
    "flat vector without rows": (observations(2)[0], r"\(2, 22\).*\n.*\(22,\)"),
    "too many columns": (observations(2, 23), r"\(2, 23\)"),
    "too few robots": (observations(1), r"\(1, 22\)"),
    "bools": (np.ones((2, 22), bool), "dtype bool"),
    "text": (np.full((2, 22), "a"), "real numbers"),
    "ragged": ([[1.0, 2.0], [1.0]], "numpy array"),
    "missing group": ({"proprioceptoin": observations(2)}, "did you mean proprioceptoin"),
    "no groups": ({}, "group 'proprioception'"),
    "too big for float32": (np.full((2, 22), 1e300), "NaN or Inf"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_observations_get_a_clear_error_and_leave_the_memory(gru: Runtime, case: str):
    obs, message = BAD[case]
    gru.reset(2)
    gru.act(observations(2))
    (before,) = gru.hidden
    with pytest.raises(PolicyRuntimeError, match=message):
        gru.act(obs)  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(gru.hidden[0], before)


@pytest.mark.parametrize("kind", ["flat", "groups"])
def test_a_nan_is_refused_by_the_name_of_its_term(exported: Callable[[str], Path], kind: str):
    policy = load(exported("base") / "policy.onnx")
    policy.reset(3)
    x = observations(3, policy.observation_size)
    column = next(t["column"] for t in policy.observation_terms if t["term"] == "hover_action")
    x[2, column] = np.nan
    obs = x if kind == "flat" else {"proprioception": x[:, :22], "privileged": x[:, 22:]}
    with pytest.raises(PolicyRuntimeError, match=r"NaN or Inf in hover_action, rows \[2\]"):
        policy.act(obs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, ">= 1"),
        ({"n": 2.5}, ">= 1"),
        ({"mask": np.array([True])}, r"shape \(2,\)"),
        ({"mask": np.array([1, 0])}, "bool mask"),
        ({"n": 2, "mask": np.array([True, False])}, "together with n"),
    ],
)
def test_bad_resets_get_a_clear_error(gru: Runtime, arguments: dict[str, Any], message: str):
    gru.reset(2)
    with pytest.raises(PolicyRuntimeError, match=message):
        gru.reset(**arguments)


def test_a_mask_before_the_first_reset_is_refused(gru: Runtime):
    with pytest.raises(PolicyRuntimeError, match="before the first reset"):
        gru.reset(mask=np.array([True]))


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_a_damaged_file_gets_a_clear_error(
    exported: Callable[[str], Path], tmp_path: Path, damage: str
):
    content = (exported("gru") / "policy.onnx").read_bytes()
    path = tmp_path / "policy.onnx"
    path.write_bytes(
        {"cut": content[: len(content) // 2], "garbage": b"\x07" * 500, "empty": b""}[damage]
    )
    with pytest.raises(PolicyRuntimeError, match=r"undamaged ONNX file|a contract"):
        load(path)


def test_missing_files_and_folders_get_a_clear_error(tmp_path: Path):
    with pytest.raises(PolicyRuntimeError, match="does not exist"):
        load(tmp_path / "policy.onnx")
    with pytest.raises(PolicyRuntimeError, match="is a folder"):
        load(tmp_path)


def test_a_thread_count_below_one_is_refused(exported: Callable[[str], Path]):
    with pytest.raises(PolicyRuntimeError, match="threads >= 1"):
        load(exported("gru") / "policy.onnx", threads=0)


def with_contract(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    model = onnx.load(source)
    contract = json.loads(model.metadata_props[0].value)
    change(contract)
    onnx.helper.set_model_props(model, {"robo_ts": json.dumps(contract)})
    onnx.save(model, target)
    return target


def test_a_contract_of_a_newer_schema_is_refused(exported: Callable[[str], Path], tmp_path: Path):
    path = with_contract(
        exported("gru") / "policy.onnx", tmp_path / "a.onnx", lambda c: c.update(schema=99)
    )
    with pytest.raises(PolicyRuntimeError, match="schema 99"):
        load(path)


def test_a_contract_of_another_graph_is_refused(exported: Callable[[str], Path], tmp_path: Path):
    path = with_contract(
        exported("gru") / "policy.onnx",
        tmp_path / "a.onnx",
        lambda c: c["inputs"][0].update(shape=["batch", 23]),
    )
    with pytest.raises(PolicyRuntimeError, match="inputs"):
        load(path)


@pytest.mark.parametrize("entry", ["observation", "hidden", "inputs", "action.names"])
def test_a_contract_with_missing_entries_is_refused(
    exported: Callable[[str], Path], tmp_path: Path, entry: str
):
    def remove(contract: dict[str, Any]) -> None:
        *outer, last = entry.split(".")
        for name in outer:
            contract = contract[name]
        del contract[last]

    path = with_contract(exported("gru") / "policy.onnx", tmp_path / "a.onnx", remove)
    with pytest.raises(PolicyRuntimeError, match=rf"undamaged contract(.|\n)*{entry}"):
        load(path)


def test_a_learnt_initial_state_is_what_robots_begin_with(
    exported: Callable[[str], Path], bundles: dict[str, PolicyBundle]
):
    policy = load(exported("learnt") / "policy.onnx")
    policy.reset(3)
    begins = [part.numpy() for part in bundles["learnt"].policy.initial_state(3)]
    for part, begin in zip(policy.hidden, begins, strict=True):
        np.testing.assert_array_equal(part, begin)
    policy.act(observations(3))
    before = policy.hidden
    policy.reset(mask=np.array([False, True, False]))
    for part, begin, old in zip(policy.hidden, begins, before, strict=True):
        np.testing.assert_array_equal(part[:, 1], begin[:, 1])
        np.testing.assert_array_equal(part[:, [0, 2]], old[:, [0, 2]])
    assert replay_golden(exported("learnt")) < 1e-5


def _shorter(contract: dict[str, Any]) -> None:
    contract["hidden"]["initial"]["c_in"].pop()


def _not_finite(contract: dict[str, Any]) -> None:
    contract["hidden"]["initial"]["h_in"][0][0] = float("nan")


def _gone(contract: dict[str, Any]) -> None:
    del contract["hidden"]["initial"]["c_in"]


@pytest.mark.parametrize("damage", [_shorter, _not_finite, _gone])
def test_a_damaged_initial_state_is_refused(
    exported: Callable[[str], Path], tmp_path: Path, damage: Callable[[dict[str, Any]], None]
):
    path = with_contract(exported("learnt") / "policy.onnx", tmp_path / "a.onnx", damage)
    with pytest.raises(PolicyRuntimeError, match="initial memory"):
        load(path)


def test_a_foreign_onnx_file_is_refused(exported: Callable[[str], Path], tmp_path: Path):
    model = onnx.load(exported("gru") / "policy.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(PolicyRuntimeError, match="export_bundle"):
        load(tmp_path / "foreign.onnx")
