"""What all benchmark tasks have in common: listing, seeds, partial reset, resume, no leak."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import gymnasium
import mujoco
import pytest
import torch
from torch import Tensor

from robo_ts.cli import main
from robo_ts.env import TaskEnv, get_task, list_tasks, make_env
from robo_ts.errors import RoboTSError
from robo_ts.sim import EngineConfig
from robo_ts.tasks import gym_id, register_gymnasium, task_folders

NAMES = ("hidden_cue", "ray_navigation", "reacher")
MakeEnv = Callable[..., TaskEnv]


@pytest.fixture
def make(engine: EngineConfig) -> Iterator[MakeEnv]:
    """``make(name, num_envs=16, seed=0)``: an environment, closed after the test."""
    made: list[TaskEnv] = []

    def build(name: str, num_envs: int = 16, seed: int = 0) -> TaskEnv:
        made.append(make_env(name, num_envs, None, engine, seed))
        return made[-1]

    yield build
    for env in made:
        env.close()


def teacher_of(name: str) -> ModuleType:
    return importlib.import_module(f"robo_ts.envs.benchmarks.{name}.teacher")


def actions(env: TaskEnv, steps: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2.4 * torch.rand(steps, env.num_envs, env.num_actions, generator=generator) - 1.2


def roll(env: TaskEnv, steps: int, seed: int = 1) -> list[dict[str, Tensor]]:
    """Everything a learner sees over ``steps``."""
    found = []
    for action in actions(env, steps, seed):
        step = env.step(action)
        seen = {name: step.obs[name].clone() for name in env.spec}
        found.append(seen | {"reward": step.reward, "done": step.done} | env.evaluate())
    return found


def same(one: list[dict[str, Tensor]], two: list[dict[str, Tensor]]) -> bool:
    return all(
        torch.equal(torch.nan_to_num(a[k]), torch.nan_to_num(b[k]))
        for a, b in zip(one, two, strict=True)
        for k in a
    )


def test_nested_tasks_are_found_and_their_folder_is_none() -> None:
    assert task_folders()["reacher"] == "benchmarks.reacher"
    assert task_folders()["quadrotor"] == "quadrotor"
    assert set(NAMES) < set(list_tasks())
    assert "benchmarks" not in list_tasks()
    with pytest.raises(RoboTSError):
        get_task("benchmarks")


def test_gymnasium_and_the_command_line_name_them(capsys: pytest.CaptureFixture) -> None:
    assert gym_id("hidden_cue") == "RoboTS/HiddenCue-v0"
    register_gymnasium()
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for name in NAMES:
        gymnasium.make(gym_id(name)).reset(seed=0)
        assert name in said and gym_id(name) in said


@pytest.mark.parametrize("name", NAMES)
def test_steps_have_the_promised_shapes_and_finite_values(name: str, make: MakeEnv) -> None:
    env = make(name)
    obs = env.reset(seed=3)
    ended = 0
    for action in actions(env, env.max_episode_steps + 2):
        step = env.step(action)
        obs = step.obs
        assert obs.batch_size == torch.Size([16])
        for group in env.spec.values():
            assert obs[group.name].shape == (16, group.size)
            assert obs[group.name].dtype == torch.float32 and obs[group.name].isfinite().all()
        assert step.reward.shape == (16,) and step.reward.dtype == torch.float32
        ids = step.info["final_ids"]
        ended += len(ids)
        if len(ids):
            episode = step.info["episode"]
            assert torch.equal(episode["success"], episode["failure"] == 0)
            assert (episode["failure"] < len(env.failure_names)).all()
            assert not (episode["success"] & ~episode["success_ever"]).any()
    assert ended >= 16


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_rollout_and_another_seed_another(name: str, make: MakeEnv) -> None:
    first = roll(make(name, seed=7), 60)
    assert same(first, roll(make(name, seed=7), 60))
    assert not same(first, roll(make(name, seed=8), 60))


@pytest.mark.parametrize("name", NAMES)
def test_partial_reset_changes_only_the_named_worlds(name: str, make: MakeEnv) -> None:
    env = make(name, num_envs=6)
    roll(env, 5)
    before, qpos = env.observe(), env.sim.read("qpos")
    after = env.reset(env_ids=torch.tensor([4, 1]))
    kept = [0, 2, 3, 5]
    for group in env.spec:
        assert torch.equal(after[group][kept], before[group][kept])
    student = get_task(name).obs_groups["student"][0]
    assert (after[student][[1, 4]] != before[student][[1, 4]]).any(dim=1).all()
    assert torch.equal(env.sim.read("qpos")[kept], qpos[kept])
    assert env.episode_step.tolist() == [5, 0, 5, 5, 0, 5]


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_state_goes_on_bit_for_bit(name: str, make: MakeEnv) -> None:
    env, other = make(name), make(name, seed=1)
    roll(env, 11)
    file = io.BytesIO()
    torch.save(env.state_dict(), file)
    file.seek(0)
    roll(other, 3, seed=2)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert same(roll(env, 70), roll(other, 70))


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("reacher", "joint_velocity"), ("hidden_cue", "cue"), ("ray_navigation", "posts")],
)
def test_what_is_hidden_changes_no_group_it_must_not_change(
    name: str, hidden: str, make: MakeEnv
) -> None:
    env = make(name)
    before = env.observe()
    setattr(env, hidden, -getattr(env, hidden) + 0.01)
    after = env.observe()
    assert not torch.equal(before["privileged"], after["privileged"])
    for group, spec in env.spec.items():
        # The rays are the sensor for the posts; nothing else may show what is hidden.
        if spec.deployable and group != "rays":
            assert torch.equal(before[group], after[group])


@pytest.mark.parametrize("name", NAMES)
def test_mujoco_shows_the_worlds_the_task_speaks_of(name: str, make: MakeEnv) -> None:
    env: Any = make(name, num_envs=3)
    roll(env, 4)
    model, data = env.sim.world(2)
    assert data.ncon == 0 and model.ngeom > 0
    if name == "reacher":
        tip = data.site("fingertip").xpos - data.body("target").xpos
        seen = -env.observe()["proprioception"][2, 4:6]
        assert torch.allclose(torch.as_tensor(tip[:2]).float(), seen, atol=1e-5)
    if name == "ray_navigation":
        posts = [data.body(f"post_{i}").xpos[:2].tolist() for i in range(5)]
        assert torch.allclose(torch.tensor(posts), env.posts[2], atol=1e-5)
    assert mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_ACTUATOR, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_teacher_has_a_distribution_about_its_action(name: str, make: MakeEnv) -> None:
    env, teacher = make(name), teacher_of(name)
    obs = env.observe()
    mean, std = teacher.distribution(obs)
    assert torch.equal(mean, teacher.act(obs))
    assert mean.shape == std.shape == (16, env.num_actions)
    assert mean.abs().max() <= 1.0 + 1e-6 and (std > 0).all()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("reacher", {"substeps": 0}),
        ("reacher", {"late_steps": 51}),
        ("reacher", {"farthest_target": 0.3}),
        ("hidden_cue", {"episode_steps": 0}),
        ("hidden_cue", {"alcove_depth": 0.0}),
        ("hidden_cue", {"nearest_start": 0.0}),
        ("ray_navigation", {"episode_steps": 0}),
        ("ray_navigation", {"ray_range": 0.0}),
        ("ray_navigation", {"goal_distance": 1.0}),
        ("ray_navigation", {"start_spread": 1.0}),
        ("ray_navigation", {"post_spread": -0.1}),
    ],
)
def test_impossible_settings_are_refused_by_name(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(RoboTSError, match=next(iter(wrong))):
        get_task(name).config(**wrong)
