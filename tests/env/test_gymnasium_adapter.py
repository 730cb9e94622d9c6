"""The environment as gymnasium sees it: one world, and many."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import FlattenObservation
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from robo_ts.env.adapters.gymnasium import BatchedEnv, SingleEnv
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.errors import RoboTSError
from tests.gymnasium_worlds import SHORT, rollout

ID = "RoboTS/Quadrotor-v0"


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


# -- one world -------------------------------------------------------------------------------------


def test_single_env_passes_gymnasium_check_env() -> None:
    env = gymnasium.make(ID)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped)
    env.close()
    # Positions and velocities have no bounds that could be named.
    unbounded = ("minimum value is -infinity", "maximum value is infinity")
    others = [
        str(w.message) for w in caught if not any(text in str(w.message) for text in unbounded)
    ]
    assert others == []


def test_single_env_observes_every_group_in_the_tasks_order(single: SingleEnv) -> None:
    assert isinstance(single.observation_space, spaces.Dict)
    assert list(single.observation_space) == ["proprioception", "privileged"]
    obs, info = single.reset(seed=0)
    assert {name: array.shape for name, array in obs.items()} == {
        "proprioception": (22,),
        "privileged": (52,),
    }
    assert all(array.dtype == np.float32 for array in obs.values())
    assert info == {}
    assert single.action_space == spaces.Box(-1.0, 1.0, (4,), np.float32)


def test_single_env_can_hide_groups() -> None:
    env = SingleEnv("quadrotor", SHORT, obs_groups=["proprioception"])
    assert list(env.reset()[0]) == ["proprioception"]
    env.close()
    with pytest.raises(RoboTSError, match="did you mean privileged"):
        SingleEnv("quadrotor", SHORT, obs_groups=["priviliged"])


def test_flattening_keeps_the_contracts_order(single: SingleEnv) -> None:
    flat, _ = FlattenObservation(single).reset(seed=3)
    obs, _ = single.reset(seed=3)
    np.testing.assert_array_equal(flat, np.concatenate([obs["proprioception"], obs["privileged"]]))


def test_the_tasks_time_limit_truncates_and_the_last_observation_is_the_episodes(
    single: SingleEnv,
) -> None:
    long = SingleEnv("quadrotor", QuadrotorConfig(episode_steps=100))
    action = np.full(4, 0.2, np.float32)
    single.reset(seed=1)
    long.reset(seed=1)
    for _ in range(7):
        assert data_equivalence(single.step(action), long.step(action), exact=True)
    obs, reward, terminated, truncated, info = single.step(action)
    assert data_equivalence((obs, reward, terminated), long.step(action)[:3], exact=True)
    assert truncated
    assert isinstance(info["success"], bool) and isinstance(info["failure"], int)
    long.close()


def test_step_without_a_running_episode_asks_for_reset(single: SingleEnv) -> None:
    with pytest.raises(RoboTSError, match="reset"):
        single.step(np.zeros(4, np.float32))
    single.reset()
    for _ in range(8):
        single.step(np.zeros(4, np.float32))
    with pytest.raises(RoboTSError, match="reset"):
        single.step(np.zeros(4, np.float32))


def test_single_env_lives_through_the_same_episodes_as_a_batch_of_one(single: SingleEnv) -> None:
    batch = BatchedEnv(1, "quadrotor", SHORT)
    obs, _ = single.reset(seed=4)
    batch.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-1, 1, 4).astype(np.float32)
        obs, reward, terminated, truncated, info = single.step(action)
        b_obs, b_reward, b_terminated, b_truncated, b_info = batch.step(action[None])
        assert (reward, terminated, truncated) == (b_reward[0], b_terminated[0], b_truncated[0])
        if terminated or truncated:
            assert data_equivalence(obs, b_info["final_obs"][0], exact=True)
            assert info["success"] == b_info["final_info"]["success"][0]
            obs, _ = single.reset()
        for name, array in obs.items():
            np.testing.assert_array_equal(array, b_obs[name][0])
    batch.close()


def test_reset_without_seed_goes_on_and_with_seed_starts_over(single: SingleEnv) -> None:
    first, second = single.reset(seed=9)[0], single.reset()[0]
    assert not data_equivalence(first, second)
    assert data_equivalence(single.reset(seed=9)[0], first, exact=True)
    assert data_equivalence(single.reset()[0], second, exact=True)


@pytest.mark.parametrize("action", [np.zeros(3), np.zeros((1, 4)), "up", None])
def test_single_env_refuses_what_is_no_action(single: SingleEnv, action: Any) -> None:
    single.reset()
    with pytest.raises(RoboTSError, match=r"an action of shape \(4,\)"):
        single.step(action)


def test_single_env_refuses_nan(single: SingleEnv) -> None:
    single.reset()
    with pytest.raises(RoboTSError, match="finite actions"):
        single.step(np.full(4, np.nan, np.float32))


def test_unknown_options_and_render_modes_are_errors(single: SingleEnv) -> None:
    with pytest.raises(RoboTSError, match="'start'"):
        single.reset(options={"start": 1})
    with pytest.raises(RoboTSError, match="render_mode=None"):
        SingleEnv("quadrotor", SHORT, render_mode="human")


def test_make_passes_config_and_applies_a_shorter_limit() -> None:
    env = gymnasium.make(ID, config=SHORT, max_episode_steps=3)
    env.reset(seed=0)
    ends = [env.step(np.zeros(4, np.float32))[3] for _ in range(3)]
    assert ends == [False, False, True]
    env.reset()
    env.step(np.zeros(4, np.float32))
    env.close()


# -- many worlds -----------------------------------------------------------------------------------


def test_make_vec_gives_the_batched_environment_with_its_limit() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make_vec(ID, num_envs=8, max_episode_steps=5)
    assert isinstance(env, BatchedEnv)
    assert env.num_envs == 8
    assert env.task_env.max_episode_steps == 5
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    env.reset(seed=0)
    truncations = [env.step(np.zeros((8, 4), np.float32))[3] for _ in range(5)]
    assert truncations[-1].any() and not np.any(truncations[:-1])
    env.close()
    assert env.closed
    env.close()


def test_spaces_of_the_batch_are_the_single_ones_repeated(
    batch: BatchedEnv, single: SingleEnv
) -> None:
    assert batch.single_observation_space == single.observation_space
    assert batch.single_action_space == single.action_space
    assert batch.observation_space == batch_space(single.observation_space, 6)
    assert batch.action_space == batch_space(single.action_space, 6)
    assert list(batch.observation_space.spaces) == ["proprioception", "privileged"]  # type: ignore[attr-defined]


def test_what_the_batch_returns_lies_in_its_spaces_with_gymnasiums_dtypes(
    batch: BatchedEnv,
) -> None:
    obs, infos = batch.reset(seed=0)
    assert obs in batch.observation_space and infos == {}
    batch.action_space.seed(0)
    for _ in range(20):
        obs, rewards, terminations, truncations, _ = batch.step(batch.action_space.sample())
        assert obs in batch.observation_space
        assert rewards.shape == (6,) and rewards.dtype == np.float64
        for flags in (terminations, truncations):
            assert flags.shape == (6,) and flags.dtype == np.bool_


def test_the_batch_repeats_itself_under_a_seed_and_only_then(batch: BatchedEnv) -> None:
    first = rollout(batch, 20, seed=3)
    assert data_equivalence(first, rollout(batch, 20, seed=3), exact=True)
    assert not data_equivalence(first, rollout(batch, 20, seed=4))


def test_worlds_of_a_batch_differ(batch: BatchedEnv) -> None:
    obs, _ = batch.reset(seed=0)
    assert len(np.unique(obs["privileged"], axis=0)) == 6


def test_a_finished_world_shows_its_last_and_its_first_observation_in_the_same_step(
    batch: BatchedEnv,
) -> None:
    long = BatchedEnv(6, "quadrotor", QuadrotorConfig(episode_steps=100))
    action = np.full((6, 4), 0.2, np.float32)
    batch.reset(seed=1)
    long.reset(seed=1)
    for _ in range(7):
        assert data_equivalence(batch.step(action), long.step(action), exact=True)
    obs, _, terminations, truncations, infos = batch.step(action)
    unlimited = long.step(action)[0]
    assert truncations.all() and not terminations.any()
    for name in obs:
        last = np.stack([row[name] for row in infos["final_obs"]])
        np.testing.assert_array_equal(last, unlimited[name])
    assert not np.array_equal(obs["privileged"], unlimited["privileged"])
    # The next step belongs to the new episode: SAME_STEP spends no step on the reset.
    after = batch.step(action)
    assert not after[3].any() and (after[1] != 0).all()
    long.close()


def test_masks_tell_which_worlds_ended(batch: BatchedEnv) -> None:
    batch.reset(seed=0)
    batch.task_env.scatter_episode_steps()
    partial = 0
    for _ in range(16):
        _, _, terminations, truncations, infos = batch.step(np.zeros((6, 4), np.float32))
        done = terminations | truncations
        if not done.any():
            assert infos == {}
            continue
        partial += not done.all()
        np.testing.assert_array_equal(infos["_final_obs"], done)
        np.testing.assert_array_equal(infos["_final_info"], done)
        assert infos["final_obs"].dtype == object
        for world, last in enumerate(infos["final_obs"]):
            assert (last is not None) == done[world]
            if last is not None:
                assert last in batch.single_observation_space
        for name in ("success", "success_ever", "failure"):
            assert infos["final_info"][name].shape == (6,)
            np.testing.assert_array_equal(infos["final_info"][f"_{name}"], done)
    assert partial


def test_infos_look_like_those_of_gymnasiums_own_vector_environment(batch: BatchedEnv) -> None:
    own = SyncVectorEnv(
        [lambda: SingleEnv("quadrotor", SHORT)] * 6, autoreset_mode=AutoresetMode.SAME_STEP
    )
    theirs, ours = rollout(own, 8, seed=0)[-1][4], rollout(batch, 8, seed=0)[-1][4]
    assert theirs.keys() == ours.keys()
    assert theirs["final_info"].keys() == ours["final_info"].keys()
    for name, array in theirs["final_info"].items():
        assert ours["final_info"][name].dtype == array.dtype
        assert ours["final_info"][name].shape == array.shape
    assert ours["final_obs"][0].keys() == theirs["final_obs"][0].keys()
    own.close()


def test_a_reset_mask_resets_the_named_worlds_only(batch: BatchedEnv) -> None:
    batch.reset(seed=0)
    before = batch.step(np.zeros((6, 4), np.float32))[0]
    mask = np.array([False, True, False, False, True, False])
    after, _ = batch.reset(options={"reset_mask": mask})
    changed = (after["privileged"] != before["privileged"]).any(axis=1)
    np.testing.assert_array_equal(changed, mask)
    with pytest.raises(RoboTSError, match="bool array"):
        batch.reset(options={"reset_mask": np.array([1, 4])})
    with pytest.raises(RoboTSError, match="did you mean reset_mask"):
        batch.reset(options={"reset_masks": mask})


def test_record_episode_statistics_counts_the_batchs_episodes(batch: BatchedEnv) -> None:
    env = RecordEpisodeStatistics(batch)
    env.reset(seed=0)
    steps = [env.step(np.full((6, 4), 0.2, np.float32)) for _ in range(8)]
    infos, total = steps[-1][4], np.sum([step[1] for step in steps], axis=0)
    assert infos["_episode"].all()
    np.testing.assert_array_equal(infos["episode"]["l"], np.full(6, 8))
    np.testing.assert_allclose(infos["episode"]["r"], total)
    assert env.episode_count == 6


def test_dict_info_to_list_understands_the_infos(batch: BatchedEnv) -> None:
    env = DictInfoToList(batch)
    env.reset(seed=0)
    infos = [env.step(np.zeros((6, 4), np.float32)) for _ in range(8)][-1][4]
    assert len(infos) == 6
    assert {"success", "failure"} <= set(infos[0]["final_info"])


def test_a_time_limit_needs_a_config_that_has_one() -> None:
    with pytest.raises(RoboTSError, match="episode_steps"):
        BatchedEnv(2, "quadrotor", config=object(), max_episode_steps=5)


def test_the_batch_refuses_actions_of_wrong_shape(batch: BatchedEnv) -> None:
    batch.reset()
    with pytest.raises(RoboTSError, match=r"\(6, 4\)"):
        batch.step(np.zeros((4, 6), np.float32))
