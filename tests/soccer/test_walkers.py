"""Walkers: model and class say the same; the box is as fast as it should be; OP3 stands."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from robo_ts.envs.soccer.model import build_model
from robo_ts.envs.soccer.walkers import WALKERS, Walker
from robo_ts.envs.soccer.walkers.box import TURN, WALK
from robo_ts.envs.soccer.walkers.op3 import JOINTS

NAMES = list(WALKERS)


def alone(name: str, seed: int = 0) -> tuple[Walker, mujoco.MjModel, mujoco.MjData]:
    """One player somewhere on the pitch, the ball far away."""
    walker = WALKERS[name]()
    model = build_model(walker, 1, 0)
    data = mujoco.MjData(model)
    data.qpos[:3] = [2.0, 1.5, 0.07]
    data.qpos[7:] = walker.stand(torch.tensor([-0.4, 0.3]), torch.tensor(0.6)).numpy()
    return walker, model, data


def player(data: mujoco.MjData) -> tuple[Tensor, Tensor]:
    return torch.tensor(data.qpos[7:]).float(), torch.tensor(data.qvel[6:]).float()


@pytest.mark.parametrize("name", NAMES)
def test_the_class_fits_the_model(name: str) -> None:
    walker, model, _ = alone(name)
    assert (model.nq, model.nv, model.nu) == (7 + walker.nq, 6 + walker.nv, walker.nu)
    assert model.opt.timestep == walker.timestep
    camera = model.camera("home_0/head")
    assert math.radians(camera.fovy[0]) == pytest.approx(walker.fovy, abs=1e-6)
    qpos, qvel = torch.zeros(3, 2, walker.nq), torch.zeros(3, 2, walker.nv)
    qpos[..., 3] = 1.0
    size = sum(term.size for term in walker.terms)
    assert walker.proprioception(qpos, qvel).shape == (3, 2, size)
    action = torch.zeros(3, 2, len(walker.actions))
    assert walker.control(action, qpos).shape == (3, 2, walker.nu)


@pytest.mark.parametrize("name", NAMES)
def test_the_eye_is_where_mujoco_has_the_camera(name: str) -> None:
    walker, model, data = alone(name)
    chance = np.random.default_rng(0)
    for _ in range(5):
        data.qpos[7:9] = chance.uniform(-1.0, 1.0, 2)
        if name == "op3":
            quaternion = chance.normal(size=4)
            data.qpos[10:14] = quaternion / np.linalg.norm(quaternion)
            data.qpos[14:16] = chance.uniform(-0.6, 0.6, 2)
        else:
            data.qpos[9], data.qpos[11] = chance.uniform(-3.0, 3.0), chance.uniform(-0.7, 0.7)
        mujoco.mj_forward(model, data)
        eye, camera = walker.eye(player(data)[0]), data.cam("home_0/head")
        assert eye.position.numpy() == pytest.approx(camera.xpos, abs=1e-5)
        cos = math.cos(float(eye.pitch))
        sight = [cos * math.cos(eye.yaw), cos * math.sin(eye.yaw), -math.sin(eye.pitch)]
        assert sight == pytest.approx(-camera.xmat.reshape(3, 3)[:, 2], abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_planar_motion_is_that_of_the_body(name: str) -> None:
    walker, _, data = alone(name)
    before = walker.planar(*player(data))
    assert before.position.tolist() == pytest.approx([-0.4, 0.3])
    assert float(before.yaw) == pytest.approx(0.6)
    data.qvel[6:8] = [0.3, -0.2]
    data.qvel[8 if name == "box" else 11] = 0.5
    now = walker.planar(*player(data))
    assert now.velocity.tolist() == pytest.approx([0.3, -0.2])
    assert float(now.yaw_rate) == pytest.approx(0.5)


def drive(action: list[float], seconds: float) -> tuple[mujoco.MjModel, mujoco.MjData]:
    walker, model, data = alone("box")
    for _ in range(round(seconds / (walker.timestep * walker.substeps))):
        data.ctrl[:] = walker.control(torch.tensor(action), player(data)[0]).numpy()
        mujoco.mj_step(model, data, nstep=walker.substeps)
    return model, data


@pytest.mark.parametrize("way", [[1.0, 0.0], [0.0, -1.0], [1.0, 1.0], [-3.0, 0.5]])
def test_a_box_walks_no_faster_than_op3_in_any_direction(way: list[float]) -> None:
    _, data = drive([*way, 0.0, -1.0, 0.0], 1.0)
    assert np.hypot(*data.qvel[6:8]) == pytest.approx(WALK, rel=0.02)
    wanted = torch.tensor(way).clamp(-1.0, 1.0)
    angle = math.atan2(float(wanted[1]), float(wanted[0])) + data.qpos[9]
    off = math.atan2(data.qvel[7], data.qvel[6]) - angle
    assert math.remainder(off, 2.0 * math.pi) == pytest.approx(0.0, abs=0.02)


def test_a_box_turns_as_fast_as_op3() -> None:
    _, data = drive([0.0, 0.0, 1.0, -1.0, 0.0], 1.0)
    assert data.qvel[8] == pytest.approx(TURN, rel=0.02)


def test_a_box_kicks_a_resting_ball_at_about_2_m_per_s() -> None:
    walker, model, data = alone("box")
    data.qpos[7:10] = [0.0, 0.0, 0.0]
    data.qpos[:3] = [0.097 + 0.07 + 0.01, 0.0, 0.07]
    action = torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0])
    places = []
    for _ in range(100):
        data.ctrl[:] = walker.control(action, player(data)[0]).numpy()
        mujoco.mj_step(model, data)
        places.append(float(data.qpos[0]))
    moved = next(i for i, x in enumerate(places) if x > places[0] + 1e-3)
    # As the paper measures it: the way of the ball in 0.2 s after the contact.
    assert (places[moved + 20] - places[moved]) / 0.2 == pytest.approx(2.0, abs=0.25)


def test_a_box_knows_when_it_touches_the_ball() -> None:
    box = WALKERS["box"]()
    qpos = box.stand(torch.tensor([0.0, 0.0]), torch.tensor(math.pi / 2))
    ahead = 0.097 + 0.07
    touching = torch.tensor([[0.0, ahead - 0.01, 0.07], [0.15, 0.0, 0.07], [0.0, -0.13, 0.07]])
    assert box.touches(qpos, touching, 0.0).all()
    apart = torch.tensor([[0.0, ahead + 0.01, 0.07], [0.17, 0.0, 0.07], [0.0, -0.15, 0.07]])
    assert not box.touches(qpos, apart, 0.0).any()


def test_op3_has_the_joints_ranges_and_mass_of_the_robot() -> None:
    walker, model, _ = alone("op3")
    joints = [model.joint(i).name.removeprefix("home_0/") for i in range(2, model.njnt)]
    motors = [model.actuator(i).name.removeprefix("home_0/") for i in range(model.nu)]
    assert joints == motors == list(JOINTS)
    for index, (low, high, rest) in enumerate(JOINTS.values()):
        assert model.actuator_ctrlrange[index] == pytest.approx([low, high])
        assert low <= rest <= high
    assert model.body_subtreemass[model.body("home_0/base").id] == pytest.approx(3.147, abs=0.001)
    ends = walker.control(torch.tensor([[-1.0] * 20, [0.0] * 20, [1.0] * 20]), torch.zeros(3, 27))
    assert ends.T.numpy() == pytest.approx(
        np.array([(lo, mid, hi) for lo, hi, mid in JOINTS.values()])
    )


def test_op3_stands_under_its_position_controller_and_falls_when_pushed() -> None:
    walker, model, data = alone("op3")
    data.ctrl[:] = walker.control(torch.zeros(20), player(data)[0]).numpy()
    mujoco.mj_step(model, data, nstep=600)
    assert not walker.fallen(player(data)[0])
    assert data.qpos[9] == pytest.approx(0.241, abs=0.005)
    assert np.abs(data.qvel[6:]).max() < 0.02
    assert np.hypot(data.qpos[7] + 0.4, data.qpos[8] - 0.3) < 0.02
    data.qvel[6:9] = [0.0, 1.2, 0.0]
    mujoco.mj_step(model, data, nstep=400)
    assert walker.fallen(player(data)[0])


def test_players_collide_with_each_other_but_not_with_themselves() -> None:
    model = build_model(WALKERS["op3"](), 2, 2)
    own: dict[str, list[int]] = {}
    for index in range(model.ngeom):
        geom = model.geom(index)
        team, slash, _ = geom.name.partition("/")
        if slash and geom.contype[0]:
            own.setdefault(team, []).append(index)
    assert len(own) == 4

    def collide(one: int, two: int) -> bool:
        a, b = model.geom_contype, model.geom_conaffinity
        return bool(a[one] & b[two] or a[two] & b[one])

    ball, floor = model.geom("ball").id, model.geom("floor").id
    for team, geoms in own.items():
        assert not any(collide(i, j) for i in geoms for j in geoms)
        assert all(collide(i, ball) and collide(i, floor) for i in geoms)
        for other, theirs in own.items():
            assert team == other or all(collide(i, j) for i in geoms for j in theirs)
