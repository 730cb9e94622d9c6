"""Vehicles by file: the named ones fly, wrong ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from robo_ts.env import make_env
from robo_ts.envs.quadrotor import QuadrotorConfig
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
        ({"mass": 2000}, "thrust-to-weight"),
        ({"mass": -1}, "mass > 0"),
        ({"mass": "heavy"}, "a number for mass"),
        ({"inertia": "[0.02, 0.02]"}, "3 numbers for inertia"),
        ({"inertia": "[0.02, 0.02, 0.2]"}, "none greater than the sum"),
        ({"thrust": "[10, -1, 0]"}, "a thrust curve that rises"),
        ({"wheels": 4}, "wheels"),
        ({"rise_time": None}, "rise_time"),
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
