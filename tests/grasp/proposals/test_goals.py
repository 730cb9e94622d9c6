"""The goal grasp is privileged, is an option, and is where it says it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robo_ts.envs.grasp import Grasp
from robo_ts.envs.grasp.config import GoalGraspsConfig
from robo_ts.envs.grasp.geometry import quat_to_matrix, wrist_matrix
from robo_ts.envs.grasp.model import PALM_DOWN
from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.grasps import Grasps, save_grasps
from robo_ts.errors import RoboTSError

MakeGrasp = Callable[..., Grasp]


def file_of(
    folder: Path, grasps: Grasps, hand: str = "allegro", names: tuple[str, ...] = ("cube/0",)
) -> GoalGraspsConfig:
    path = folder / "valid.safetensors"
    save_grasps(path, grasps, {"hand": hand, "objects": list(names)})
    return GoalGraspsConfig(file=str(path))


def every_pose(cube: ObjectSet, grasp: Grasps) -> Grasps:
    """One grasp for each way the cube can lie."""
    poses = int((cube.pose_probability[0] > 0.0).sum())
    some = grasp.rows(torch.zeros(poses, dtype=torch.long))
    some.pose = torch.arange(poses)
    return some


def test_by_default_there_is_no_goal_grasp(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=1)
    assert env.goal_grasps is None
    names = [term.name for term in env.spec["privileged"].terms]
    assert not [name for name in names if name.startswith("goal_grasp")]
    assert "goal_grasp" not in env.reward_terms()


def test_a_hand_at_its_goal_has_nothing_left_to_do(
    make_grasp: MakeGrasp, cube: ObjectSet, open_hands: Grasps, tmp_path: Path
) -> None:
    config = file_of(tmp_path, every_pose(cube, open_hands.rows(slice(1, 2))))
    env = make_grasp(num_envs=3, goal_grasps=config)
    env.reset()
    goals = env.goal_grasps
    assert goals is not None and bool((goals.chosen >= 0).all())
    scene = env.scene
    away = goals.reward(scene)
    seen = goals.observe(scene)
    assert float(away.max()) < -0.05
    assert bool((seen[:, -1] == 1.0).all())
    # What is left, taken: the observation says how.
    turn = quat_to_matrix(torch.as_tensor(PALM_DOWN, dtype=torch.float32))
    hand = wrist_matrix(scene.wrist[:, 3:]) @ turn
    yaw = scene.yaw
    offset = seen[:, :3]
    x = torch.cos(yaw) * offset[:, 0] - torch.sin(yaw) * offset[:, 1]
    y = torch.sin(yaw) * offset[:, 0] + torch.cos(yaw) * offset[:, 1]
    place = scene.wrist[:, :3] + torch.stack([x, y, offset[:, 2]], dim=-1)
    own = open_hands.rows(slice(1, 2))
    expected = scene.position + (scene.rotation @ own.translation[0][:, None])[..., 0]
    torch.testing.assert_close(place, expected, atol=1e-5, rtol=0.0)
    first, second = seen[:, 3:6], seen[:, 6:9]
    third = torch.linalg.cross(first, second)
    wanted = hand @ torch.stack([first, second, third], dim=-1)
    torch.testing.assert_close(wanted, scene.rotation @ own.rotation, atol=1e-5, rtol=0.0)


def test_worlds_without_a_fitting_grasp_have_no_goal(
    make_grasp: MakeGrasp, cube: ObjectSet, open_hands: Grasps, tmp_path: Path
) -> None:
    one = open_hands.rows(slice(1, 2))  # for one of six ways to lie
    env = make_grasp(num_envs=40, goal_grasps=file_of(tmp_path, one))
    env.reset()
    goals = env.goal_grasps
    assert goals is not None
    given = goals.chosen >= 0
    up = one.lying(cube).up[0]
    lies = env.scene.rotation[:, 2] @ up > 0.99
    assert torch.equal(given, lies) and 0 < int(given.sum()) < 40
    assert bool((goals.reward(env.scene)[~given] == 0.0).all())
    assert bool((goals.observe(env.scene)[~given] == 0.0).all())


def test_only_the_privileged_group_and_the_reward_change(
    make_grasp: MakeGrasp, cube: ObjectSet, open_hands: Grasps, tmp_path: Path
) -> None:
    config = file_of(tmp_path, every_pose(cube, open_hands.rows(slice(1, 2))))
    plain, aimed = make_grasp(num_envs=3), make_grasp(num_envs=3, goal_grasps=config)
    # What is drawn for the goal comes last, so a first reset is the same.
    without, with_goal = plain.reset(seed=5), aimed.reset(seed=5)
    assert torch.equal(without["proprioception"], with_goal["proprioception"])
    width = without["privileged"].shape[1]
    assert torch.equal(without["privileged"], with_goal["privileged"][:, :width])
    assert with_goal["privileged"].shape[1] == width + 10 + 16
    both = plain.reward_terms(), aimed.reward_terms()
    assert set(both[1]) - set(both[0]) == {"goal_grasp"}
    for name, value in both[0].items():
        assert torch.equal(value, both[1][name]), name


def test_goals_survive_a_saved_state(
    make_grasp: MakeGrasp, cube: ObjectSet, open_hands: Grasps, tmp_path: Path
) -> None:
    both = every_pose(cube, open_hands.rows(slice(1, 2)))
    config = file_of(tmp_path, both)
    env, other = (make_grasp(num_envs=4, goal_grasps=config, seed=s) for s in (0, 1))
    env.reset()
    other.reset()
    other.load_state_dict(env.state_dict())
    assert env.goal_grasps is not None and other.goal_grasps is not None
    assert torch.equal(env.goal_grasps.chosen, other.goal_grasps.chosen)


@pytest.mark.parametrize(
    ("hand", "names", "said"),
    [("leap", ("cube/0",), "of the hand allegro"), ("allegro", ("mug/3",), "the task's objects")],
)
def test_grasps_of_something_else_are_refused(
    hand: str,
    names: tuple[str, ...],
    said: str,
    make_grasp: MakeGrasp,
    open_hands: Grasps,
    tmp_path: Path,
) -> None:
    config = file_of(tmp_path, open_hands, hand, names)
    with pytest.raises(RoboTSError, match=said):
        make_grasp(num_envs=1, goal_grasps=config)
