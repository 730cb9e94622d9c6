"""Views: the same for both teams in the same situation; perception tells what a camera would."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from robo_ts.envs.soccer import Soccer, perception, views
from tests.soccer.conftest import MakeSoccer, still

Put = Callable[..., None]


def view_of(env: Soccer, home: bool) -> torch.Tensor:
    team = env.home if home else env.away
    seen = views.others(env.field, team)
    felt = views.proprioception(env.walker, env.field, team, env.action)
    return views.privileged(felt, env.field, team, seen)


def turned(env: Soccer) -> None:
    """The world turned by half a turn, the teams having changed sides."""
    half, nq, nv = env.players // 2, env.walker.nq, env.walker.nv
    env.qpos[:, :2] *= -1.0
    env.qvel[:, :2] *= -1.0
    own, speed = env.qpos[:, 7:].unflatten(1, (-1, nq)), env.qvel[:, 6:].unflatten(1, (-1, nv))
    order = [*range(half, env.players), *range(half)]
    own, speed = own[:, order].clone(), speed[:, order].clone()
    own[..., :2] *= -1.0
    own[..., 2] += math.pi
    speed[..., :2] *= -1.0
    env.qpos[:, 7:], env.qvel[:, 6:] = own.flatten(1), speed.flatten(1)
    env.action = env.action[:, order].clone()


@pytest.mark.parametrize("size", [1, 2])
def test_both_teams_see_the_same_in_the_same_situation(make_soccer: MakeSoccer, size: int) -> None:
    env = make_soccer(
        num_envs=8 * size,
        team_size=size,
        opponents=["chaser"],
        start={"kickoff": 0.0, "anywhere": 1.0},
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(15):
        env.step(2.0 * torch.rand(env.num_envs, 5, generator=generator) - 1.0)
    home, away = view_of(env, True), view_of(env, False)
    assert not torch.allclose(home, away, atol=0.1)
    turned(env)
    assert torch.allclose(view_of(env, False), home, atol=1e-5)
    assert torch.allclose(view_of(env, True), away, atol=1e-5)


def test_a_view_says_where_things_are(make_soccer: MakeSoccer, put: Put) -> None:
    env = make_soccer(opponents=["still"])
    # Looking along +y, with the ball 1 m ahead and 0.5 m to the right, rolling to the left.
    put(env, (0.5, 1.0), (-0.4, 0.0), {0: (0.0, 0.0, math.pi / 2), 1: (0.0, 2.0, 0.0)})
    group, view = env.spec["privileged"], env.observe()["privileged"][0]
    parts = {name: view[where].tolist() for name, where in group.slices().items()}
    assert parts["true_ball"] == pytest.approx([1.0, -0.5, 0.07], abs=1e-5)
    assert parts["true_ball_velocity"] == pytest.approx([0.0, 0.4, 0.0], abs=1e-5)
    assert parts["true_attacked_goal"] == pytest.approx([0.0, -2.5], abs=1e-5)
    assert parts["true_own_goal"] == pytest.approx([0.0, 2.5], abs=1e-5)
    assert parts["true_heading"] == pytest.approx([0.0, 1.0], abs=1e-5)
    assert parts["true_teammate_present"] == [0.0] and parts["true_teammate_position"] == [0.0, 0.0]
    assert parts["true_opponent_0_present"] == [1.0]
    assert parts["true_opponent_0_position"] == pytest.approx([2.0, 0.0], abs=1e-5)
    assert parts["true_opponent_1_present"] == [0.0]


def test_opponents_are_ordered_by_distance(make_soccer: MakeSoccer, put: Put) -> None:
    env = make_soccer(team_size=2, opponents=["still"])
    for near, far in ((2, 3), (3, 2)):
        place = {
            0: (0.0, 0.0, 0.0),
            1: (-1.0, 0.0, 0.0),
            near: (1.0, 0.0, 0.0),
            far: (2.0, 0.0, 0.0),
        }
        put(env, (0.0, 1.0), player=place)
        where = env.spec["privileged"].slices()
        view = env.observe()["privileged"][0]
        assert view[where["true_opponent_0_position"]].tolist() == pytest.approx([1.0, 0.0])
        assert view[where["true_opponent_1_position"]].tolist() == pytest.approx([2.0, 0.0])
        assert view[where["true_teammate_position"]].tolist() == pytest.approx([-1.0, 0.0])


def ball_in_view(env: Soccer) -> bool:
    seen = views.others(env.field, env.home)
    scene = perception.scene(env.walker, env.field, env.home, seen, 6.0)
    return bool(scene.ball_in_view[0, 0])


@pytest.mark.parametrize(
    ("place", "seen"),
    [
        ((1.0, 0.0), True),
        ((0.17, 0.0), True),  # at its feet
        ((0.0, 1.0), False),
        ((-0.5, 0.0), False),
        ((1.0, 0.9), True),  # 43 degrees to either side
        ((1.0, 1.2), False),
    ],
)
def test_the_ball_is_in_view_where_the_camera_looks(
    make_soccer: MakeSoccer, put: Put, place: tuple[float, float], seen: bool
) -> None:
    env = make_soccer(opponents=[])
    put(env, place, player={0: (0.0, 0.0, 0.0)})
    assert ball_in_view(env) is seen


def test_turning_the_head_brings_the_ball_into_view(make_soccer: MakeSoccer, put: Put) -> None:
    env = make_soccer(opponents=[])
    put(env, (0.2, 1.3), player={0: (0.0, 0.0, 0.0)})
    assert not ball_in_view(env)
    look = still(env)
    look[:, 4] = 1.0
    for _ in range(10):
        env.step(look)
    assert ball_in_view(env)
    assert 0.0 < float(env.evaluate()["ball_in_view"][0]) < 1.0


def test_perception_hides_what_is_not_in_view(make_soccer: MakeSoccer, put: Put) -> None:
    env = make_soccer(
        opponents=["still"], perception={"dropout": 0.0, "noise": 0.0, "noise_per_m": 0.0}
    )
    put(env, (1.0, 0.3), player={0: (0.0, 0.0, 0.0), 1: (-1.0, 0.0, 0.0)})
    env.step(still(env))
    env.step(still(env))
    where = env.spec["perception"].slices()
    told = env.observe()["perception"]
    assert (told[:, where["ball_detected"]] == 1.0).all()
    assert told[0, where["ball_position"]].tolist() == pytest.approx([1.0, 0.3], abs=0.01)
    for hidden in ("own_goal", "teammate", "opponent_0", "opponent_1"):
        assert (told[:, where[f"{hidden}_detected"]] == 0.0).all()
        assert (told[:, where[f"{hidden}_position"]] == 0.0).all()


def test_perception_is_late_by_the_delay(make_soccer: MakeSoccer, put: Put) -> None:
    quiet = {"dropout": 0.0, "noise": 0.0, "noise_per_m": 0.0}
    now = make_soccer(opponents=[], perception=quiet | {"delay": 0})
    late = make_soccer(opponents=[], perception=quiet | {"delay": 2})
    told: list[list[torch.Tensor]] = [[], []]
    for env, kept in zip((now, late), told, strict=True):
        put(env, (0.3, 0.0), (1.0, 0.0), {0: (-0.5, 0.0, 0.0)})
        for _ in range(6):
            kept.append(env.step(still(env)).obs["perception"])
    for step in range(2, 6):
        assert torch.equal(told[1][step], told[0][step - 2])
        assert not torch.equal(told[1][step], told[0][step])


def test_perception_misses_and_errs_as_often_as_it_says(make_soccer: MakeSoccer, put: Put) -> None:
    env = make_soccer(
        num_envs=4000,
        opponents=[],
        perception={"dropout": 0.2, "noise": 0.02, "noise_per_m": 0.03, "delay": 0},
    )
    put(env, (1.0, 0.0), player={0: (0.0, 0.0, 0.0)})
    told = env.step(still(env)).obs["perception"]
    where = env.spec["perception"].slices()
    there = told[:, where["ball_detected"]].flatten() > 0.0
    assert float(there.float().mean()) == pytest.approx(0.8, abs=0.03)
    error = told[there][:, where["ball_position"]] - torch.tensor([1.0, 0.0])
    assert error.std(dim=0).tolist() == pytest.approx([0.05, 0.05], rel=0.06)
    assert error.mean(dim=0).abs().max() < 0.005
