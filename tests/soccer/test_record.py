"""What is measured of an episode besides its goals."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from robo_ts.envs.soccer.scripted import SCRIPTED
from tests.soccer.conftest import MakeSoccer, still

Put = Callable[..., None]


def test_the_first_sight_of_the_ball_is_timed_and_remembered_for_a_while(
    make_soccer: MakeSoccer, put: Put
) -> None:
    env = make_soccer(num_envs=2, opponents=[])
    put(env, (1.0, 0.0), player={0: (0.0, 0.0, math.pi)})
    env.record.begin(torch.arange(2))
    step = env.step(still(env))
    assert not env.evaluate()["ball_found"].any() and (step.obs["sight"] == 0.0).all()
    put(env, (1.0, 0.0), player={0: (0.0, 0.0, 0.0)})
    step = env.step(still(env))
    found = env.evaluate()
    assert found["ball_found"].all() and not found["ball_at_start"].any()
    assert found["first_seen_s"].tolist() == pytest.approx([0.1, 0.1])
    assert (step.obs["sight"] == 1.0).all()
    put(env, (1.0, 0.0), player={0: (0.0, 0.0, math.pi)})
    known = [env.step(still(env)).obs["sight"] for _ in range(12)]
    assert not any(bool(row[:, 0].any()) for row in known)
    assert [bool(row[:, 1].all()) for row in known] == [True] * 10 + [False] * 2


def test_a_ball_in_view_at_the_start_is_found_at_once(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=64, opponents=[], start={"set_piece": 1.0, "kickoff": 0.0})
    found = env.evaluate()
    assert 0.1 < found["ball_at_start"].float().mean() < 0.9
    assert torch.equal(found["ball_at_start"], env.observe()["sight"][:, 0] > 0.5)
    assert (found["first_seen_s"][found["ball_at_start"]] == 0.0).all()


def test_walking_and_kicking_speeds_are_those_of_the_walker(
    make_soccer: MakeSoccer, put: Put
) -> None:
    env = make_soccer(num_envs=1, opponents=[])
    put(env, (2.0, 1.4), player={0: (-2.0, 0.0, 0.0)})
    forward = still(env)
    forward[:, 0] = 1.0
    assert env.evaluate()["kick_speed_m_s"].isinf().all()
    for _ in range(20):
        env.step(forward)
    assert float(env.evaluate()["walking_speed_m_s"]) == pytest.approx(0.57, abs=0.06)
    put(env, (0.18, 0.0), player={0: (0.0, 0.0, 0.0)})
    kick = still(env)
    kick[:, 3] = 1.0
    for _ in range(6):
        env.step(kick)
    assert 1.2 < float(env.evaluate()["kick_speed_m_s"]) < 3.0


@pytest.mark.parametrize("name", SCRIPTED)
def test_every_scripted_player_plays(make_soccer: MakeSoccer, name: str) -> None:
    env = make_soccer(opponents=[name])
    env.step(still(env))
    assert env.action[:, 1].isfinite().all()
