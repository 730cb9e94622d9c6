"""One control step: motors, delays, wind, sensors and references follow their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from robo_ts.envs.quadrotor.config import (
    AirRanges,
    DroneRanges,
    QuadrotorConfig,
    References,
    SensorRanges,
)
from robo_ts.envs.quadrotor.drones import sample_drones
from robo_ts.envs.quadrotor.episodes import begin, features
from robo_ts.envs.quadrotor.flight import Features, Flight, lag, langevin_step, rotor_step
from robo_ts.envs.quadrotor.layout import Rows
from robo_ts.sim import Range

N = 64


class Flown:
    """Worlds of one configuration, advanced by the formulas alone."""

    def __init__(self, num: int = N, **config: object) -> None:
        plain = {"references": References(langevin=0.0)}
        self.config = QuadrotorConfig(**(plain | config))  # type: ignore[arg-type]
        self.flight = Flight(features(self.config))
        self.rng = torch.Generator().manual_seed(0)
        self.episodes = begin(self.config, self.flight, num, self.rng)
        self.state, self.parameters = self.episodes.state, self.episodes.parameters

    @property
    def rows(self) -> Rows:
        return self.flight.state.split(self.state)

    @property
    def constants(self) -> Rows:
        return self.flight.parameters.split(self.parameters)

    def step(self, action: Tensor) -> None:
        noise = self.flight.draw_packed(self.state.shape[1], self.rng)
        self.state = self.flight.step(self.state, self.parameters, action, noise)

    def observe(self) -> Tensor:
        return self.flight.observation(self.rows, self.constants)


def test_motor_lag_and_mean_thrust_equal_a_fine_integration() -> None:
    generator = torch.Generator().manual_seed(1)
    n, dt = 200, 0.01
    drones = sample_drones(DroneRanges(), n, generator)
    speed, set_point = torch.rand(2, 4, n, generator=generator)
    rising, falling = lag(drones.rise_time, dt), lag(drones.fall_time, dt)
    end, thrust = rotor_step(speed, set_point, drones.curve, rising, falling)

    rise, fall = drones.rise_time.double().numpy(), drones.fall_time.double().numpy()
    c0, c1, c2 = drones.curve.double().numpy()
    now, goal = speed.double().numpy(), set_point.double().numpy()
    pieces, impulse = 2000, 0.0
    for _ in range(pieces):
        middle = now + 0.5 * dt / pieces * (goal - now) / np.where(goal >= now, rise, fall)
        slope = (goal - middle) / np.where(goal >= middle, rise, fall)
        impulse = impulse + (c0 + c1 * middle + c2 * middle**2) * dt / pieces
        now = now + dt / pieces * slope
    assert np.abs(end.numpy() - now).max() < 1e-6
    assert (np.abs(thrust.numpy() - impulse / dt) / drones.curve.sum(0).numpy()).max() < 1e-6


def test_a_motor_never_passes_its_set_point() -> None:
    time = lag(torch.tensor([0.03]), 0.01)
    speed = torch.tensor([[0.0], [0.2], [0.8], [1.0]])
    goal = torch.tensor([[1.0], [0.3], [0.7], [0.0]])
    curve = torch.tensor([[0.0], [0.1], [0.9]])
    for _ in range(200):
        before = speed
        speed, _ = rotor_step(speed, goal, curve, time, time)
        assert ((speed - goal).abs() <= (before - goal).abs()).all()
        assert ((speed - goal) * (before - goal) >= 0).all()
    assert torch.allclose(speed, goal, atol=1e-6)


def test_the_reference_path_is_the_published_langevin_process() -> None:
    generator = torch.Generator().manual_seed(0)
    path = torch.zeros(12, 2000)
    for _ in range(1500):
        noise = torch.randn(3, 2000, generator=generator)
        new = langevin_step(path, noise, 0.01)
        x, v, smooth, speed = torch.split(path, 3)
        raw = v + (-1.0 * v - 2.0**2 * x) * 0.01 + 0.5 * math.sqrt(0.01) * noise
        assert torch.allclose(new[3:6], raw, atol=1e-6)
        assert torch.allclose(new[:3], x + 0.01 * raw, atol=1e-6)
        assert torch.allclose(new[9:], 0.99 * speed + 0.01 * raw, atol=1e-6)
        assert torch.allclose(new[6:9], smooth + 0.01 * new[9:], atol=1e-6)
        path = new
    # Stationary: variance of v is sigma^2 / 2 gamma, of x that over omega^2.
    assert float(path[3:6].var()) == pytest.approx(0.125, rel=0.1)
    assert float(path[:3].var()) == pytest.approx(0.03125, rel=0.1)


@pytest.mark.parametrize(
    ("seconds", "shares"),
    [(0.0, (1, 0, 0)), (0.004, (0.6, 0.4, 0)), (0.01, (0, 1, 0)), (0.016, (0, 0.4, 0.6))],
)
def test_actions_act_after_their_delay(seconds: float, shares: tuple[float, ...]) -> None:
    sensors = SensorRanges(action_delay=Range(1e-9, 1e-9))
    delayed, prompt = Flown(sensors=sensors), Flown()
    prompt.state = prompt.flight.state.join(delayed.rows)
    prompt.parameters = prompt.flight.parameters.join(delayed.constants)
    delayed.parameters[delayed.flight.parameters.slice("action_delay")] = 100.0 * seconds
    older, action = [delayed.rows["action"]] * 2, torch.zeros(4, N)
    for _ in range(5):
        action = 2.0 * torch.rand(4, N) - 1.0
        acting = shares[0] * action + shares[1] * older[0] + shares[2] * older[1]
        delayed.step(action)
        prompt.step(acting)
        older = [action, older[0]]
        assert torch.allclose(delayed.rows["rotor"], prompt.rows["rotor"], atol=1e-6)
        assert torch.allclose(delayed.rows["position"], prompt.rows["position"], atol=1e-5)
    assert torch.equal(delayed.observe()[18:], action)  # told as emitted, not as acting


@pytest.mark.parametrize("steps", [0.0, 0.5, 1.0, 2.0])
def test_readings_arrive_after_their_delay(steps: float) -> None:
    flown = Flown(sensors=SensorRanges(observation_delay=Range(1e-9, 1e-9)))
    flown.parameters[flown.flight.parameters.slice("observation_delay")] = steps
    true = [torch.stack(flown.flight.reading(flown.rows, flown.constants))] * 3
    for _ in range(5):
        flown.step(2.0 * torch.rand(4, N) - 1.0)
        true = [torch.stack(flown.flight.reading(flown.rows, flown.constants)), *true[:2]]
    whole, part = int(steps), steps - int(steps)
    wanted = (1 - part) * true[whole] + (part * true[whole + 1] if part else 0.0)
    assert torch.allclose(flown.observe()[:18], wanted, atol=1e-5)


def test_sensor_noise_and_bias_have_their_sizes_and_spare_the_rotation() -> None:
    flown = Flown(4000, sensors=SensorRanges(noise=Range(1.0, 1.0), bias=Range(0.5, 0.5)))
    readings = []
    for _ in range(20):
        flown.step(torch.zeros(4, 4000))
        perfect = torch.stack(flown.flight.reading(flown.rows, flown.constants))
        readings.append(flown.observe()[:18] - perfect)
    error = torch.stack(readings)
    assert not error[:, 3:12].any()
    for rows, size in ((slice(0, 3), 0.01), (slice(12, 15), 0.05), (slice(15, 18), 0.1)):
        bias, noise = error[:, rows].mean(dim=0), error[:, rows].std(dim=0)
        assert float(noise.mean()) == pytest.approx(size, rel=0.05)
        spread = math.sqrt(0.5**2 + 1.0 / 20) * size
        assert float(bias.std()) == pytest.approx(spread, rel=0.05)


def test_drag_pulls_a_drone_along_with_steady_wind() -> None:
    flown = Flown(air=AirRanges(drag=Range(2.0, 2.0), gust_speed=Range(0.0, 0.0)))
    flown.state[flown.flight.state.slice("velocity")] = 1.0
    before = flown.rows["velocity"].clone()
    twin = Flown()
    twin.state = twin.flight.state.join(flown.rows)
    twin.parameters = twin.flight.parameters.join(flown.constants)
    flown.step(torch.zeros(4, N))
    twin.step(torch.zeros(4, N))
    lost = twin.rows["velocity"] - flown.rows["velocity"]
    assert torch.allclose(lost, 0.01 * 2.0 * before, atol=1e-6)


def test_gusts_have_their_strength_and_their_time() -> None:
    air = AirRanges(drag=Range(0.1, 0.1), gust_speed=Range(3.0, 3.0), gust_time=Range(0.5, 0.5))
    flown, gusts = Flown(2000, air=air), []
    for _ in range(300):
        flown.step(torch.zeros(4, 2000))
        gusts.append(flown.rows["gust"])
    now, later = torch.stack(gusts[200:250]), torch.stack(gusts[250:])
    assert float(now.std()) == pytest.approx(3.0, rel=0.05)
    correlation = float((now * later).mean() / now.var())
    assert correlation == pytest.approx(math.exp(-1.0), abs=0.05)  # 50 steps are one gust time


def test_kicks_come_once_in_two_seconds() -> None:
    flown, still = Flown(2000, air=AirRanges(kick=Range(0.5, 0.5))), Flown(2000)
    still.state = still.flight.state.join(flown.rows)
    still.parameters = still.flight.parameters.join(flown.constants)
    jumps = []
    for _ in range(100):
        still.state = still.flight.state.join(flown.rows)
        action = torch.zeros(4, 2000)
        flown.step(action)
        still.step(action)
        jumps.append(flown.rows["velocity"] - still.rows["velocity"])
    jump = torch.stack(jumps)
    hit = jump.norm(dim=1) > 1e-3
    assert float(hit.float().mean()) == pytest.approx(0.005, rel=0.1)
    assert float(jump.transpose(1, 2)[hit].std()) == pytest.approx(0.5, rel=0.1)


def test_sag_takes_its_share_of_thrust_at_full_load() -> None:
    drones = DroneRanges(sag=Range(0.1, 0.1))
    sagging, fresh = Flown(drones=drones), Flown()
    fresh.state = fresh.flight.state.join(sagging.rows)
    fresh.parameters = fresh.flight.parameters.join(sagging.constants)
    for flown in (sagging, fresh):
        flown.state[flown.flight.state.slice("rotor")] = 1.0
    full = torch.ones(4, N)
    _, weak, _ = sagging.flight.wrench(sagging.rows, sagging.constants, full, {})
    _, strong, _ = fresh.flight.wrench(fresh.rows, fresh.constants, full, {})
    assert torch.allclose(weak, 0.9 * strong)


def test_a_figure_of_eight_has_its_size_its_period_and_its_own_velocity() -> None:
    plan = References(langevin=0.0, eight=1.0, period=Range(4.0, 4.0), length=Range(2.0, 2.0))
    flown, path = Flown(4, references=plan), []
    for _ in range(400):
        flown.step(torch.zeros(4, 4))
        path.append(torch.stack(flown.flight.reference(flown.rows, flown.constants)))
    position, velocity = torch.stack(path).unbind(1)
    assert position[:, 0].max() == pytest.approx(1.0, abs=1e-3)
    assert position[:, 1].max() == pytest.approx(0.5, abs=1e-3)
    assert not position[:, 2].any()
    assert position[-1].abs().max() < 1e-4  # back after one period
    slope = (position[2:] - position[:-2]) / 0.02
    assert (slope - velocity[1:-1]).abs().max() < 2e-3


def test_agile_figures_ask_no_more_than_a_share_of_the_spare_thrust() -> None:
    plan = References(langevin=0.0, eight=1.0, period=Range(1.0, 1.0), agility=0.5, tilt=True)
    flown = Flown(500, references=plan)
    time = torch.linspace(0, 10, 4000)[:, None, None]
    p = flown.constants
    pull = p["omega"] ** 2 * (
        p["first"] * torch.sin(p["omega"] * time)
        + 4 * p["second"] * torch.sin(2 * p["omega"] * time)
    )
    greatest = pull.norm(dim=1).amax(dim=0)
    spare = 0.5 * (flown.episodes.drones.thrust_to_weight - 1.0) * 9.81
    slowed = p["omega"] < 2 * math.pi - 1e-3
    assert slowed.any()
    assert ((greatest / spare)[slowed] < 1.05).all()
    assert ((greatest / spare)[slowed] > 0.7).all()


def test_a_step_reference_jumps_once() -> None:
    plan = References(langevin=0.0, step=1.0, jump=0.5)
    flown, path = Flown(200, references=plan), []
    for _ in range(300):
        flown.step(torch.zeros(4, 200))
        path.append(flown.flight.reference(flown.rows, flown.constants)[0])
    moved = (torch.stack(path).diff(dim=0) != 0).any(dim=1).sum(dim=0)
    assert (moved <= 1).all() and (moved == 1).float().mean() > 0.95


def test_perfect_episodes_stay_perfect_beside_real_ones() -> None:
    sensors = SensorRanges(Range(1.0, 1.0), Range(1.0, 1.0), Range(0.02, 0.02), Range(0.02, 0.02))
    flown = Flown(1000, sensors=sensors, real_share=0.4)
    p = flown.constants
    real = p["action_delay"] > 0
    assert float(real.float().mean()) == pytest.approx(0.4, abs=0.05)
    for name in ("noise", "observation_delay"):
        assert torch.equal(p[name] > 0, real)
    assert not p["bias"][:, ~real].any()


def test_what_is_not_used_takes_no_rows() -> None:
    lean, full = Flight(Features(moving=False)), Flight(Features(*[True] * 7))
    assert lean.state.rows == 21 and not lean.noise.rows
    assert full.state.rows > 80
