"""Crazyflow behind the published contract: frames, units, order and signs.

Where Crazyflow is not installed (extra ``crazyflow``) only the complaint about that is tested.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import robo_ts
from robo_ts.cli import main
from robo_ts.env import make_env
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.envs.quadrotor.config import References
from robo_ts.envs.quadrotor.flight import SIGN_X, SIGN_Y, SPIN
from robo_ts.envs.quadrotor.transfer import (
    SPREAD,
    VEHICLES,
    CrazyflowFlights,
    nearest_vehicle,
    rotation_rows,
)
from robo_ts.envs.quadrotor.vehicles import Vehicle
from robo_ts.errors import RoboTSError
from robo_ts.sim import EngineConfig

needs_crazyflow = pytest.mark.skipif(find_spec("crazyflow") is None, reason="extra not installed")
VEHICLE, NUM = "cf21B_500", 8
LEVEL = np.tile([0.0, 0.0, 0.0, 1.0], (NUM, 1))


@pytest.fixture(scope="module")
def flights() -> CrazyflowFlights:
    """One simulation for all tests; each puts the drones where it wants them."""
    return CrazyflowFlights(VEHICLE, NUM, seed=3)


@pytest.fixture
def bundle() -> Path:
    """The committed student."""
    return Path(robo_ts.__file__).parents[1] / "artifacts" / "quadrotor" / "student"


def settle(flights: CrazyflowFlights, action: np.ndarray, quat: np.ndarray = LEVEL) -> None:
    """At rest in the reference, rotors already as fast as ``action`` asks."""
    rpm = flights._slow + 0.5 * (action + 1.0) * (flights._fast - flights._slow)
    still = np.zeros((NUM, 3))
    flights._write(
        pos=still + flights.reference, quat=quat, vel=still, ang_vel=still, rotor_vel=rpm
    )


def hover(flights: CrazyflowFlights) -> float:
    """The action that carries the weight."""
    curve, mass = nearest_vehicle(VEHICLE)["thrust"], nearest_vehicle(VEHICLE)["mass"]
    c0, c1, c2 = curve
    speed = (-c1 + np.sqrt(c1**2 + 4.0 * c2 * (mass * 9.81 / 4.0 - c0))) / (2.0 * c2)
    return float(2.0 * speed - 1.0)


def test_without_crazyflow_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, bundle: Path
) -> None:
    monkeypatch.setitem(sys.modules, "crazyflow", None)
    with pytest.raises(RoboTSError, match=r"robo_ts\[crazyflow\]"):
        CrazyflowFlights(VEHICLE, 1)
    assert main(["transfer", str(bundle)]) == 2
    assert "robo_ts[crazyflow]" in capsys.readouterr().err


def test_what_it_cannot_fly_is_named(capsys: pytest.CaptureFixture, bundle: Path) -> None:
    with pytest.raises(RoboTSError, match="attitudes only"):
        CrazyflowFlights("hb_x500", 1)
    with pytest.raises(RoboTSError, match=r"spread in \[0, 1\)"):
        CrazyflowFlights(VEHICLE, 1, spread=1.0)
    for words in (["--robots", "cf2x"], ["--simulator", "gazebo"], ["--task", "reacher"]):
        assert main(["transfer", str(bundle), *words]) == 2
        assert words[-1] in capsys.readouterr().err


def test_quaternions_become_the_rotation_mujoco_knows() -> None:
    import mujoco

    quat = np.random.default_rng(0).normal(size=(5, 4))
    quat /= np.linalg.norm(quat, axis=1, keepdims=True)
    for rows, (x, y, z, w) in zip(rotation_rows(quat), quat, strict=True):
        wanted = np.empty(9)
        mujoco.mju_quat2Mat(wanted, np.array([w, x, y, z]))
        np.testing.assert_allclose(rows, wanted, atol=1e-12)


@needs_crazyflow
def test_a_drone_at_hover_stays_where_it_is(flights: CrazyflowFlights) -> None:
    action = np.full((NUM, 4), hover(flights))
    settle(flights, action)
    for _ in range(50):
        flights.step(action)
    seen = flights.observe()["proprioception"]
    assert np.abs(seen[:, :3]).max() < 2e-3 and np.abs(seen[:, 12:18]).max() < 5e-3
    np.testing.assert_allclose(seen[:, 3:12], np.tile(np.eye(3).ravel(), (NUM, 1)), atol=1e-5)
    np.testing.assert_allclose(seen[:, 18:], action, atol=1e-6)
    climb = action + 0.2
    for _ in range(20):
        flights.step(climb)
    assert (flights.observe()["proprioception"][:, 14] > 0.1).all()


@needs_crazyflow
def test_each_rotor_turns_the_body_as_in_our_own_physics(flights: CrazyflowFlights) -> None:
    rest = hover(flights)
    action = np.full((NUM, 4), rest)
    for rotor in range(4):
        action[rotor, rotor] += 0.1
        action[4 + rotor, rotor] -= 0.1
    settle(flights, np.full((NUM, 4), rest))
    for _ in range(3):
        flights.step(action)
    turned = np.sign(flights.observe()["proprioception"][:, 15:18])
    wanted = np.stack([np.array(SIGN_Y), -np.array(SIGN_X), np.array(SPIN)], axis=1)
    np.testing.assert_array_equal(turned[:4], wanted)
    np.testing.assert_array_equal(turned[4:], -wanted)


@needs_crazyflow
@pytest.mark.parametrize(
    ("axis", "column"), [("roll", 0), ("pitch", 1), ("yaw", 2)], ids=["roll", "pitch", "yaw"]
)
def test_a_torque_is_the_same_motion_here_and_there(
    flights: CrazyflowFlights, axis: str, column: int, tmp_path: Path
) -> None:
    """The same set points in MuJoCo, with the vehicle as near as our formulas allow."""
    import yaml

    path = tmp_path / "near.yaml"
    path.write_text(yaml.safe_dump(nearest_vehicle(VEHICLE)))
    config = QuadrotorConfig(vehicle=str(path), references=References(langevin=0.0))
    config.limits_end = False
    config.drones.disturbance = 0.0
    config.start.centred = 1.0
    env = make_env("quadrotor", 1, config, EngineConfig(threads=1))
    rest = hover(flights)
    flight = env.flight  # type: ignore[attr-defined]
    env.state[flight.state.slice("rotor")] = 0.5 * (rest + 1.0)  # type: ignore[attr-defined]
    pattern = {"roll": SIGN_Y, "pitch": [-x for x in SIGN_X], "yaw": SPIN}[axis]
    action = np.full(4, rest) + 0.1 * np.array(pattern)
    settle(flights, np.full((NUM, 4), rest))
    # The reaction of rotors that speed up doubles the yaw; our physics have none.
    data = flights._sim.data
    reactionless = data.params.replace(prop_inertia=0.0 * data.params.prop_inertia)
    flights._sim.data = data.replace(params=reactionless)
    for _ in range(10):
        flights.step(np.tile(action, (NUM, 1)))
        env.step(torch.tensor(action, dtype=torch.float32)[None])
    there = flights.observe()["proprioception"][0]
    here = env.observe()["proprioception"][0].numpy()
    env.close()
    flights._sim.data = flights._sim.data.replace(params=data.params)
    assert here[15 + column] > 0.2
    assert there[15 + column] == pytest.approx(here[15 + column], rel=0.1)
    others = [15 + i for i in range(3) if i != column]
    assert np.abs(there[others]).max() < 0.1 * there[15 + column]
    if axis != "yaw":  # rotation and the sideways speed that comes of it
        np.testing.assert_allclose(there[3:12], here[3:12], atol=5e-3)
        moved = {"roll": 13, "pitch": 12}[axis]
        assert np.sign(there[moved]) == np.sign(here[moved]) != 0


@needs_crazyflow
def test_rates_are_in_the_body_and_velocities_in_the_world(flights: CrazyflowFlights) -> None:
    # Rolled by 90 degrees, nose up by a pitch rate about the body's y axis, which is the world's z.
    half = np.sqrt(0.5)
    flights._write(
        pos=np.zeros((NUM, 3)) + flights.reference,
        quat=np.tile([half, 0.0, 0.0, half], (NUM, 1)),
        vel=np.tile([1.0, 2.0, 3.0], (NUM, 1)),
        ang_vel=np.tile([0.0, 2.0, 0.0], (NUM, 1)),
        rotor_vel=np.full((NUM, 4), flights._slow),
    )
    before = flights.observe()["proprioception"][0]
    np.testing.assert_allclose(before[12:15], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(before[15:18], [0.0, 2.0, 0.0])
    up = before[3:12].reshape(3, 3) @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(up, [0.0, -1.0, 0.0], atol=1e-6)
    flights.step(np.full((NUM, 4), -1.0))
    after = flights.observe()["proprioception"][0]
    turned = after[3:12].reshape(3, 3) @ [1.0, 0.0, 0.0]
    assert turned[1] == pytest.approx(np.sin(0.02), rel=0.05) and abs(turned[2]) < 1e-3
    np.testing.assert_allclose(after[:3], [0.01, 0.02, 0.03], atol=1e-3)


@needs_crazyflow
def test_starts_are_raptors_and_follow_the_seed() -> None:
    one, two = (CrazyflowFlights(VEHICLE, NUM, seed=s, spread=0.2) for s in (0, 1))
    again = CrazyflowFlights(VEHICLE, NUM, seed=0, spread=0.2)
    seen = one.observe()["proprioception"]
    np.testing.assert_array_equal(seen, again.observe()["proprioception"])
    assert not np.array_equal(seen, two.observe()["proprioception"])
    assert np.abs(seen[:, :3]).max() <= 0.5 and np.abs(seen[:, 12:18]).max() <= 1.0
    share = (one.state()["rotor_vel"] - one._slow) / (one._fast - one._slow)
    np.testing.assert_allclose(seen[:, 18:], 2.0 * share - 1.0, atol=1e-5)
    for name in SPREAD:
        drawn = np.asarray(getattr(one._sim.data.params, name)).reshape(NUM, -1)
        largest = drawn[:, np.abs(drawn[0]).argmax()]
        assert 1.0 < np.abs(largest).max() / np.abs(largest).min() < 1.2 / 0.8


@needs_crazyflow
def test_whoever_falls_is_lost_and_has_no_error(flights: CrazyflowFlights) -> None:
    fallen = CrazyflowFlights(
        VEHICLE, NUM, config=QuadrotorConfig(episode_steps=160, limit_velocity=50.0)
    )
    for _ in range(160):
        fallen.step(np.full((NUM, 4), -1.0))
    found = fallen.measured()
    assert not found["survived"].any() and not found["success"].any()
    assert np.isinf(found["position_error_m"]).all()


@needs_crazyflow
@pytest.mark.parametrize("vehicle", VEHICLES)
def test_the_nearest_vehicle_of_ours_hovers_alike(vehicle: str) -> None:
    near = Vehicle(**nearest_vehicle(vehicle))
    assert 1.3 < near.thrust_to_weight < 2.1
    assert 0.02 < near.rise_time < 0.15 and 0.02 < near.fall_time < 0.15
    assert 0.004 < near.torque_constant < 0.01
