"""OP3's drills: it lies, gets up, walks, is paid for it, and is told what its scripts do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.env import make_env
from robo_ts.envs.soccer import Soccer, SoccerConfig
from robo_ts.envs.soccer.legs import stands
from robo_ts.envs.soccer.walkers import WALKERS, Clock
from robo_ts.envs.soccer.walkers import op3_motions as motions
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.trials import with_changes
from robo_ts.sim import EngineConfig
from tests.soccer.conftest import MakeSoccer, still
from tests.soccer.parity import assert_bit_identical, assert_engines_agree

NO_GAME = dict.fromkeys(("scored", "conceded", "approach", "advance", "facing"), 0.0)
NO_GAME |= {"out_of_play": 0.0, "fallen": 0.0}
DRILL: dict[str, Any] = {"walker": "op3", "opponents": [], "end_on_fall": False, "reward": NO_GAME}
LYING = {"kickoff": 0.0, "anywhere": 1.0, "lying": 1.0}
GET_UP = DRILL | {"aim": "get_up", "start": LYING, "episode_s": 2.5}
WALK = DRILL | {"aim": "walk", "end_on_fall": True, "episode_s": 7.0}


def told(env: Soccer, term: str) -> Tensor:
    group = env.spec["privileged"]
    return env.observe()["privileged"][:, group.slices()[f"true_{term}"]]


def scripted(env: Soccer, seconds: float) -> None:
    for _ in range(round(seconds / env.step_dt)):
        env.step(told(env, "motion_action"))


def test_a_box_has_no_legs(make_soccer: MakeSoccer) -> None:
    env = make_soccer(opponents=[])
    assert env.legs is None
    assert not any("motion" in name for name in env.spec["privileged"].slices())
    assert "get_up_s" not in env.evaluate()


@pytest.mark.parametrize("wrong", [{"aim": "get_up"}, {"aim": "walk"}, {"start": {"lying": 0.5}}])
def test_drills_are_for_walkers_with_legs(wrong: dict[str, Any]) -> None:
    with pytest.raises(RoboTSError, match=r"walker=op3"):
        with_changes(SoccerConfig(), {"opponents": [], **wrong})


def test_drills_have_no_opponents() -> None:
    with pytest.raises(RoboTSError, match=r"opponents=\[\]"):
        with_changes(SoccerConfig(), {"walker": "op3", "aim": "walk", "opponents": ["still"]})


def test_half_lie_on_the_front_and_half_on_the_back(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=64, **GET_UP)
    qpos = env.field.qpos
    assert env.walker.fallen(qpos).all() and env.legs is not None and env.legs.rising.all()
    front = qpos.new_tensor([0.0])
    on_back = env.walker.supine(qpos)
    assert 16 < int(on_back.sum()) < 48
    assert torch.equal(env.legs.supine, on_back) and front.numel()
    env.step(still(env))
    assert float(env.qvel.abs().max()) < 12.0  # no pose begins inside the floor


def test_poses_for_measuring_are_not_those_of_training() -> None:
    op3, place, yaw = WALKERS["op3"](), torch.zeros(400, 2), torch.zeros(400)
    draw = [op3.lying(place, yaw, torch.Generator().manual_seed(0), flag) for flag in (False, True)]
    known, unseen = ({tuple(pose) for pose in found[:, 7:].tolist()} for found in draw)
    assert len(known) > len(unseen) > 50 and not known & unseen


def test_who_lies_is_turned_by_the_yaw_and_laid_at_the_place() -> None:
    op3 = WALKERS["op3"]()
    place, yaw = torch.tensor([[0.5, -1.0]] * 8), torch.full((8,), 1.0)
    plain = op3.lying(0 * place, 0 * yaw, torch.Generator().manual_seed(3), False)
    turned = op3.lying(place, yaw, torch.Generator().manual_seed(3), False)
    assert torch.equal(turned[:, :2], place) and torch.equal(turned[:, 7:], plain[:, 7:])
    assert torch.allclose(op3.rises(turned), op3.rises(plain), atol=1e-5)
    assert torch.allclose(op3.uprightness(turned), op3.uprightness(plain), atol=1e-5)
    axis = op3.eye(plain).yaw - op3.eye(turned).yaw
    assert torch.allclose(torch.cos(axis), torch.full((8,), 1.0).cos(), atol=1e-4)


def test_shares_of_players_lie(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=200, walker="op3", opponents=[], start={"lying": 0.25})
    assert 25 < int(env.walker.fallen(env.field.qpos).sum()) < 75


def test_standing_is_a_matter_of_height_and_tilt(make_soccer: MakeSoccer) -> None:
    op3 = WALKERS["op3"]()
    upright = op3.stand(torch.zeros(2), torch.tensor(0.3))
    assert stands(op3, upright)
    squat = upright.clone()
    squat[2] -= 0.04
    tilted = upright.clone()
    tilted[3:7] = torch.tensor([0.9763, 0.2164, 0.0, 0.0])  # by 25 degrees
    assert not stands(op3, squat) and not stands(op3, tilted)
    assert float(op3.rises(upright)) == pytest.approx(1.0, abs=0.02)


def test_a_fall_starts_the_get_up_and_standing_ends_it(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=4, **(GET_UP | {"episode_s": 10.0}))
    legs, walker = env.legs, env.walker
    assert legs is not None
    time, place = torch.zeros(4), torch.zeros(4, 1, 2)
    upright = walker.stand(torch.zeros(4, 1, 2), torch.zeros(4, 1))
    down = env.field.qpos.clone()
    legs.advance(walker, upright, place, time + 0.1, 0.025)
    assert legs.rising.all() and legs.up_since.eq(0.1).all()
    legs.motion[:] = walker.get_up_s
    legs.advance(walker, upright, place, time + 0.2, 0.025, walks_on=False)
    assert legs.rising.all()
    legs.advance(walker, upright, place, time + 0.2, 0.025)
    assert not legs.rising.any() and legs.motion.eq(0.0).all()
    assert legs.up_since.eq(0.1).all() and legs.falls.eq(0.0).all()
    legs.advance(walker, down, place, time + 0.3, 0.025)
    assert legs.rising.all() and legs.falls.eq(1.0).all() and legs.up_since.isinf().all()
    legs.motion[:] = walker.get_up_s
    legs.advance(walker, down, place, time + 0.4, 0.025)
    assert legs.rising.all() and legs.motion.eq(0.0).all() and legs.falls.eq(1.0).all()


def test_the_scripts_last_pose_is_standing_and_both_sides_mirror_each_other() -> None:
    far = torch.tensor([100.0, 100.0])
    clock = Clock(torch.tensor([True, True]), torch.tensor([False, True]), far)
    up = torch.tensor([[0.0, 0.0, 1.0]] * 2)
    assert torch.equal(motions.action(clock, up, 0 * up), torch.zeros(2, 20))
    early = motions.action(clock._replace(time=0 * far), up, 0 * up)
    assert early.abs().max() > 0.5 and not torch.equal(early[0], early[1])
    assert torch.equal(early[:, motions.LEFT], -early[:, motions.RIGHT])


def test_half_a_stride_later_the_gait_is_its_mirror_image() -> None:
    walk = torch.tensor([False])
    up = torch.tensor([[0.0, 0.0, 1.0]])
    now, later = (
        motions.action(Clock(walk, walk, torch.tensor([time])), up, 0 * up)
        for time in (0.1, 0.1 + 0.5 * motions.STRIDE_S)
    )
    assert torch.allclose(now[:, motions.LEFT], -later[:, motions.RIGHT], atol=1e-5)


def test_angles_become_the_actions_that_ask_for_them() -> None:
    op3 = WALKERS["op3"]()
    action = torch.rand(5, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1
    action[:, 4] = -action[:, 4].abs()  # hip_roll stands at the end of its range
    whole = torch.zeros(5, 20)
    whole[:, motions.LEFT] = action
    angles = op3.control(whole, torch.zeros(5, 27))[:, motions.LEFT]
    assert torch.allclose(motions.actions(angles), action, atol=1e-5)


def test_legs_are_paid_for_rising_and_for_walking_forward(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=8, **(GET_UP | {"legs": {"rising": 1.0}}))
    low = env.step(still(env)).reward
    upright = env.walker.stand(torch.zeros(8, 1, 2), torch.zeros(8, 1))
    env.qpos[:, 7:] = upright.flatten(1)
    high = env._legs_reward()[:, 0]
    assert (low < 0.5 * high).all() and torch.allclose(high, torch.full((8,), 0.025), atol=2e-3)
    env.config.legs.rising, env.config.legs.forward = 0.0, 2.0
    env.qvel[:, 6] = 0.4
    assert torch.allclose(env._legs_reward()[:, 0], torch.full((8,), 0.4 * 2.0 * 0.025))


def test_nothing_is_earned_lying_down_in_a_game(make_soccer: MakeSoccer) -> None:
    game = {"walker": "op3", "opponents": [], "end_on_fall": False, "reward": NO_GAME}
    env = make_soccer(num_envs=8, start=LYING, legs={"rising": 1.0}, **game)
    assert env.step(still(env)).reward.le(0.0).all()


def test_effort_and_jerk_cost(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=4, **(WALK | {"legs": {"effort": 1.0, "jerk": 1.0}}))
    calm = env.step(torch.zeros(4, 20)).reward
    wild = env.step(torch.ones(4, 20)).reward
    assert (wild < calm - 1e-3).all()


def test_a_walk_begins_at_the_rear_and_looks_ahead(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=32, **WALK)
    players = env.field.players
    assert players.position[..., 0].eq(-2.1).all()
    assert players.yaw.abs().max() <= 0.1 and players.yaw.std() > 0.0
    assert (env.field.ball[:, 0] > 2.0).all()


def test_walking_speed_is_measured_after_the_run_up(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=2, **WALK)
    legs, walker = env.legs, env.walker
    assert legs is not None
    upright = walker.stand(torch.zeros(2, 1, 2), torch.zeros(2, 1))
    pace = torch.tensor([[0.6], [0.4]])
    for step in range(1, 161):
        time = torch.full((2,), step * 0.025)
        # Slow before two seconds, at the pace after them.
        ahead = torch.where(time[:, None] < 2.0, 0.0, pace * (time[:, None] - 2.0))
        place = torch.stack([ahead, torch.zeros(2, 1)], dim=-1)
        legs.advance(walker, upright, place, time, 0.025)
    found = env.evaluate()
    assert found["forward_speed_m_s"].tolist() == pytest.approx([0.6, 0.4], abs=1e-3)
    assert found["success"].tolist() == [True, False]
    legs.falls[:] = 1.0
    assert not env.evaluate()["success"].any()


def test_a_get_up_counts_when_it_is_in_time_and_lasts(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=3, **GET_UP)
    assert env.legs is not None
    env.legs.up_since[:] = torch.tensor([[1.0], [1.6], [torch.inf]])
    env._fallen[:] = torch.tensor([[False], [False], [True]])
    found = env.evaluate()
    assert found["success"].tolist() == [True, False, False]
    assert found["success_ever"].tolist() == [True, True, False]
    assert [env.failure_names[i] for i in found["failure"].tolist()] == [
        "none",
        "too late",
        "fallen",
    ]


def test_the_legs_are_part_of_the_state(make_soccer: MakeSoccer) -> None:
    env, twin = make_soccer(num_envs=4, **GET_UP), make_soccer(num_envs=4, seed=5, **GET_UP)
    scripted(env, 0.5)
    twin.load_state_dict(env.state_dict())
    for _ in range(8):
        one, two = (e.step(told(e, "motion_action")) for e in (env, twin))
        assert torch.equal(one.reward, two.reward)
        assert all(torch.equal(one.obs[name], two.obs[name]) for name in env.spec)


def test_drills_are_bit_identical_for_one_and_three_threads() -> None:
    config = with_changes(SoccerConfig(), GET_UP)
    one, three = (make_env("soccer", 5, config, EngineConfig(threads=n), 3) for n in (1, 3))
    assert isinstance(one, Soccer) and isinstance(three, Soccer)
    assert_bit_identical(one, three, steps=10)


@pytest.mark.slow
def test_the_engines_agree_about_a_robot_on_the_floor_and_on_its_feet() -> None:
    """Slow, because the other engine compiles its kernels first."""
    config = with_changes(SoccerConfig(), GET_UP | {"start": LYING | {"lying": 0.5}})
    cpu, warp = (
        make_env("soccer", 4, config, engine, 3)
        for engine in (
            EngineConfig(threads=1),
            EngineConfig("warp", device="cpu", njmax=400, nconmax=150),
        )
    )
    assert isinstance(cpu, Soccer) and isinstance(warp, Soccer)
    # Joint velocities reach several rad/s while limbs strike the floor.
    assert_engines_agree(cpu, warp, lambda: told(cpu, "motion_action"), tolerance=3e-2)
