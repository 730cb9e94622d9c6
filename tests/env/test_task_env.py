"""The contract of every task environment, shown on the quadrotor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.env import Step, TaskEnv, get_task, list_tasks, make_env
from robo_ts.errors import RoboTSError
from robo_ts.sim import EngineConfig

MakeEnv = Callable[..., TaskEnv]


def actions(steps: int, env: TaskEnv, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.rand(steps, env.num_envs, env.num_actions, generator=generator) - 1.0


def roll(env: TaskEnv, steps: int = 20) -> list[Step]:
    return [env.step(action) for action in actions(steps, env)]


def same(a: list[Step], b: list[Step]) -> bool:
    return all(
        torch.equal(x.reward, y.reward)
        and torch.equal(x.done, y.done)
        and all(torch.equal(x.obs[name], y.obs[name]) for name in ("proprioception", "privileged"))
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("name", list_tasks())
def test_term_sizes_of_the_spec_match_the_emitted_tensors(name: str, engine: EngineConfig) -> None:
    env = make_env(name, 2, engine=engine)
    obs = env.observe()
    assert set(obs.keys()) == set(env.spec)
    for group in env.spec.values():
        assert obs[group.name].shape[0] == 2
        assert obs[group.name][0].numel() == sum(term.size for term in group.terms)
    env.close()


@pytest.mark.parametrize("name", list_tasks())
def test_every_learner_of_a_task_reads_groups_the_task_emits(
    name: str, engine: EngineConfig
) -> None:
    env, sets = make_env(name, 1, engine=engine), get_task(name).obs_groups
    assert {"actor", "critic", "teacher", "student"} <= set(sets)
    for groups in sets.values():
        assert env.spec.select(groups)
    assert not env.spec.select(sets["student"]).privileged()
    env.close()


def test_a_step_has_the_promised_shapes_and_kinds(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=3)
    step = env.step(torch.zeros(3, 4))
    assert step.obs.batch_size == torch.Size([3])
    assert step.reward.shape == (3,) and step.reward.dtype == torch.float32
    for flag in (step.terminated, step.truncated, step.done):
        assert flag.shape == (3,) and flag.dtype == torch.bool


def test_partial_reset_changes_only_the_named_worlds(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=5)
    roll(env, 3)
    before, qpos, steps = env.observe(), env.sim.read("qpos"), env.episode_step.clone()
    after = env.reset(env_ids=torch.tensor([3, 1]))
    changed, kept = [1, 3], [0, 2, 4]
    for name in env.spec:
        assert torch.equal(after[name][kept], before[name][kept])
        assert (after[name][changed] != before[name][changed]).any(dim=1).all()
    assert torch.equal(env.sim.read("qpos")[kept], qpos[kept])
    assert torch.equal(env.episode_step[kept], steps[kept])
    assert (env.episode_step[changed] == 0).all()


def test_partial_reset_of_no_world_changes_nothing(make_quadrotor: MakeEnv) -> None:
    env, twin = make_quadrotor(), make_quadrotor()
    env.reset(env_ids=torch.tensor([], dtype=torch.long))
    assert same(roll(env), roll(twin))


def test_same_seed_gives_same_rollouts_and_another_seed_others(make_quadrotor: MakeEnv) -> None:
    one, two, other = make_quadrotor(seed=7), make_quadrotor(seed=7), make_quadrotor(seed=8)
    first = roll(one)
    assert same(first, roll(two))
    assert not same(first, roll(other))


def test_reset_with_a_seed_equals_building_with_that_seed(make_quadrotor: MakeEnv) -> None:
    used, new = make_quadrotor(seed=3), make_quadrotor(seed=7)
    roll(used)
    used.reset(seed=7)
    assert same(roll(used), roll(new))


def test_finished_worlds_are_listed_with_their_last_observation_and_measurements(
    make_quadrotor: MakeEnv,
) -> None:
    env = make_quadrotor(num_envs=16, episode_steps=20)
    ended = 0
    for action in actions(45, env):
        step = env.step(action)
        assert not (step.terminated & step.truncated).any()
        ids = step.info["final_ids"]
        assert torch.equal(ids, torch.nonzero(step.done).flatten())
        ended += len(ids)
        if not len(ids):
            assert "final_obs" not in step.info and "episode" not in step.info
            continue
        assert step.info["final_obs"].batch_size == torch.Size([len(ids)])
        episode = step.info["episode"]
        assert {"success", "success_ever", "failure"} <= set(episode)
        assert all(len(value) == len(ids) for value in episode.values())
        assert (episode["failure"] < len(env.failure_names)).all()
        assert torch.equal(episode["success"], episode["failure"] == 0)
        died = step.terminated[ids]
        assert not episode["success"][died].any()
        assert (env.episode_step[ids] == 0).all()
    assert ended > 16


def test_final_obs_is_what_an_environment_without_the_time_limit_sees(
    make_quadrotor: MakeEnv,
) -> None:
    short, long = make_quadrotor(num_envs=8), make_quadrotor(num_envs=8, episode_steps=100)
    step, unlimited = roll(short, 8)[-1], roll(long, 8)[-1]
    ids = torch.nonzero(step.truncated & ~unlimited.done).flatten()
    assert len(ids)
    rows = torch.isin(step.info["final_ids"], ids)
    for name in short.spec:
        assert torch.equal(step.info["final_obs"][name][rows], unlimited.obs[name][ids])
        assert not torch.equal(step.obs[name][ids], unlimited.obs[name][ids])


def test_observations_after_an_autoreset_are_those_of_the_new_episode(
    make_quadrotor: MakeEnv,
) -> None:
    env = make_quadrotor()
    step = roll(env, 8)[-1]
    assert step.truncated.any()
    now = env.observe()
    for name in env.spec:
        assert torch.equal(step.obs[name], now[name])


def test_a_loaded_state_continues_bit_identically(make_quadrotor: MakeEnv) -> None:
    env, other = make_quadrotor(seed=1), make_quadrotor(seed=2)
    roll(env, 5)
    state = env.state_dict()
    rest = roll(env, 20)
    roll(other, 3)
    other.load_state_dict(state)
    assert same(rest, roll(other, 20))


def test_a_saved_state_survives_the_run_that_loaded_it(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor()
    roll(env, 5)
    state = env.state_dict()
    env.load_state_dict(state)
    first = roll(env, 20)
    env.load_state_dict(state)
    assert same(first, roll(env, 20))


def test_an_environment_stepped_in_inference_mode_can_be_reset_outside_it(
    make_quadrotor: MakeEnv,
) -> None:
    env, twin = make_quadrotor(), make_quadrotor()
    with torch.inference_mode():
        inside = roll(env, 10)
    assert same(inside, roll(twin, 10))
    env.reset(env_ids=torch.tensor([0]))
    env.reset(seed=5)
    twin.reset(seed=5)
    assert same(roll(env), roll(twin))


def test_scattered_episodes_end_at_different_steps(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=64)
    env.scatter_episode_steps()
    assert len(env.episode_step.unique()) > 4
    assert (env.episode_step < env.max_episode_steps).all()
    step = env.step(torch.zeros(64, 4))
    assert 0 < int(step.truncated.sum()) < 64


def test_a_nan_action_names_the_worlds_it_came_for(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor()
    action = torch.zeros(4, 4)
    action[2, 1] = float("nan")
    with pytest.raises(RoboTSError) as caught:
        env.step(action)
    assert caught.value.expected == "finite actions"
    assert "[2]" in caught.value.got
    assert "policy" in caught.value.fix


@pytest.mark.parametrize("shape", [(4,), (3, 4), (4, 5)])
def test_an_action_of_wrong_shape_names_the_right_one(
    make_quadrotor: MakeEnv, shape: tuple[int, ...]
) -> None:
    with pytest.raises(RoboTSError) as caught:
        make_quadrotor().step(torch.zeros(shape))
    assert "(4, 4)" in caught.value.expected
    assert str(shape) in caught.value.got
    assert "one row per world" in caught.value.fix


def test_a_rejected_action_changes_nothing(make_quadrotor: MakeEnv) -> None:
    env, twin = make_quadrotor(), make_quadrotor()
    with pytest.raises(RoboTSError):
        env.step(torch.full((4, 4), float("inf")))
    assert same(roll(env), roll(twin))


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.int64, "numpy", "list"])
def test_actions_of_any_kind_act_like_float32(make_quadrotor: MakeEnv, kind: object) -> None:
    env, twin = make_quadrotor(), make_quadrotor()
    for action in actions(20, env).round():
        given: Any = action.to(kind) if isinstance(kind, torch.dtype) else action.double().numpy()
        step = env.step(given.tolist() if kind == "list" else given)
        assert step.reward.dtype == torch.float32
        assert same([step], [twin.step(action)])


def test_no_graph_goes_through_a_step(make_quadrotor: MakeEnv) -> None:
    step = make_quadrotor().step(torch.zeros(4, 4, requires_grad=True))
    assert not step.reward.requires_grad
    assert not any(step.obs[name].requires_grad for name in step.obs.keys())  # noqa: SIM118


@pytest.mark.parametrize("action", [None, "up", {"a": 1}, torch.zeros(4, 4, dtype=torch.complex64)])
def test_what_is_no_array_of_numbers_is_no_action(make_quadrotor: MakeEnv, action: object) -> None:
    with pytest.raises(RoboTSError, match="an action of shape"):
        make_quadrotor().step(action)


def test_a_mask_resets_the_worlds_it_marks(make_quadrotor: MakeEnv) -> None:
    env, twin = make_quadrotor(), make_quadrotor()
    by_mask = env.reset(env_ids=torch.tensor([False, True, False, True]))
    by_ids = twin.reset(env_ids=[1, 3])
    assert all(torch.equal(by_mask[name], by_ids[name]) for name in env.spec)
    assert same(roll(env), roll(twin))


@pytest.mark.parametrize(
    "env_ids", [[1, 1], [4], [-1], [0.0, 1.0], 2, [True, False], [[0]], "all", torch.tensor(1)]
)
def test_wrong_world_ids_are_refused_before_anything_changes(
    make_quadrotor: MakeEnv, env_ids: object
) -> None:
    env, twin = make_quadrotor(), make_quadrotor()
    with pytest.raises(RoboTSError, match=r"different whole numbers in \[0, 4\)"):
        env.reset(seed=9, env_ids=env_ids)
    assert same(roll(env), roll(twin))
