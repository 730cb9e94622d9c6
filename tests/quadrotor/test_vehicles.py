"""Vehicles by file: the named ones fly, wrong ones are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from robo_ts.env import make_env
from robo_ts.envs.quadrotor import QuadrotorConfig, QuadrotorTwin
from robo_ts.envs.quadrotor.vehicles import folder, load_vehicle, names
from robo_ts.errors import RoboTSError
from robo_ts.sim import EngineConfig

# Thrust to weight and torque to inertia as RAPTOR's authors have them.
KNOWN = {
    "crazyflie": (1.47, 463),
    "x500": (3.25, 183),
    "x500_sim": (1.78, 101),
    "mrs": (2.69, 241),
    "fs": (3.40, 109),
    "arpl": (3.94, 468),
    "soft": (3.31, 194),
    "flightmare": (12.1, 467),
}


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_named_vehicles_have_their_known_ratios(name: str) -> None:
    drones = load_vehicle(name).drones(1, torch.device("cpu"))
    t2w, t2i = KNOWN[name]
    assert float(drones.thrust_to_weight) == pytest.approx(t2w, rel=0.01)
    assert float(drones.torque_to_inertia) == pytest.approx(t2i, rel=0.15)


@pytest.mark.parametrize("name", names())
def test_every_named_vehicle_hovers_in_mujoco(name: str) -> None:
    config = QuadrotorConfig(vehicle=name)
    config.drones.disturbance = 0.0
    config.references.langevin = 0.0
    config.start.centred = 1.0
    env = make_env("quadrotor", 1, config, EngineConfig(threads=1))
    obs = env.reset()
    where = env.spec["privileged"].slices()["hover_action"]
    env.state[env.flight.state.slice("rotor")] = 0.5 * (obs["privileged"][:, where].t() + 1)  # type: ignore[attr-defined]
    for _ in range(50):
        obs = env.step(obs["privileged"][:, where].expand(1, 4)).obs
    assert float(env.sim.read("qpos")[0, :3].norm()) < 1e-3
    env.close()


def written(tmp_path: Path, **changes: object) -> str:
    lines = (folder() / "x500.yaml").read_text().splitlines()
    for name, value in changes.items():
        lines = [line for line in lines if not line.startswith(f"{name}:")]
        if value is not None:
            lines.append(f"{name}: {value}")
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(lines))
    return str(path)


def test_a_users_own_file_flies(tmp_path: Path) -> None:
    assert load_vehicle(written(tmp_path, mass=1.5)).mass == 1.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mass": 900}, "thrust-to-weight"),
        ({"mass": 2000}, "mass above 0 and at most 1000 kg"),
        ({"mass": -1}, "mass above 0"),
        ({"mass": "heavy"}, "a number for mass"),
        ({"mass": "true"}, "a number for mass"),
        ({"mass": ".nan"}, "mass above 0"),
        ({"rise_time": 55}, "rise_time above 0 and at most 2 s"),
        ({"rotor_x": 250}, "rotor_x above 0 and at most 5 m"),
        ({"torque_constant": 16}, "torque_constant above 0 and at most 1 m"),
        ({"inertia": "[21705, 21705, 40000]"}, "roll acceleration"),
        ({"thrust": "[20, .1, .1]"}, "less than the weight at rest"),
        ({"inertia": "[0.02, 0.02]"}, "3 numbers for inertia"),
        ({"inertia": "[0.02, 0.02, 0.2]"}, "none greater than the sum"),
        ({"thrust": "[10, -1, 0]"}, "a thrust curve that rises"),
        ({"wheels": 4}, "the key 'wheels'"),
        ({"risetime": 0.05}, "did you mean rise_time"),
        ({"rise_time": None}, "no rise_time"),
    ],
)
def test_what_could_not_fly_is_refused(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(RoboTSError, match=said):
        load_vehicle(written(tmp_path, **changes))


def test_an_unknown_vehicle_is_answered_with_the_nearest() -> None:
    with pytest.raises(RoboTSError, match="crazyflie"):
        load_vehicle("crazyfly")


def test_a_number_may_be_written_with_an_exponent(tmp_path: Path) -> None:
    assert load_vehicle(written(tmp_path, rise_time="5e-2")).rise_time == 0.05


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, mass=1.5)
    assert load_vehicle(path).mass == 1.5
    written(tmp_path, mass=1.75)
    os.utime(path, ns=(1, 1))
    assert load_vehicle(path).mass == 1.75


def test_a_vehicle_loses_thrust_under_load_as_its_file_says(tmp_path: Path) -> None:
    def climbed(sag: float) -> float:
        config = QuadrotorConfig(vehicle=written(tmp_path, sag=sag))
        config.drones.disturbance = 0.0
        config.references.langevin = 0.0
        twin = QuadrotorTwin(config, 4, seed=0)
        twin.state[twin.flight.state.slice("quaternion")] = torch.eye(4)[:, :1]
        twin.state[twin.flight.state.slice("velocity")] = 0.0
        worlds = twin.worlds
        for _ in range(30):
            worlds, _ = twin.advance(worlds, torch.ones(4, 4), twin.draw())
        return float(worlds[0][twin.flight.state.slice("velocity")][2].mean())

    full = load_vehicle("x500").thrust_to_weight
    without, with_sag = climbed(0.0), climbed(0.2)
    # What is left of the spare thrust, but for the first moments in which motors speed up.
    assert with_sag / without == pytest.approx((0.8 * full - 1.0) / (full - 1.0), abs=0.05)


def test_a_vehicle_is_turned_by_the_torque_that_was_asked_for() -> None:
    config = QuadrotorConfig(vehicle="x500")
    config.drones.disturbance_torque = 0.5
    twin = QuadrotorTwin(config, 2000, seed=0)
    torque = twin.parameters[twin.flight.parameters.slice("torque")][0]
    turning = load_vehicle("x500").drones(1, torch.device("cpu")).torque_to_inertia
    assert float(torque.std() / turning) == pytest.approx(0.5, rel=0.1)
