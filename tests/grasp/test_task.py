"""The grasp task's rules: frames, starts, success, failure, objects per world."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.envs.grasp import Grasp, GraspConfig
from robo_ts.envs.grasp.geometry import from_heading, turned_about_z
from robo_ts.envs.grasp.outcomes import FAILURES, Record
from robo_ts.envs.grasp.scripted import scripted_action
from robo_ts.errors import RoboTSError

MakeGrasp = Callable[..., Grasp]
FEW = {"count": 6, "families": ["superquadric", "cup", "hammer"]}


def turn_worlds(env: Grasp, angle: Tensor) -> None:
    """Turn everything in every world about the table's middle."""
    layout, at = env.layout, env.layout.object_qpos
    qpos = env.sim.read("qpos").clone()
    for part in (slice(0, 3), slice(at, at + 3)):
        qpos[:, part] = from_heading(qpos[:, part], angle)
    qpos[:, 3] += angle
    qpos[:, at + 3 : at + 7] = turned_about_z(qpos[:, at + 3 : at + 7], angle)
    target = env.target.clone()
    target[:, :3] = from_heading(target[:, :3], angle)
    target[:, 3] += angle
    env.sim.write("qpos", qpos)
    env.sim.write("ctrl", target)
    env.sim.forward()
    env.target = target
    env._start, env._goal = from_heading(env._start, angle), from_heading(env._goal, angle)
    ids = torch.arange(env.num_envs)
    from robo_ts.envs.grasp.scene import look

    env.scene = look(env.sim, layout, env.surfaces, env.object_ids, ids)


def test_turning_the_whole_world_changes_nothing_a_teacher_sees_or_does(
    make_grasp: MakeGrasp,
) -> None:
    plain, turned = (make_grasp(num_envs=6, seed=3, objects=FEW) for _ in range(2))
    turn_worlds(turned, torch.linspace(-3.0, 3.0, 6))
    generator = torch.Generator().manual_seed(0)
    for _ in range(8):
        one, two = plain.observe(), turned.observe()
        for name in ("proprioception", "privileged"):
            for term, at in plain.spec[name].slices().items():
                # An object at rest trembles: rounding decides which way.
                close = 0.1 if term == "object_velocity" else 2e-3
                torch.testing.assert_close(
                    one[name][:, at], two[name][:, at], atol=close, rtol=0.0, msg=term
                )
        assert float((one["wrist"] - two["wrist"]).abs().max()) > 0.1
        action = 0.5 * torch.randn(6, plain.num_actions, generator=generator)
        first, second = plain.step(action), turned.step(action)
        torch.testing.assert_close(first.reward, second.reward, atol=1e-3, rtol=0.0)


def test_nothing_touches_anything_at_the_start(make_grasp: MakeGrasp) -> None:
    for difficulty in (0.0, 0.5, 1.0):
        env = make_grasp(num_envs=64, objects=FEW, difficulty=difficulty)
        env.step(torch.zeros(64, env.num_actions))
        assert not env.scene.touching.any()
        assert float(env.scene.force[:, -1].abs().max()) == 0.0
        assert float(env.record.pushed.max()) < 1e-3


def test_wide_starts_are_as_far_away_and_as_turned_as_promised(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=256, difficulty=1.0)
    distance = env.evaluate()["start_distance_m"]
    assert float(distance.min()) > 0.149 and float(distance.max()) < 0.301
    yaw = env.scene.yaw
    assert float(yaw.min()) < -3.0 and float(yaw.max()) > 3.0
    bearing = env.scene.position[:, :2] - env.scene.grasp_point[:, :2]
    assert float(torch.atan2(bearing[:, 1], bearing[:, 0]).std()) > 1.0


def test_every_episode_brings_another_object(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=8, objects=FEW, episode_seconds=0.1)
    seen = [env.object_ids.clone()]
    for _ in range(8):
        env.step(torch.zeros(8, env.num_actions))
        seen.append(env.object_ids.clone())
    rows = torch.stack(seen)
    assert len(rows.unique()) == 6
    assert (rows[0] != rows[-1]).any()
    shown = env.sim.read("geom_dataid")[:, env.layout.object_geoms[0]]
    assert len(shown.unique()) == len(env.object_ids.unique())


def test_weights_decide_which_objects_are_drawn(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=32, objects=FEW)
    weights = torch.zeros(env.num_variants)
    weights[[1, 4]] = 1.0
    env.set_variant_weights(weights)
    env.reset()
    assert set(env.object_ids.tolist()) == {1, 4}
    assert env.variant_features.shape == (6, 12)


def test_mass_and_friction_are_what_the_simulation_uses(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=4, objects=FEW)
    mass = env.evaluate()["mass_kg"]
    for world in range(4):
        model, _ = env.sim.world(world)
        torch.testing.assert_close(
            torch.tensor(model.body("object").mass[0], dtype=torch.float32), mass[world]
        )
        geom = int(env.layout.object_geoms[0])
        friction = torch.tensor(model.geom_friction[geom, 0], dtype=torch.float32)
        torch.testing.assert_close(friction, env.evaluate()["friction"][world])


def record(**values: Any) -> Record:
    found = Record.empty(1, torch.device("cpu"))
    for name, value in values.items():
        getattr(found, name)[:] = value
    return found


@pytest.mark.parametrize(
    ("state", "failure"),
    [
        ({}, "missed"),
        ({"held": True}, "missed"),
        ({"highest": 0.1}, "slipped"),
        ({"highest": 0.1, "held": True, "in_air": True}, "timed out"),
        ({"highest": 0.2, "held": True, "in_air": True, "success": True}, "none"),
        ({"highest": 0.1, "knocked": True}, "knocked"),
        ({"success": True, "unstable": True}, "unstable"),
    ],
)
def test_failures_are_told_apart(state: dict[str, Any], failure: str) -> None:
    assert FAILURES[int(record(**state).failure())] == failure


def test_success_is_of_the_end_and_success_ever_is_latched(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=8, difficulty=0.0, seed=1, episode_seconds=6.0)
    for _ in range(70):
        env.step(scripted_action(env))
    good = env.evaluate()["success"]
    assert int(good.sum()) >= 4
    let_go = torch.zeros(8, env.num_actions)
    let_go[:, 6:] = -1.0
    for _ in range(15):
        env.step(let_go)
    after = env.evaluate()
    assert not after["success"].any()
    assert after["success_ever"][good].all()
    assert (after["drops"][good] == 1).all()
    assert {FAILURES[i] for i in after["failure"][good].tolist()} <= {"slipped", "knocked"}
    assert torch.isinf(after["held_distance_m"][good]).all()


def test_an_object_pushed_away_ends_the_episode(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=2)
    velocity = torch.zeros_like(env.sim.read("qvel"))
    velocity[0, env.layout.object_qvel] = 3.0
    env.sim.write("qvel", velocity)
    step = env.step(torch.zeros(2, env.num_actions))
    for _ in range(9):
        if step.terminated.any():
            break
        step = env.step(torch.zeros(2, env.num_actions))
    assert step.terminated.tolist() == [True, False]
    assert FAILURES[int(step.info["episode"]["failure"])] == "knocked"
    assert float(step.reward[0]) < float(step.reward[1]) - 0.5


def test_targets_never_run_far_ahead_of_the_hand(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=2)
    down = torch.zeros(2, env.num_actions)
    down[:, 2] = -1.0
    for _ in range(30):
        env.step(down)
        lead = (env.target[:, :6] - env.scene.wrist).abs()
        assert float(lead[:, :3].max()) < 0.08
    # The table stops the hand; the arm pushes no harder than it can.
    assert float(env.scene.force[:, -1].norm(dim=-1).max()) < 60.0


def test_synergies_move_many_joints_at_once(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=1, action="synergy", start={"least_height": 0.4})
    assert env.num_actions == 12
    before = env.target.clone()
    action = torch.zeros(1, 12)
    action[:, 6] = 1.0
    env.step(action)
    moved = (env.target - before)[0]
    assert torch.equal(moved[:6], torch.zeros(6))
    assert int((moved[6:].abs() > 1e-3).sum()) >= 6


def test_the_control_rate_can_be_chosen(make_grasp: MakeGrasp) -> None:
    env = make_grasp(num_envs=1, control_hz=50.0)
    assert env.substeps == 4 and env.max_episode_steps == 150
    assert math.isclose(env.step_dt, 0.02)
    with pytest.raises(RoboTSError, match="whole number of physics steps"):
        GraspConfig(control_hz=30.0)
