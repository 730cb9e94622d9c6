"""What students see: the worlds' own objects, at the camera's rate, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from robo_ts.env import get_task
from robo_ts.envs.grasp import Grasp
from robo_ts.envs.grasp.eyes import spread_points
from robo_ts.envs.grasp.eyes_config import EyesConfig
from robo_ts.envs.grasp.geometry import quat_to_matrix
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.ablations import ablated_groups
from robo_ts.pipeline.config import compose_run
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.sim.cameras import SensorConfig

MakeGrasp = Callable[..., Grasp]
ROOT = Path(__file__).resolve().parents[2]
N = 4
FEW = {"count": 8, "families": ["prism", "profile", "slab", "pebble"]}


def eyes(**settings: Any) -> EyesConfig:
    """Sensors that neither err nor lag; a palm camera that sees as far as the table."""
    usual = EyesConfig()
    sharp = {
        name: replace(camera, sensor=SensorConfig(), **settings.pop(name, {}))
        for name, camera in (("fixed", usual.fixed), ("palm", usual.palm))
    }
    return EyesConfig(**sharp, **settings)


def student_of(env: Grasp, groups: list[str]) -> Policy:
    torch.manual_seed(0)
    config = PolicyConfig(encoder=[16], memory_size=8, channels=[4, 4], image_features=8)
    return Policy(config, env.spec.select(groups), env.num_actions).eval()


def move_out_of_sight(env: Grasp) -> None:
    """Object and goal change; no camera exposes in the meantime, and no joint moves."""
    at = env.layout.object_qpos
    qpos = env.sim.read("qpos").clone()
    qpos[:, at : at + 3] += torch.tensor([0.03, -0.05, 0.2])
    env.sim.write("qpos", qpos)
    env.sim.forward()
    env._goal = env._goal + 0.1
    env._mass, env._friction = 3.0 * env._mass, 0.5 * env._friction
    env.scene.position, env.scene.velocity = env.scene.position + 0.1, env.scene.velocity + 1.0
    env.scene.force, env.scene.distance = env.scene.force + 2.0, env.scene.distance + 0.1


def same_actions(env: Grasp, student: Policy) -> bool:
    """Whether a student acts alike before and after what it cannot sense has changed."""
    hidden = student.initial_state(env.num_envs)
    env.sim.forward()  # after a step, poses lag by one substep; the joints are the same
    before, _ = student.act(env.observe(), hidden)
    move_out_of_sight(env)
    after, _ = student.act(env.observe(), hidden)
    return torch.equal(before, after)


STUDENTS = {
    "depth": ["proprioception", "wrist", "fixed_depth", "palm_depth"],
    "points": ["proprioception", "wrist", "points", "imagined"],
    "blind": ["proprioception", "wrist"],
}


@pytest.mark.parametrize("kind", STUDENTS)
def test_no_student_acts_on_what_only_the_simulator_knows(kind: str, make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=N, objects=FEW, eyes=EyesConfig(points=32, imagined=16))
    for _ in range(3):
        env.step(0.5 * torch.ones(N, env.num_actions))
    student = student_of(env, STUDENTS[kind])
    assert student.spec.privileged() == []
    assert same_actions(env, student)


def test_the_committed_student_looks_and_acts_on_nothing_hidden(make_grasp: MakeGrasp) -> None:
    bundle = PolicyBundle.load(ROOT / "artifacts" / "grasp" / "eyes" / "student")
    env = make_grasp(num_envs=N, objects=FEW, eyes=EyesConfig())
    student = bundle.policy.eval()
    bundle.check_fits("grasp", env.spec, env.num_actions)
    for _ in range(3):
        env.step(0.5 * torch.ones(N, env.num_actions))
    assert student.spec.privileged() == []
    seen, hidden = env.observe(), student.initial_state(N)
    obs = {name: seen[name] for name in student.spec}
    turned = obs["palm_depth"].view(torch.int16).roll(1, 0).view(torch.uint16)
    other = obs | {"palm_depth": turned}
    assert not torch.allclose(student.act(obs, hidden)[0], student.act(other, hidden)[0], atol=1e-2)
    assert same_actions(env, student)


def test_a_student_that_is_told_the_goals_error_is_found_out(make_grasp: MakeGrasp) -> None:
    """As in UniDexGrasp's code: its vision student reads an error from the simulator's pose."""
    env = make_grasp(num_envs=N, objects=FEW, eyes=EyesConfig())
    told = student_of(env, [*STUDENTS["depth"], "privileged"])
    with torch.no_grad():  # of the privileged terms it uses the goal's offset alone
        slices = env.spec["privileged"].slices()
        first = told.spec.size() - env.spec["privileged"].size
        first_layer = told.encoder[0]
        assert isinstance(first_layer, torch.nn.Linear)
        columns = first_layer.weight
        for name, at in slices.items():
            if name != "goal_offset":
                columns[:, first + at.start : first + at.stop] = 0.0
    assert not same_actions(env, told)


def test_every_world_shows_its_own_object(make_grasp: MakeGrasp) -> None:
    sharp = {"width": 48, "height": 48}
    looking = eyes(points=48 * 48, imagined=1, cameras=["palm"], palm=sharp)
    env = make_grasp(num_envs=8, objects=FEW, difficulty=0.0, eyes=looking)
    points = env.observe()["points"].reshape(8, -1, 3)
    palm = env.sim.model.site("hand/palm").id
    frame = env.sim.read("site_xmat").unflatten(-1, (3, 3))[:, palm]
    world = points @ frame.mT + env.sim.read("site_xpos")[:, None, palm]
    away = world - env.scene.position[:, None]
    # Not the table, not the thumb, which is the only other thing in the picture.
    on_object = (world[..., 2] > 0.004) & (away[..., :2].norm(dim=-1) < 0.05)
    at = env.layout.object_qpos
    turn = quat_to_matrix(env.sim.read("qpos")[:, at + 3 : at + 7])
    assert len(env.object_ids.unique()) > 3
    for one, seen in enumerate(on_object):
        assert int(seen.sum()) > 20
        shapes = env.surfaces.points @ turn[one].T
        gap = torch.cdist(away[one][seen][None], shapes).amin(dim=-1).mean(dim=-1)
        assert int(gap.argmin()) == int(env.object_ids[one])
        assert float(gap.min()) < 0.005  # surface samples are that far apart


def test_images_come_at_the_cameras_rate(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=N, difficulty=0.0, eyes=eyes(fixed={"every": 3}))
    changed: dict[str, list[bool]] = {"fixed_depth": [], "palm_depth": []}
    before = env.observe()
    for _ in range(6):
        now = env.step(torch.full((N, env.num_actions), 0.3)).obs
        for name, kept in changed.items():
            kept.append(not torch.equal(now[name].int(), before[name].int()))
        before = now
    assert changed["fixed_depth"] == [False, False, True] * 2
    assert changed["palm_depth"] == [False, True] * 3


def test_a_lost_camera_shows_nothing_and_the_other_goes_on(make_grasp: MakeGrasp) -> None:
    lost = replace(EyesConfig().palm, sensor=SensorConfig(lost=1.0))
    env = make_grasp(num_envs=N, eyes=EyesConfig(palm=lost))
    obs = env.observe()
    assert int(obs["palm_depth"].int().max()) == 0
    assert int(obs["fixed_depth"].int().max()) > 0


def test_points_on_the_hand_follow_its_joints_and_not_its_place(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=N, eyes=EyesConfig(cameras=[], imagined=64))
    assert "points" not in env.spec and env.spec["imagined"].deployable
    before = after = closed = env.observe()["imagined"]
    away, close = torch.zeros(2, N, env.num_actions)
    away[:, :4], close[:, 6:] = 0.7, 0.7
    for _ in range(4):
        after = env.step(away).obs["imagined"]
    moved = torch.linalg.vector_norm((after - before).reshape(N, -1, 3), dim=-1)
    assert float(moved.max()) < 0.004  # fingers give a little when the hand is accelerated
    for _ in range(4):
        closed = env.step(close).obs["imagined"]
    assert float((closed - after).abs().max()) > 0.02


@pytest.mark.parametrize("hand", ["allegro", "leap", "shadow"])
def test_points_on_the_hand_lie_on_its_surface(hand: str, make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=1, hand=hand)
    model = env.sim.model
    geoms, points = spread_points(model, 200)
    assert len(geoms.unique()) > 10
    boxes = [i for i, g in enumerate(geoms) if model.geom(int(g)).type[0] == 6]
    size = torch.as_tensor(model.geom_size[geoms], dtype=torch.float32)
    share = (points / size).abs()[boxes].amax(dim=-1)
    torch.testing.assert_close(share, torch.ones(len(boxes)), atol=1e-4, rtol=0.0)


def test_clouds_lie_in_ablations_where_they_are_named(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=1, eyes=EyesConfig(points=8, imagined=8))
    depth, points = (student_of(env, STUDENTS[kind]) for kind in ("depth", "points"))
    assert ablated_groups(depth) == ["fixed_depth", "palm_depth"]
    assert ablated_groups(points, ["points"]) == ["points"]
    assert ablated_groups(points) == []


def test_the_blind_control_is_the_depth_students_twin() -> None:
    blind, full = (compose_run(["task=grasp", f"recipe={name}"]) for name in ("blind", "default"))
    assert blind.obs_groups["student"] == STUDENTS["blind"]
    assert full.obs_groups["student"] == STUDENTS["depth"]
    assert blind.config.distill == full.config.distill
    assert blind.training_task == full.training_task
    assert compose_run(["task=grasp", "recipe=points"]).obs_groups["student"] == STUDENTS["points"]


def test_the_student_reads_cameras_and_proprioception_only() -> None:
    assert get_task("grasp").obs_groups["student"] == STUDENTS["depth"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"cameras": ["wrist"]}, "task.eyes.cameras"),
        ({"cameras": [], "points": 64}, "cameras for task.eyes.points"),
        ({"imagined": -1}, "imagined"),
    ],
)
def test_eyes_that_cannot_be_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RoboTSError, match=complaint):
        EyesConfig(**settings)
