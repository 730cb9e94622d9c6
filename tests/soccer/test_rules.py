"""The game: goals, own goals, kick-offs, balls out of play, touches, the clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from robo_ts.envs.soccer.config import StartConfig
from robo_ts.envs.soccer.pitch import BALL_RADIUS, HALF_LENGTH, HALF_WIDTH, RAMP_WIDTH
from robo_ts.envs.soccer.referee import ruling, thrown_in
from robo_ts.envs.soccer.starts import begin
from tests.soccer.conftest import MakeSoccer, ended, still, until

Put = Callable[..., None]


def test_a_ball_rolled_into_the_goal_scores_and_ends_the_episode(
    make_soccer: MakeSoccer, put: Put
) -> None:
    env = make_soccer(opponents=["still"])
    put(env, (2.0, 0.1), (1.5, 0.0), {0: (-1.0, 0.0, 0.0), 1: (1.0, 1.5, 0.0)})
    step = until(env, still(env), 20, ended)
    assert step.terminated.all() and not step.truncated.any()
    episode = step.info["episode"]
    assert episode["success"].all() and (episode["points"] == 1.0).all()
    assert (episode["failure"] == 0).all() and (episode["scored"] == 1.0).all()
    assert (episode["time_to_goal_s"] < 1.0).all()
    assert (step.reward > 4.0).all()
    assert (env.evaluate()["scored"] == 0.0).all()  # the next episode has begun


def test_a_ball_in_the_own_goal_is_an_own_goal_only_for_who_touched_it_last(
    make_soccer: MakeSoccer, put: Put
) -> None:
    env = make_soccer(opponents=["still"])
    put(env, (-2.0, 0.0), (-1.5, 0.0), {0: (1.0, 1.0, 0.0), 1: (1.0, -1.5, 0.0)})
    env.record.last_touch[:2] = 0
    env.record.last_touch[2:] = 1
    step = env.step(still(env))
    while not bool(step.terminated.any()):
        step = env.step(still(env))
    episode = step.info["episode"]
    assert not episode["success"].any() and (episode["points"] == 0.0).all()
    names = [env.failure_names[i] for i in episode["failure"].tolist()]
    assert names == ["own goal", "own goal", "conceded", "conceded"]
    assert episode["own_goal"].tolist() == [True, True, False, False]
    assert (step.reward < -4.0).all()


def test_after_a_goal_that_ends_nothing_there_is_a_kick_off(
    make_soccer: MakeSoccer, put: Put
) -> None:
    env = make_soccer(opponents=["still"], end_on_goal=False, episode_s=5.0)
    put(env, (2.4, 0.0), (2.0, 0.0), {0: (-1.0, 0.0, 0.0), 1: (1.0, 1.5, 0.0)})
    step = until(env, still(env), 20, lambda _: bool((env.evaluate()["scored"] > 0.0).all()))
    assert not step.done.any() and (env.evaluate()["scored"] == 1.0).all()
    field = env.field
    assert field.ball[:, :2].abs().max() < 1e-6
    assert (field.players.position[:, 0, 0] < 0.0).all()
    assert (field.players.position[:, 1, 0] > 0.0).all()
    assert env.sim.read("qvel").abs().max() == 0.0
    step = until(env, still(env), 100, ended)
    assert step.truncated.all()
    assert step.info["episode"]["success"].all()
    assert (step.info["episode"]["time_to_goal_s"] == 5.0).all()  # the time the result stood


def test_a_ball_that_leaves_the_pitch_is_thrown_in_and_costs(
    make_soccer: MakeSoccer, put: Put
) -> None:
    env = make_soccer(opponents=[], reward={"facing": 0.0, "approach": 0.0, "advance": 0.0})
    put(env, (0.5, 1.9), (0.0, 4.0), {0: (-1.0, 0.0, 0.0)})
    step = until(env, still(env), 40, lambda _: bool((env.evaluate()["out_of_play"] > 0).all()))
    assert (env.evaluate()["out_of_play"] == 1.0).all()
    assert step.reward.tolist() == pytest.approx([-0.2] * 4)
    ball = env.field.ball
    assert (ball[:, 1] <= 0.8 * HALF_WIDTH + 1e-6).all() and (ball[:, 1] > 1.0).all()
    assert ball[:, 2].tolist() == pytest.approx([BALL_RADIUS] * 4)
    assert torch.equal(env.sim.read("qpos"), env.qpos)
    assert env.sim.read("qvel")[:, :6].abs().max() == 0.0
    env.step(still(env))
    assert (env.evaluate()["out_of_play"] == 1.0).all()


def test_only_the_whole_ball_over_the_line_and_between_the_posts_is_a_goal() -> None:
    past = HALF_LENGTH + BALL_RADIUS
    ball = torch.tensor(
        [
            [past + 0.01, 0.0, 0.07],
            [past - 0.01, 0.0, 0.07],
            [-past - 0.01, 0.39, 0.07],
            [past + 0.01, 0.41, 0.07],
            [past + 0.01, 0.0, 0.65],
            [HALF_LENGTH + RAMP_WIDTH + 0.01, 1.0, 0.2],
            [0.0, -HALF_WIDTH - RAMP_WIDTH - 0.01, 0.2],
        ]
    )
    said = ruling(ball)
    assert said.scored.tolist() == [True] + [False] * 6
    assert said.conceded.tolist() == [False, False, True, False, False, False, False]
    assert said.out.tolist() == [False] * 5 + [True, True]
    back = thrown_in(ball[said.out])
    assert back[0].tolist() == pytest.approx([0.8 * HALF_LENGTH, 0.8, BALL_RADIUS])
    assert back[1].tolist() == pytest.approx([0.0, -0.8 * HALF_WIDTH, BALL_RADIUS])


def test_the_first_touch_is_timed(make_soccer: MakeSoccer, put: Put) -> None:
    env = make_soccer(opponents=["still"])
    put(env, (0.5, 0.0), player={0: (0.0, 0.0, 0.0), 1: (2.0, 1.5, 0.0)})
    assert env.evaluate()["first_touch_s"].isinf().all()
    forward = still(env)
    forward[:, 0] = 1.0
    for _ in range(30):
        env.step(forward)
    # 0.5 m less plate and ball, at 0.57 m/s and with some time to gain speed.
    assert env.evaluate()["first_touch_s"].tolist() == pytest.approx([0.6] * 4, abs=0.11)
    assert (env.record.last_touch == 0).all()


def test_time_runs_out_as_a_tie(make_soccer: MakeSoccer) -> None:
    env = make_soccer(opponents=["still"], episode_s=1.0)
    step = until(env, still(env), 21, ended)
    assert step.truncated.all()
    assert (step.info["episode"]["points"] == 0.5).all()
    assert [env.failure_names[i] for i in step.info["episode"]["failure"]] == ["too late"] * 4


def test_a_humanoid_that_falls_ends_its_episode_and_earns_nothing(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=2, walker="op3", opponents=[])
    action = still(env)
    action[:, [10, 16]] = torch.tensor([1.0, -1.0])  # both hips swing
    step = until(env, action, 80, ended)
    assert step.terminated.any()
    row = int(torch.nonzero(step.terminated).flatten()[0])
    place = step.info["final_ids"].tolist().index(row)
    assert env.failure_names[int(step.info["episode"]["failure"][place])] == "fallen"
    assert float(step.reward[row]) <= -5.0 * env.step_dt


@pytest.mark.parametrize("kind", ["kickoff", "set_piece", "anywhere"])
@pytest.mark.parametrize(("home", "away"), [(1, 0), (1, 1), (2, 2)])
def test_nobody_starts_inside_another_or_outside_the_pitch(kind: str, home: int, away: int) -> None:
    shares = {"kickoff": 0.0, "set_piece": 0.0, "anywhere": 0.0, kind: 1.0}
    config = StartConfig(**shares)  # type: ignore[arg-type]
    start = begin(config, 10_000, home, away, torch.Generator().manual_seed(0))
    limit = torch.tensor([HALF_LENGTH, HALF_WIDTH])
    assert (start.position.abs() < limit).all() and (start.ball.abs() < limit).all()
    gap = torch.linalg.vector_norm(start.position - start.ball[:, None], dim=-1)
    assert gap.min() >= 0.3 - 1e-6
    players = home + away
    between = torch.cdist(start.position, start.position) + 9.0 * torch.eye(players)
    assert between.min() >= 0.45 - 1e-6
    if kind == "kickoff":
        assert (start.ball == 0.0).all()
        assert (start.position[:, :home, 0] < 0).all() and (start.position[:, home:, 0] > 0).all()
    if kind == "set_piece":
        assert gap[:, 0].max() <= config.farthest + 1e-6
        assert gap[:, 0].max() > 0.9 * config.farthest and gap[:, 0].min() < 1.2 * config.nearest
        assert start.ball[:, 0].min() >= 0.0
    if kind != "kickoff":
        assert start.ball.abs().amax(dim=0).tolist() == pytest.approx([2.0, 1.5], abs=0.01)
        assert start.yaw.min() < -3.0 and start.yaw.max() > 3.0
