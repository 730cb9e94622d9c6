"""Named vehicles, and a user's own: one YAML file each."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import yaml

from robo_ts.envs.quadrotor.drones import Drones
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.paths import asset
from robo_ts.sim.rigid import GRAVITY


@dataclass
class Vehicle:
    """One quadrotor in X configuration, as its file has it.

    Attributes:
        mass: kg.
        inertia: about the roll, pitch and yaw axes, kg m^2.
        rotor_x: of the rotors, forward or back, m.
        rotor_y: of the rotors, to either side, m.
        thrust: polynomial ``c0 + c1 s + c2 s^2`` of one rotor in N over its speed s in [0, 1].
        torque_constant: drag torque over thrust, m.
        rise_time: motor time constant while speeding up, s.
        fall_time: while slowing down, s.
        sag: share of thrust lost at full load.
    """

    mass: float
    inertia: list[float]
    rotor_x: float
    rotor_y: float
    thrust: list[float]
    torque_constant: float
    rise_time: float
    fall_time: float
    sag: float = 0.0

    @property
    def thrust_to_weight(self) -> float:
        """All rotors' greatest thrust over weight."""
        return 4.0 * sum(self.thrust) / (self.mass * GRAVITY)

    @property
    def torque_to_inertia(self) -> float:
        """Roll acceleration that one pair of rotors at full thrust gives, rad/s^2."""
        return math.sqrt(2.0) * self.rotor_x * sum(self.thrust) / self.inertia[0]

    def drones(self, num: int, device: torch.device) -> Drones:
        """``num`` times this vehicle, without disturbances."""

        def row(value: float) -> torch.Tensor:
            return torch.full((num,), value, device=device)

        def rows(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, device=device)[:, None].repeat(1, num)

        still = torch.zeros(3, num, device=device)
        return Drones(
            mass=row(self.mass),
            inertia=rows(self.inertia),
            rotor=rows([self.rotor_x, self.rotor_y]),
            curve=rows(self.thrust),
            torque_constant=row(self.torque_constant),
            rise_time=row(self.rise_time),
            fall_time=row(self.fall_time),
            sag=row(self.sag),
            thrust_to_weight=row(self.thrust_to_weight),
            torque_to_inertia=row(self.torque_to_inertia),
            force=still,
            torque=still.clone(),
        )


def folder() -> Path:
    """Where the named vehicles lie."""
    return asset("robots/quadrotor/vehicles")


def names() -> list[str]:
    """The named vehicles."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def load_vehicle(name: str) -> Vehicle:
    """A named vehicle, or one from a file that ends in ``.yaml``.

    Raises:
        RoboTSError: when there is none, or when it could not fly.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder() / f"{name}.yaml"
    if not path.is_file():
        raise RoboTSError(
            "a named vehicle or the path of a .yaml file",
            repr(name),
            f"{did_you_mean(name, names())}; robots/quadrotor/vehicles has examples",
        )
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, _changed: int) -> Vehicle:
    """A file, read once while it stays as it is: every episode begins with its vehicle."""
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RoboTSError(f"YAML in {path}", str(error), "mend the file") from error
    vehicle = Vehicle(**_fields(path, data))
    _check(path, vehicle)
    return vehicle


def _fields(path: Path, data: Any) -> dict[str, Any]:
    known = {f.name: f for f in fields(Vehicle)}
    needed = [n for n, f in known.items() if f.default is MISSING]
    if not isinstance(data, dict):
        raise RoboTSError(
            f"the keys {', '.join(needed)} (and perhaps sag) in {path}",
            type(data).__name__,
            "write one 'key: value' per line",
        )
    strange = [str(key) for key in data if key not in known]
    missing = [name for name in needed if name not in data]
    if strange:
        meant = did_you_mean(strange[0], known)
        raise RoboTSError(f"the keys of a vehicle in {path}", f"the key {strange[0]!r}", meant)
    if missing:
        raise RoboTSError(
            f"the keys {', '.join(needed)} in {path}", f"no {', '.join(missing)}", "add it"
        )
    return {name: _numbers(path, name, value) for name, value in data.items()}


def _numbers(path: Path, name: str, value: Any) -> float | list[float]:
    several = name in ("inertia", "thrust")
    parts = value if several and isinstance(value, list) else [value]
    try:
        made = [_number(x) for x in parts]
    except (TypeError, ValueError):
        made = []
    if len(made) == (3 if several else 1):
        return made if several else made[0]
    expected = "3 numbers" if several else "a number"
    raise RoboTSError(f"{expected} for {name} in {path}", repr(value), "mend the file")


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)  # YAML takes 1e-3 for a word


def _check(path: Path, vehicle: Vehicle) -> None:
    """What could not fly, or is surely written in other units."""

    def demand(holds: bool, expected: str, found: Any, mend: str) -> None:
        if not holds:
            raise RoboTSError(f"{expected} in {path}", str(found), mend)

    # Far beyond any quadrotor: such numbers are in other units.
    most = {
        "mass": (1000.0, "kg"),
        "rotor_x": (5.0, "m"),
        "rotor_y": (5.0, "m"),
        "torque_constant": (1.0, "m"),
        "rise_time": (2.0, "s"),
        "fall_time": (2.0, "s"),
    }
    for name, (limit, unit) in most.items():
        value = getattr(vehicle, name)
        fits = 0.0 < value <= limit
        demand(fits, f"{name} above 0 and at most {limit:g} {unit}", value, f"give it in {unit}")
    jx, jy, jz = vehicle.inertia
    solid = min(jx, jy, jz) > 0.0 and 2.0 * max(jx, jy, jz) <= (jx + jy + jz) * 1.01
    demand(
        solid,
        "moments of inertia > 0, none greater than the sum of the others",
        vehicle.inertia,
        "give roll, pitch and yaw in kg m^2",
    )
    demand(0.0 <= vehicle.sag < 1.0, "sag in [0, 1)", vehicle.sag, "give a share")
    _, c1, c2 = vehicle.thrust
    slopes = [c1 + 2.0 * c2 * s for s in (0.25, 0.5, 0.75, 1.0)]
    demand(
        min(slopes) > 0.0,
        "a thrust curve that rises",
        vehicle.thrust,
        "give c0, c1, c2 over [0, 1]",
    )
    t2w = vehicle.thrust_to_weight
    demand(
        1.05 < t2w < 30.0,
        "a thrust-to-weight ratio between 1.05 and 30",
        f"{t2w:.3g} ({4.0 * sum(vehicle.thrust):.3g} N for {vehicle.mass:.3g} kg)",
        "thrust is that of one rotor in N over its speed in [0, 1]; mass is in kg",
    )
    idle = 4.0 * vehicle.thrust[0] / (vehicle.mass * GRAVITY)
    demand(
        idle < 1.0,
        "rotors that carry less than the weight at rest",
        f"{idle:.3g} times the weight",
        "lower the first number of thrust",
    )
    t2i = vehicle.torque_to_inertia
    demand(
        1.0 < t2i < 20000.0,
        "a roll acceleration at full thrust between 1 and 20,000 rad/s^2",
        f"{t2i:.3g} rad/s^2",
        "give inertia in kg m^2, rotor_x in m and thrust in N",
    )
