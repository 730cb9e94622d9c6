"""The script that reacts: it does what it is for, whatever the time, and a network can imitate
it."""

from __future__ import annotations

import pytest
import torch

from robo_ts.envs.grasp.reactive import ReactiveGrasp
from robo_ts.envs.grasp.task import Grasp
from robo_ts.errors import RoboTSError
from tests.grasp.conftest import MakeGrasp


def run(env: Grasp, steps: int) -> None:
    script = ReactiveGrasp(env)
    for _ in range(steps):
        env.step(script.act())


def test_the_reactive_script_lifts_most_cubes_from_anywhere(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=24, seed=1)
    run(env, env.max_episode_steps - 1)
    assert env.record.success.float().mean() >= 0.7


def test_it_acts_alike_whatever_the_time(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=4, seed=2)
    script = ReactiveGrasp(env)
    run(env, 5)
    now = script.act()
    env.episode_step += 20
    assert torch.equal(script.act(), now)


def test_it_turns_across_the_narrow_side_and_no_further(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=16, seed=3, objects={"count": 4, "families": ["prism"]})
    script = ReactiveGrasp(env)
    before = script._aim()[3].abs()
    for _ in range(8):
        env.step(script.act())
    turned = before > 0.3
    assert turned.any()
    assert (script._aim()[3].abs()[turned] < before[turned]).float().mean() >= 0.8


def test_it_needs_an_action_for_every_finger(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=2, action="synergy")
    with pytest.raises(RoboTSError, match=r"task\.action=joint"):
        ReactiveGrasp(env)
