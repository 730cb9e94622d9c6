"""Every hand is complete, strong enough, and can grasp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robo_ts.envs.grasp import Grasp
from robo_ts.envs.grasp.hands import HANDS, Hand, get_hand
from robo_ts.envs.grasp.scripted import scripted_action
from robo_ts.errors import RoboTSError
from robo_ts.paths import asset

MakeGrasp = Callable[..., Grasp]


@pytest.mark.parametrize("name", HANDS)
def test_a_hand_has_what_the_task_needs_and_says_where_it_is_from(name: str) -> None:
    hand = get_hand(name)
    spec = hand.spec()
    assert spec.compiler.degree in (False, 0)
    source = asset(f"robots/{name}/SOURCE.md").read_text()
    assert "licence" in source.lower()


@pytest.mark.parametrize(("name", "joints", "actuators"), [("leap", 16, 16), ("shadow", 22, 18)])
def test_joints_and_actuators_are_counted_right(
    name: str, joints: int, actuators: int, make_grasp: MakeGrasp
) -> None:
    env = make_grasp(num_envs=1, hand=name)
    assert len(env.layout.finger_qpos) == joints
    assert env.num_actions == 6 + actuators


@pytest.mark.parametrize("name", HANDS)
def test_joints_go_where_their_actuators_are_told(name: str, make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=2, hand=name, start={"least_height": 0.4})
    start = env.scene.joints @ env.layout.transmission.T
    action = torch.zeros(2, env.num_actions)
    action[:, 6:] = torch.tensor([[0.5], [-0.5]])
    for _ in range(3):
        env.step(action)
    for _ in range(12):
        env.step(torch.zeros_like(action))
    reached = env.scene.joints @ env.layout.transmission.T
    # Within a tenth of a radian: gravity is compensated, contacts of tips aside.
    error = (reached - env.target[:, 6:]).abs()
    assert float(error.median()) < 0.05
    assert float((reached - start).abs().max()) > 0.25


def test_joints_of_one_tendon_share_what_it_pulls(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=1, hand="shadow")
    rows = env.layout.transmission
    assert sorted(rows.sum(dim=1).tolist()) == [1.0] * 14 + [2.0] * 4


@pytest.mark.parametrize("name", HANDS)
def test_the_scripted_grasp_lifts_a_cube_with_every_hand(name: str, make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=8, hand=name, difficulty=0.0, seed=1, episode_seconds=3.5)
    for _ in range(env.max_episode_steps - 1):
        env.step(scripted_action(env))
    assert int(env.record.success_ever.sum()) >= 4, env.evaluate()


def test_a_hand_from_elsewhere_is_found_by_its_module() -> None:
    assert get_hand("robo_ts.envs.grasp.hands:LEAP").name == "leap"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("allegroo", "did you mean allegro"),
        ("robo_ts.nowhere:HAND", "mend the path"),
        ("robo_ts.envs.grasp.hands:HANDS", "build one with"),
    ],
)
def test_an_unknown_hand_is_refused(name: str, said: str) -> None:
    with pytest.raises(RoboTSError, match=said):
        get_hand(name)


def test_a_hand_without_a_needed_site_is_refused(tmp_path: Path) -> None:
    text = asset("robots/allegro/allegro.xml").read_text()
    path = tmp_path / "hand.xml"
    path.write_text(text.replace('<site name="ring_tip" pos="0 0 0.029"/>', ""))
    with pytest.raises(RoboTSError, match="the site ring_tip"):
        Hand("mine", str(path), ("thumb", "index", "middle", "ring")).spec()


def test_synergies_of_other_actuators_are_refused() -> None:
    with pytest.raises(RoboTSError, match="make them anew"):
        get_hand("allegro").load_synergies(["thumb"])
