"""The published contract in another simulator: Crazyflow, with other motors, drag and gyroscopes.

Crazyflow (learnsyslab, MIT, arXiv 2606.01478) flies vehicles identified from flight data. Its
rotors follow ``a (u - w) + b (u^2 - w^2)`` with other a and b while slowing down, in rpm; there is
drag along the body's axes, and the propellers' angular momentum acts on the body. Nothing of
:mod:`robo_ts.envs.quadrotor.flight` is used here, so that a policy is tested in physics it was not
trained in.

What differs at the boundary: quaternions are x, y, z, w there; speeds are rpm between the limits of
a vehicle's motors, which are -1 and 1 of an action; a control step is five of its steps of 2 ms.
World (z up) and body frame (x forward, y left) are the same, and so is the order of the rotors.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from robo_ts.env.transfer import OtherSimulator
from robo_ts.envs.quadrotor.config import QuadrotorConfig
from robo_ts.envs.quadrotor.episodes import draw_start
from robo_ts.envs.quadrotor.task import LOST
from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive
from robo_ts.sim.rigid import GRAVITY

# Those that have parameters for motor commands.
VEHICLES = ("cf2x_L250", "cf2x_P250", "cf2x_T350", "cf21B_500")
# Height of the reference, m; whoever touches the ground is lost.
HEIGHT = 5.0
# Simulation steps per second, and per control step.
FREQUENCY, SUBSTEPS = 500, 5
# Parameters that a spread changes, each in every world by a factor of its own.
SPREAD = ("mass", "J", "rpm2thrust", "rpm2torque", "rotor_dyn_coef", "drag_matrix")

Arrays = dict[str, np.ndarray]


class CrazyflowFlights:
    """``num_envs`` flights of one of Crazyflow's vehicles, from RAPTOR's starts, without forces.

    Args:
        vehicle: one of :data:`VEHICLES`.
        num_envs: flights.
        seed: of starts and spread.
        spread: mass, inertia, thrust, drag torque, motor lag and drag are scaled by U(1 - spread,
            1 + spread), each in every flight by a factor of its own.
        config: for the starts and the rules of success; RAPTOR's hold when left out.

    Raises:
        RoboTSError: when Crazyflow is not installed, or for another vehicle.
    """

    def __init__(
        self,
        vehicle: str,
        num_envs: int,
        seed: int = 0,
        spread: float = 0.0,
        config: QuadrotorConfig | None = None,
    ) -> None:
        _check(vehicle, spread)
        self.config = config or QuadrotorConfig()
        self.num_envs, self.episode_steps = num_envs, self.config.episode_steps
        self._sim, (self._slow, self._fast) = _simulation(vehicle, num_envs), _limits(vehicle)
        arms = _parameters(vehicle)["L"] * np.sqrt(2.0)
        self._far = self.config.limit_arms * arms
        self.reference = np.array([0.0, 0.0, HEIGHT])
        rng = torch.Generator().manual_seed(derive(seed, "crazyflow", vehicle))
        if spread:
            self._scale(spread, rng)
        self._begin(rng)

    def _scale(self, spread: float, rng: torch.Generator) -> None:
        jnp = _jax()
        params = self._sim.data.params
        changed = {}
        for name in SPREAD:
            value = np.asarray(getattr(params, name))
            factor = 1.0 + spread * (2.0 * torch.rand(self.num_envs, generator=rng).numpy() - 1.0)
            wide = factor.reshape(-1, 1, *[1] * value.ndim)
            changed[name] = jnp.asarray(wide * value, jnp.float32)
        changed["J_inv"] = jnp.linalg.inv(changed["J"])
        self._sim.data = self._sim.data.replace(params=params.replace(**changed))

    def _begin(self, rng: torch.Generator) -> None:
        begun = draw_start(self.config, self.num_envs, rng)
        start = {name: value.t().numpy().astype(np.float32) for name, value in begun.items()}
        w, x, y, z = start["quaternion"].T
        self._write(
            pos=start["position"] + self.reference,
            quat=np.stack([x, y, z, w], axis=1),
            vel=start["velocity"],
            ang_vel=start["rate"],
            rotor_vel=self._slow + start["rotor"] * (self._fast - self._slow),
        )
        self._action = start["action"]
        self._steps, self._late_error = 0, np.zeros(self.num_envs)
        self._lost, self._broken = (np.zeros(self.num_envs, dtype=bool) for _ in range(2))

    def _write(self, **values: np.ndarray) -> None:
        jnp = _jax()
        data = self._sim.data
        new = {name: jnp.asarray(value, jnp.float32)[:, None] for name, value in values.items()}
        self._sim.data = data.replace(states=data.states.replace(**new))

    def state(self) -> Arrays:
        """Crazyflow's own: ``pos`` m, ``quat`` xyzw, ``vel`` m/s, ``ang_vel`` rad/s in the body
        frame, ``rotor_vel`` rpm, ``(num_envs, ...)`` each."""
        states = self._sim.data.states
        names = ("pos", "quat", "vel", "ang_vel", "rotor_vel")
        return {name: np.asarray(getattr(states, name))[:, 0] for name in names}

    def observe(self) -> Arrays:
        """The group ``proprioception``, ``(num_envs, 22)``."""
        now = self.state()
        parts = [
            now["pos"] - self.reference,
            rotation_rows(now["quat"]),
            now["vel"],
            now["ang_vel"],
            self._action,
        ]
        return {"proprioception": np.concatenate(parts, axis=1).astype(np.float32)}

    def step(self, action: np.ndarray) -> None:
        """One control step.

        Args:
            action: ``(num_envs, 4)`` set points in [-1, 1]; clipped here.
        """
        jnp = _jax()
        self._action = np.asarray(action, np.float32)
        share = 0.5 * (np.clip(self._action, -1.0, 1.0) + 1.0)
        rpm = self._slow + share * (self._fast - self._slow)
        self._sim.rotor_vel_control(jnp.asarray(rpm, jnp.float32)[:, None])
        self._sim.step(SUBSTEPS)
        self._steps += 1
        self._judge(self.state())

    def _judge(self, now: Arrays) -> None:
        away = now["pos"] - self.reference
        distance = np.linalg.norm(away, axis=1)
        speed, spin = np.abs(now["vel"]).max(axis=1), np.abs(now["ang_vel"]).max(axis=1)
        # Written so that a NaN counts as lost.
        flying = (distance < LOST) & (speed < 50.0) & (spin < 150.0) & (now["pos"][:, 2] > 0.0)
        self._lost |= ~flying
        config = self.config
        within = (np.abs(away).max(axis=1) <= self._far) & (speed <= config.limit_velocity)
        self._broken |= ~(within & (spin <= config.limit_angular_velocity))
        if self._steps > int(0.75 * self.episode_steps):
            self._late_error += np.where(self._lost, 0.0, distance)

    def measured(self) -> Arrays:
        """What became of each flight: ``survived``, ``within_limits`` and ``success`` as in the
        task, and ``position_error_m``, the mean distance over the last quarter; infinite where the
        flight was lost."""
        late = self._steps - int(0.75 * self.episode_steps)
        error = np.where(self._lost, np.inf, self._late_error / max(late, 1))
        within = ~self._broken & ~self._lost
        return {
            "success": within & (error < self.config.success_distance),
            "within_limits": within,
            "survived": ~self._lost,
            "position_error_m": error,
        }


def rotation_rows(quaternion: np.ndarray) -> np.ndarray:
    """Body to world, row-major ``(n, 9)``, of quaternions x, y, z, w ``(n, 4)``."""
    x, y, z, w = quaternion.T
    rows = [
        *(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)),
        *(2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)),
        *(2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)),
    ]
    return np.stack(rows, axis=1)


def nearest_vehicle(vehicle: str) -> dict[str, Any]:
    """A vehicle file of this task that is as close to one of Crazyflow's as its formulas allow.

    Its motors lag by one time constant, that of Crazyflow's at hover; it has neither drag nor
    gyroscopes.
    """
    _check(vehicle, 0.0)
    known, (slow, fast) = _parameters(vehicle), _limits(vehicle)
    k0, k1, k2 = (float(x) for x in known["rpm2thrust"])
    t0, t1, t2 = (float(x) for x in known["rpm2torque"])
    range_ = fast - slow
    curve = [k0 + k1 * slow + k2 * slow**2, range_ * (k1 + 2.0 * k2 * slow), k2 * range_**2]
    missing = float(known["mass"]) * GRAVITY / 4.0 - k0
    hover = (-k1 + float(np.sqrt(k1 * k1 + 4.0 * k2 * missing))) / (2.0 * k2)
    rise, rise2, fall, fall2 = (float(x) for x in known["rotor_dyn_coef"])
    return {
        "mass": float(known["mass"]),
        "inertia": [float(x) for x in np.diag(known["J"])],
        "rotor_x": float(known["L"]),
        "rotor_y": float(known["L"]),
        "thrust": curve,
        "torque_constant": (t0 + t1 * hover + t2 * hover**2) / (missing + k0),
        "rise_time": 1.0 / (rise + 2.0 * rise2 * hover),
        "fall_time": 1.0 / (fall + 2.0 * fall2 * hover),
    }


def _same_here(vehicle: str, folder: Path) -> dict[str, Any]:
    path = folder / f"{vehicle}.yaml"
    path.write_text(yaml.safe_dump(nearest_vehicle(vehicle), sort_keys=False))
    calm = {"disturbance": 0.0}
    held = {"limits_end": False, "references": {"langevin": 0.0}}
    return {"vehicle": str(path), "drones": calm, **held}


CRAZYFLOW = OtherSimulator(
    text="Crazyflow 0.4: other motors, drag, gyroscopes; 500 Hz Runge-Kutta",
    extra="crazyflow",
    robots=VEHICLES,
    build=CrazyflowFlights,
    same_here=_same_here,
)


def _check(vehicle: str, spread: float) -> None:
    if vehicle not in VEHICLES:
        raise RoboTSError(
            f"a vehicle that Crazyflow has motors of: {', '.join(VEHICLES)}",
            repr(vehicle),
            "hb_x500 there takes attitudes only; no policy of ours gives them",
        )
    if not 0.0 <= spread < 1.0:
        raise RoboTSError("a spread in [0, 1)", str(spread), "0.2 is plus and minus 20%")
    try:
        import crazyflow  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise RoboTSError(
            "Crazyflow, for flights in a second simulator",
            f"none ({error})",
            "pip install 'robo_ts[crazyflow]'",
        ) from error


def _jax() -> Any:
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]

    return jnp


def _simulation(vehicle: str, num_envs: int) -> Any:
    from crazyflow.control import Control  # pyright: ignore[reportMissingImports]
    from crazyflow.dynamics import Dynamics  # pyright: ignore[reportMissingImports]
    from crazyflow.sim import Sim  # pyright: ignore[reportMissingImports]
    from crazyflow.sim.integration import Integrator  # pyright: ignore[reportMissingImports]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the name of a part of its scene
        return Sim(
            n_worlds=num_envs,
            n_drones=1,
            drone=vehicle,
            dynamics=Dynamics.first_principles,
            control=Control.rotor_vel,
            integrator=Integrator.rk4,
            freq=FREQUENCY,
            device="cpu",
            fused_mjx_model=True,
        )


def _limits(vehicle: str) -> tuple[float, float]:
    """Least and greatest rotor speed, rpm."""
    from crazyflow.dynamics import Dynamics  # pyright: ignore[reportMissingImports]
    from crazyflow.sim.sim import rotor_vel_limits  # pyright: ignore[reportMissingImports]

    return rotor_vel_limits(Dynamics.first_principles, vehicle)


def _parameters(vehicle: str) -> dict[str, Any]:
    from crazyflow.dynamics import (  # pyright: ignore[reportMissingImports]
        Dynamics,
        load_params,
    )

    return load_params(Dynamics.first_principles, vehicle)
