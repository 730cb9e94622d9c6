"""One control step of a quadrotor as plain formulas, shared by every engine.

``wrench`` turns an action into forces, an engine moves the body, ``observe`` turns what came of it
into what sensors say. Everything is feature-first, ``(components, num)``, and differentiable. What
a configuration never uses costs nothing: its rows and its formulas are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.quadrotor.layout import Components, Layout, Rows
from robo_ts.sim.rigid import Body, rk4_step, rotation

# x and y sign of each rotor, and the sign of its drag torque about +z: front right, back right,
# back left, front left (RAPTOR).
SIGN_X = (1.0, -1.0, -1.0, 1.0)
SIGN_Y = (-1.0, -1.0, 1.0, 1.0)
SPIN = (-1.0, 1.0, -1.0, 1.0)
BODY = ("position", "quaternion", "velocity", "rate")
# Steps of latency there is room for.
DELAYS = 2
# What sensors say: position error, rotation, velocity error, angular velocity.
READING = 18


@dataclass(frozen=True)
class Features:
    """What a configuration makes use of.

    Attributes:
        moving: references other than a fixed point.
        wind: gusts and drag.
        kicks: pokes, short pushes at random moments.
        sag: thrust lost under load.
        action_delay: actions act late.
        observation_delay: readings are late.
        noise: white noise and bias of the sensors.
    """

    moving: bool = True
    wind: bool = False
    kicks: bool = False
    sag: bool = False
    action_delay: bool = False
    observation_delay: bool = False
    noise: bool = False


class Flight:
    """The formulas for one set of features.

    State rows (``self.state``): the body, rotor speeds, the last actions as emitted, the gust, the
    Langevin path, the readings sensors are still to give, the clock in steps. Parameter rows
    (``self.parameters``): what distinguishes one drone and one episode from another.

    Args:
        features: what is used.
        dt: control step, s.
    """

    def __init__(self, features: Features, dt: float = 0.01) -> None:
        self.features, self.dt = features, dt
        state = {"position": 3, "quaternion": 4, "velocity": 3, "rate": 3, "rotor": 4, "action": 4}
        parameters = {
            "curve": 3,
            "gain": 3,
            "coupling": 3,
            "rising": 3,
            "falling": 3,
            "force": 3,
            "torque": 3,
        }
        noise: dict[str, int] = {}
        if features.action_delay:
            state["before"] = 4
            parameters["action_delay"] = 1
        if features.wind:
            state["gust"] = 3
            parameters |= {"drag": 1, "gust_speed": 1, "gust_time": 1}
            noise["gust"] = 3
        if features.kicks:
            parameters["kick"] = 1
            noise |= {"kick": 3, "kicked": 1}
        if features.sag:
            parameters["sag"] = 1
        if features.moving:
            state |= {"path": 12, "clock": 1}
            parameters |= {"langevin": 1, "first": 3, "second": 3, "omega": 1, "jump": 3}
            parameters["jump_step"] = 1
            noise["path"] = 3
        if features.noise:
            parameters |= {"noise": 1, "bias": 9}
            noise["sensor"] = 9
        if features.observation_delay:
            state["readings"] = READING * (DELAYS + 1)
            parameters["observation_delay"] = 1
        elif features.noise:
            state["readings"] = READING
        self.state, self.parameters, self.noise = Layout(state), Layout(parameters), Layout(noise)

    def draw(self, num: int, generator: torch.Generator) -> Rows:
        """Chance of one step."""
        return self.noise.split(self.draw_packed(num, generator)) if self.noise.rows else {}

    def draw_packed(self, num: int, generator: torch.Generator) -> Tensor:
        """The same, packed ``(noise.rows, num)``."""
        noise = torch.randn(self.noise.rows, num, generator=generator, device=generator.device)
        if self.features.kicks:
            noise[self.noise.slice("kicked")].uniform_(generator=generator)
        return noise

    # -- before the body moves ---------------------------------------------------------------------

    def wrench(self, s: Rows, p: Rows, action: Tensor, noise: Rows) -> tuple[Rows, Tensor, Tensor]:
        """What acts on the body during the coming step.

        Args:
            s: the state.
            p: the parameters.
            action: ``(4, num)`` rotor speed set points in [-1, 1]; clipped here.
            noise: standard normal draws; ``kicked`` uniform.

        Returns:
            The state rows that changed; each rotor's mean thrust over mass, ``(4, num)`` m/s^2; the
            other forces over mass, ``(3, num)`` m/s^2, world frame.
        """
        new: Rows = {"action": action}
        acting = action
        if self.features.action_delay:
            late = p["action_delay"]
            acting = (
                torch.relu(1.0 - late) * action
                + torch.relu(1.0 - (late - 1.0).abs()) * s["action"]
                + torch.relu(late - 1.0) * s["before"]
            )
            new["before"] = s["action"]
        set_point = 0.5 * (acting.clamp(-1.0, 1.0) + 1.0)
        new["rotor"], thrust = rotor_step(
            s["rotor"], set_point, p["curve"], p["rising"], p["falling"]
        )
        if self.features.sag:
            load = new["rotor"].square().mean(dim=0)
            thrust = thrust * (1.0 - p["sag"] * load)
        force = p["force"]
        if self.features.wind:
            # Ornstein-Uhlenbeck gusts of standard deviation gust_speed.
            keep = torch.exp(-self.dt / p["gust_time"])
            fresh = p["gust_speed"] * torch.sqrt(1.0 - keep * keep)
            new["gust"] = keep * s["gust"] + fresh * noise["gust"]
            force = force - p["drag"] * (s["velocity"] - new["gust"])
        if self.features.kicks:
            hit = (noise["kicked"] < KICK_CHANCE).float()
            force = force + hit * p["kick"] / self.dt * noise["kick"]
        return new, thrust, force

    # -- the body, where torch moves it ------------------------------------------------------------

    def move(self, s: Rows, p: Rows, thrust: Tensor, force: Tensor) -> Rows:
        """The body's rows after one step under :meth:`wrench`'s result."""
        t0, t1, t2, t3 = thrust
        roll = -t0 - t1 + t2 + t3
        pitch = -t0 + t1 + t2 - t3
        yaw = -t0 + t1 - t2 + t3
        torque = p["gain"] * torch.stack([roll, pitch, yaw]) + p["torque"]
        body = Body(s["position"], s["quaternion"], s["velocity"], s["rate"])
        new = rk4_step(body, t0 + t1 + t2 + t3, force, torque, p["coupling"], self.dt)
        parts = (new[:3], new[3:7], new[7:10], new[10:])
        return dict(zip(BODY, parts, strict=True))

    # -- after it has moved ------------------------------------------------------------------------

    def sense(self, s: Rows, p: Rows, noise: Rows) -> Rows:
        """Move the reference on and read the sensors: the state rows that changed."""
        new: Rows = {}
        if self.features.moving:
            new["path"] = langevin_step(s["path"], noise["path"], self.dt)
            new["clock"] = s["clock"] + 1.0
        if "readings" in self.state:
            reading = self.reading({**s, **new}, p)
            if self.features.noise:
                reading = _noisy(reading, p, noise["sensor"])
            late = s["readings"][: READING * DELAYS] if self.features.observation_delay else ()
            new["readings"] = [*reading, *late]
        return new

    def reference(self, s: Rows, p: Rows) -> tuple[Tensor, Tensor]:
        """Where the drone should be and how fast, ``(3, num)`` each; for moving references."""
        time, omega = s["clock"] * self.dt, p["omega"]
        sin, cos = torch.sin(omega * time), torch.cos(omega * time)
        sin2, cos2 = 2.0 * sin * cos, cos * cos - sin * sin
        jumped = (s["clock"] >= p["jump_step"]).float()
        position = (
            p["langevin"] * s["path"][6:9]
            + p["first"] * sin
            + p["second"] * sin2
            + p["jump"] * jumped
        )
        velocity = p["langevin"] * s["path"][9:12] + omega * (
            p["first"] * cos + 2.0 * p["second"] * cos2
        )
        return position, velocity

    def errors(self, s: Rows, p: Rows) -> tuple[Components, Components]:
        """Position and velocity relative to the reference, three components each."""
        if not self.features.moving:
            return s["position"], s["velocity"]
        position, velocity = self.reference(s, p)
        return (
            [x - r for x, r in zip(s["position"], position, strict=True)],
            [x - r for x, r in zip(s["velocity"], velocity, strict=True)],
        )

    def reading(self, s: Rows, p: Rows) -> list[Tensor]:
        """What perfect sensors would say now, 18 components."""
        position, velocity = self.errors(s, p)
        return [*position, *rotation(s["quaternion"]), *velocity, *s["rate"]]

    def observation(self, s: Rows, p: Rows) -> Tensor:
        """The policy's input, ``(22, num)``: RAPTOR's contract."""
        if "readings" not in self.state:
            reading = self.reading(s, p)
        elif self.features.observation_delay:
            late, kept = p["observation_delay"], list(s["readings"])
            first = torch.relu(1.0 - late)
            second = torch.relu(1.0 - (late - 1.0).abs())
            third = torch.relu(late - 1.0)
            reading = [
                first * now + second * one + third * two
                for now, one, two in zip(
                    kept[:READING], kept[READING : 2 * READING], kept[2 * READING :], strict=True
                )
            ]
        else:
            reading = s["readings"]
        return torch.stack([*reading, *s["action"]])

    # -- all of it ---------------------------------------------------------------------------------

    def step(self, state: Tensor, parameters: Tensor, action: Tensor, noise: Tensor) -> Tensor:
        """The packed state after one control step."""
        s, p, n = self.state.split(state), self.parameters.split(parameters), {}
        if self.noise.rows:
            n = self.noise.split(noise)
        return self.state.join(self.after(s, p, action, n))

    def after(self, s: Rows, p: Rows, action: Tensor, n: Rows) -> Rows:
        """All rows after one control step."""
        changed, thrust, force = self.wrench(s, p, action, n)
        s = {**s, **changed, **self.move(s, p, thrust, force)}
        return {**s, **self.sense(s, p, n)}


# Chance of a kick in any step: one in two seconds.
KICK_CHANCE = 0.005
# Standard deviations of the sensors at noise 1: m, m/s, rad/s.
SENSOR_NOISE = (0.01, 0.05, 0.1)


def _noisy(reading: list[Tensor], p: Rows, noise: Tensor) -> list[Tensor]:
    error = list(p["bias"] + p["noise"] * noise)
    noisy = list(reading)
    for first, size, part in (
        (0, SENSOR_NOISE[0], 0),
        (12, SENSOR_NOISE[1], 3),
        (15, SENSOR_NOISE[2], 6),
    ):
        for axis in range(3):
            noisy[first + axis] = reading[first + axis] + size * error[part + axis]
    return noisy


def rotor_step(
    speed: Tensor, set_point: Tensor, curve: Tensor, rising: Tensor, falling: Tensor
) -> tuple[Tensor, Tensor]:
    """Motor lag and mean thrust over one control step, exactly.

    With d = speed - set point at the start, speed ends at s + d e^(-dt/tau); its mean is s + d A,
    its mean square s^2 + 2 s d A + d^2 B; see :func:`lag`.

    Args:
        speed: ``(4, num)`` in [0, 1].
        set_point: ``(4, num)`` in [0, 1].
        curve: ``(3, num)`` thrust polynomial, in any unit of force.
        rising, falling: ``(3, num)`` of :func:`lag`.

    Returns:
        The speeds at the step's end and the mean thrust, ``(4, num)`` each.
    """
    difference = speed - set_point
    up = difference <= 0
    decay = torch.where(up, rising[0], falling[0])
    mean = torch.where(up, rising[1], falling[1])
    square = torch.where(up, rising[2], falling[2])
    lagged = difference * mean
    mean_speed = set_point + lagged
    mean_square = set_point * (set_point + 2.0 * lagged) + difference * difference * square
    thrust = curve[0] + curve[1] * mean_speed + curve[2] * mean_square
    return set_point + difference * decay, thrust


def lag(tau: Tensor, dt: float) -> Tensor:
    """e^(-dt/tau), A and B of :func:`rotor_step`, ``(3, num)``, for time constants in s."""
    decay = torch.exp(-dt / tau)
    return torch.stack([decay, tau / dt * (1 - decay), tau / (2 * dt) * (1 - decay * decay)])


def langevin_step(path: Tensor, noise: Tensor, dt: float) -> Tensor:
    """Advance the smooth random reference path by one control step.

    Second-order Langevin dynamics (gamma 1, omega 2, sigma 0.5), its velocity smoothed (0.01 per
    step) and integrated again (RAPTOR).

    Args:
        path: ``(12, num)``: raw position, raw velocity, smooth position, smooth velocity.
        noise: ``(3, num)`` standard normal.
        dt: control step, s.
    """
    raw_position, raw_velocity, position, velocity = torch.split(path, 3)
    raw_velocity = (
        raw_velocity + (-raw_velocity - 4.0 * raw_position) * dt + (0.5 * math.sqrt(dt)) * noise
    )
    raw_position = raw_position + raw_velocity * dt
    velocity = 0.99 * velocity + 0.01 * raw_velocity
    return torch.cat([raw_position, raw_velocity, position + velocity * dt, velocity])
