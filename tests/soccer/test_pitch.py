"""The pitch: what rolls into the goal is in, what rolls elsewhere comes back."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robo_ts.envs.soccer import pitch
from robo_ts.envs.soccer.model import build_model
from robo_ts.envs.soccer.walkers import WALKERS


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return build_model(WALKERS["box"](), 1, 1)


def rolled(
    model: mujoco.MjModel, at: tuple[float, float], velocity: tuple[float, float], seconds: float
) -> np.ndarray:
    """The ball's way, ``(steps, 3)``, with the players out of it."""
    data = mujoco.MjData(model)
    data.qpos[:3] = [*at, pitch.BALL_RADIUS]
    data.qpos[7:9], data.qpos[12:14] = [0.0, 1.9], [0.0, -1.9]
    data.qvel[:2] = velocity
    data.qvel[3:5] = np.array([-velocity[1], velocity[0]]) / pitch.BALL_RADIUS
    way = []
    for _ in range(round(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)
        way.append(data.qpos[:3].copy())
    return np.array(way)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("aside", [-0.28, 0.0, 0.28])
def test_nothing_blocks_the_mouth_of_a_goal(
    model: mujoco.MjModel, side: float, aside: float
) -> None:
    way = rolled(model, (side * 1.5, aside), (side * 1.5, 0.0), 2.0)
    past = pitch.HALF_LENGTH + pitch.BALL_RADIUS
    inside = side * way[:, 0] > past
    assert inside.any()
    first = way[inside.argmax()]
    assert abs(first[1] - aside) < 0.01  # it met nothing on its way
    # And it does not lie in a wall: rays from the line to the back panel meet nothing before it.
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    geom = np.zeros(1, np.int32)
    for height in (0.02, 0.07, 0.3, 0.5):
        start = np.array([side * (pitch.HALF_LENGTH - 0.3), aside, height])
        gap = mujoco.mj_ray(model, data, start, np.array([side, 0.0, 0.0]), None, 1, -1, geom)
        assert gap == pytest.approx(0.3 + pitch.GOAL_DEPTH - 0.01, abs=1e-3)


def test_a_ball_stays_in_the_goal_it_rolled_into(model: mujoco.MjModel) -> None:
    way = rolled(model, (2.0, 0.1), (2.0, 0.0), 3.0)
    assert way[:, 0].max() < pitch.HALF_LENGTH + pitch.GOAL_DEPTH
    assert abs(way[-1, 1]) < pitch.GOAL_HALF_WIDTH


@pytest.mark.parametrize(
    ("at", "velocity"),
    [((0.5, 1.2), (0.0, 1.2)), ((1.6, -1.2), (1.2, 0.0)), ((0.0, -1.0), (0.3, -1.2))],
)
def test_ramps_return_the_ball(
    model: mujoco.MjModel, at: tuple[float, float], velocity: tuple[float, float]
) -> None:
    way = rolled(model, at, velocity, 4.0)
    assert way[:, 2].max() > pitch.BALL_RADIUS + 0.02  # it was up the ramp
    assert abs(way[-1, 0]) < pitch.HALF_LENGTH + 0.05 and abs(way[-1, 1]) < pitch.HALF_WIDTH + 0.05
    assert way[-1, 2] == pytest.approx(pitch.BALL_RADIUS, abs=0.01)


def test_a_rolling_ball_slows_down_by_0_3_m_per_s2(model: mujoco.MjModel) -> None:
    way = rolled(model, (-2.0, 1.0), (1.0, 0.0), 2.0)
    step = model.opt.timestep
    speed = np.diff(way[:, 0]) / step
    assert (speed[0] - speed[-1]) / ((len(speed) - 1) * step) == pytest.approx(0.3, rel=0.05)


def test_the_scene_has_what_a_camera_must_see(model: mujoco.MjModel) -> None:
    assert [model.camera(i).name for i in range(model.ncam)] == ["home_0/head", "away_0/head"]
    assert model.geom("ball").rgba[0] > 0.9 > 0.5 > model.geom("ball").rgba[1]
    assert model.geom("floor").rgba[1] > 2 * model.geom("floor").rgba[0]
    assert not np.allclose(model.geom("goal_front_back").rgba, model.geom("goal_rear_back").rgba)
    assert not np.allclose(model.geom("home_0/torso").rgba, model.geom("away_0/torso").rgba)
    lines = [model.geom(i) for i in range(model.ngeom) if model.geom(i).name.startswith("line_")]
    assert len(lines) == 5 and all(g.contype == 0 and g.conaffinity == 0 for g in lines)
