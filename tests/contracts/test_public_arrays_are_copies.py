"""Contract 8: what users of gymnasium and Stable-Baselines3 receive never changes under them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from robo_ts.env import TaskEnv
from robo_ts.env.adapters.gymnasium import BatchedEnv, SingleEnv
from robo_ts.env.adapters.sb3 import SB3Env
from tests.gymnasium_worlds import SHORT, arrays, rollout

MakeEnv = Callable[..., TaskEnv]


@pytest.fixture
def single() -> Iterator[SingleEnv]:
    env = SingleEnv("quadrotor", SHORT)
    yield env
    env.close()


@pytest.fixture
def batch() -> Iterator[BatchedEnv]:
    env = BatchedEnv(6, "quadrotor", SHORT)
    yield env
    env.close()


@pytest.mark.parametrize("kind", ["single", "batch"])
def test_what_gymnasium_received_is_never_changed_by_later_steps(
    kind: str, request: pytest.FixtureRequest, reuse_buffers: Callable[[TaskEnv], None]
) -> None:
    env = request.getfixturevalue(kind)
    reuse_buffers(env.task_env)
    said = rollout(env, 12, seed=0)
    before = [[array.copy() for array in arrays(part)] for part in said]
    more = rollout(env, 12, seed=1)
    for part, kept in zip(said, before, strict=True):
        for array, copy in zip(arrays(part), kept, strict=True):
            np.testing.assert_array_equal(array, copy)
    for i, part in enumerate(said + more):
        for other in (said + more)[:i]:
            assert not any(np.shares_memory(a, b) for a in arrays(part) for b in arrays(other))


def test_writing_into_what_was_returned_does_not_touch_the_worlds(batch: BatchedEnv) -> None:
    expected = rollout(batch, 12, seed=0)
    rng = np.random.default_rng(0)
    said = batch.reset(seed=0)
    for wanted in expected[1:]:
        for array in arrays(said):
            array[...] = 0
        action = rng.uniform(-1, 1, (6, 4)).astype(np.float32)
        said = batch.step(action)
        action[...] = np.nan
        assert data_equivalence(said[0], wanted[0], exact=True)


def test_what_sb3_received_is_never_changed_by_later_steps(
    make_quadrotor: MakeEnv, reuse_buffers: Callable[[TaskEnv], None]
) -> None:
    task = make_quadrotor()
    reuse_buffers(task)
    env = SB3Env(task, ["proprioception"])
    arrays = [env.reset()]
    for _ in range(10):
        obs, reward, dones, infos = env.step(np.full((4, 4), 0.1, np.float32))
        arrays += [obs, reward, dones]
        arrays += [info["terminal_observation"] for info in infos if info]
        kept = [array.copy() for array in arrays]
        env.step(np.zeros((4, 4), np.float32))
        for array, copy in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_actions_may_be_overwritten_while_a_step_is_under_way(make_quadrotor: MakeEnv) -> None:
    env, twin = SB3Env(make_quadrotor()), SB3Env(make_quadrotor())
    env.reset()
    twin.reset()
    action = np.full((4, 4), 0.5, np.float32)
    env.step_async(action)
    action[:] = -1.0
    np.testing.assert_array_equal(
        env.step_wait()[0], twin.step(np.full((4, 4), 0.5, np.float32))[0]
    )
