"""Rays against closed forms, collisions, and the two teachers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from robo_ts.env import make_env
from robo_ts.envs.benchmarks.ray_navigation import RayNavigationConfig
from robo_ts.envs.benchmarks.ray_navigation.config import NUM_RAYS, POST_RADIUS, ROBOT_RADIUS
from robo_ts.envs.benchmarks.ray_navigation.teacher import (
    CloneSettings,
    act,
    train_network_teacher,
)
from robo_ts.evaluate.protocol import Episodes
from robo_ts.sim import EngineConfig

Fly = Callable[..., Episodes]
FAR = [[50.0, 0.0]] * 4


def rays_of(env: Any, position: list[float], posts: list[list[float]]) -> Tensor:
    env.position = torch.tensor([position])
    env.posts = torch.tensor([posts])
    return env.observe()["rays"][0]


def test_rays_have_their_closed_form_distances(engine: EngineConfig) -> None:
    env: Any = make_env("ray_navigation", 1, RayNavigationConfig(ray_range=3.0), engine)
    rays = rays_of(env, [1.0, 0.2], [[2.0, 0.2], *FAR])
    quarter = NUM_RAYS // 4
    assert float(rays[0]) == pytest.approx(1.0 - POST_RADIUS, abs=1e-5)  # head on
    assert float(rays[quarter]) == pytest.approx(0.8, abs=1e-5)  # the left wall
    assert float(rays[3 * quarter]) == pytest.approx(1.2, abs=1e-5)  # the right wall
    assert float(rays[2 * quarter]) == 3.0  # nothing behind
    turn = 2 * math.pi / NUM_RAYS  # beside the middle, by the law of sines
    slant = math.cos(turn) - math.sqrt(POST_RADIUS**2 - math.sin(turn) ** 2)
    assert float(rays[1]) == pytest.approx(slant, abs=1e-5)
    assert float(rays[-1]) == pytest.approx(slant, abs=1e-5)
    assert float(rays[2]) == pytest.approx(3.0)  # passes the post by
    assert float(rays[8]) == pytest.approx(0.8 / math.sin(8 * turn), abs=1e-5)
    env.close()


def test_rays_agree_with_mujocos_own(engine: EngineConfig) -> None:
    env: Any = make_env("ray_navigation", 8, RayNavigationConfig(half_width=50.0), engine)
    for _ in range(10):
        env.step(torch.tensor([[1.0, 0.3]]).expand(8, 2))
    rays = env.observe()["rays"]
    hits = 0
    for world in range(8):
        model, data = env.sim.world(world)
        start = np.array([*env.position[world].double().numpy(), 0.1])
        # MuJoCo skips the robot itself, whose middle the rays start from.
        robot = model.body("robot").id
        for index in range(NUM_RAYS):
            angle = 2 * math.pi * index / NUM_RAYS
            way = np.array([math.cos(angle), math.sin(angle), 0.0])
            found = mujoco.mj_ray(model, data, start, way, None, 1, robot, np.zeros(1, np.int32))
            wanted = 2.0 if found < 0 else min(found, 2.0)
            assert float(rays[world, index]) == pytest.approx(wanted, abs=2e-3)
            hits += found >= 0
    assert hits > 50
    env.close()


def test_privileged_posts_are_ordered_by_distance(engine: EngineConfig) -> None:
    env: Any = make_env("ray_navigation", 32, engine=engine)
    offsets = env.observe()["privileged"].unflatten(-1, (5, 2))
    far = offsets.norm(dim=-1)
    assert (far[:, 1:] >= far[:, :-1]).all()
    absolute = (offsets + env.position[:, None])[..., 0].sort(dim=1).values
    assert torch.allclose(absolute, env.posts[..., 0].sort(dim=1).values, atol=1e-5)
    env.close()


@pytest.mark.parametrize(
    ("start", "post", "failure"),
    [
        ([1.0, 0.0], [1.0 + POST_RADIUS + ROBOT_RADIUS - 0.01, 0.0], "hit a post"),
        ([1.0, 0.0], [1.0 + POST_RADIUS + ROBOT_RADIUS + 0.05, 0.0], None),
        ([1.0, 0.93], [50.0, 0.0], "hit a wall"),
        ([1.0, 0.9], [50.0, 0.0], None),
        ([4.9, 0.0], [50.0, 0.0], "none"),
        ([4.9, 0.0], [5.0, 0.1], "hit a post"),  # reached, but not without a collision
    ],
)
def test_touching_ends_the_episode_and_reaching_the_goal_too(
    start: list[float], post: list[float], failure: str | None, engine: EngineConfig
) -> None:
    env: Any = make_env("ray_navigation", 1, engine=engine)
    env.posts = torch.tensor([[post, *FAR]])
    env.sim.write("qpos", torch.tensor([start]))
    step = env.step(torch.zeros(1, 2))
    assert bool(step.terminated) == (failure is not None)
    if failure is not None:
        assert env.failure_names[int(step.info["episode"]["failure"])] == failure
        assert bool(step.info["episode"]["success"]) == (failure == "none")
    env.close()


def test_the_expert_arrives_and_one_who_sees_no_posts_does_not(fly: Fly) -> None:
    def blind(obs: Any) -> Tensor:
        none = torch.full_like(obs["privileged"], 50.0)
        return act({"state": obs["state"], "privileged": none})

    assert float(fly("ray_navigation", act).metrics["success"].float().mean()) > 0.97
    assert float(fly("ray_navigation", blind).metrics["success"].float().mean()) < 0.35


def test_a_network_learns_from_the_expert_and_reads_no_rays(fly: Fly, engine: EngineConfig) -> None:
    short = CloneSettings(num_envs=128, rounds=8, steps=60, updates=100, batch=256)
    state = torch.get_rng_state()
    policy = train_network_teacher(0, settings=short, engine=engine)
    assert torch.equal(torch.get_rng_state(), state)  # chance of its own only
    assert list(policy.spec) == ["state", "privileged"]
    found = fly("ray_navigation", lambda obs: policy.act(obs)[0])  # type: ignore[arg-type]
    assert float(found.metrics["success"].float().mean()) > 0.5  # blind: 0.21; in 15 s: 0.98
    tiny = CloneSettings(num_envs=8, rounds=2, steps=3, updates=2, batch=8)
    one, two = (train_network_teacher(5, settings=tiny, engine=engine) for _ in range(2))
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
