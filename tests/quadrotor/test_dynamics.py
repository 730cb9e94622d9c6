"""The drones are RAPTOR's, and the motors follow their equation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from robo_ts.envs.quadrotor import dynamics
from robo_ts.envs.quadrotor.config import DroneRanges
from robo_ts.sim import Range

NUM = 20000


@pytest.fixture(scope="module")
def drones() -> dynamics.Drones:
    return dynamics.sample_drones(DroneRanges(), NUM, torch.Generator().manual_seed(0))


def within(x: torch.Tensor, low: float, high: float) -> None:
    """All draws lie in the range, and they fill it."""
    slack = 0.01 * (high - low)
    assert low * (1 - 1e-5) <= float(x.min()) < low + slack
    assert high - slack < float(x.max()) <= high * (1 + 1e-5)


def test_ranges_and_medians_are_the_published_ones(drones: dynamics.Drones) -> None:
    within(drones.mass, 0.02, 5.0)
    assert float(drones.mass.median()) == pytest.approx(0.97, abs=0.03)
    within(drones.thrust_to_weight, 1.5, 5.0)
    within(drones.torque_to_inertia, 40.0, 1200.0)
    within(drones.torque_constant, 0.005, 0.05)
    within(drones.rise_time, 0.03, 0.10)
    within(drones.fall_time, 0.03, 0.30)
    assert float(drones.thrust_to_weight.mean()) == pytest.approx(3.25, abs=0.03)
    assert float(drones.torque_to_inertia.mean()) == pytest.approx(620.0, abs=10.0)


def test_arms_grow_with_the_cube_root_of_the_mass(drones: dynamics.Drones) -> None:
    assert float(drones.arm.quantile(0.001)) > 0.026
    assert float(drones.arm.quantile(0.999)) < 0.25
    # A Crazyflie's size at a Crazyflie's mass, 10% smaller on average, within a factor of 1.5.
    factor = drones.rotor_xy / (0.028 * (drones.mass / 0.0306) ** (1 / 3))
    assert float(factor.median()) == pytest.approx(1 / 1.1, abs=0.01)
    assert float(factor.min()) > 0.6 and float(factor.max()) < 1.5


def test_thrust_curves_are_the_crazyflies_scaled_to_their_thrust(drones: dynamics.Drones) -> None:
    greatest = drones.curve.sum(dim=1)
    assert torch.allclose(4 * greatest / (9.81 * drones.mass), drones.thrust_to_weight, rtol=1e-5)
    shape = drones.curve / drones.curve[:, 2:]
    assert torch.allclose(shape, torch.tensor([0.003525, 0.014373, 0.09223]) / 0.09223, rtol=1e-5)


def test_inertia_follows_from_torque_to_inertia(drones: dynamics.Drones) -> None:
    greatest = drones.curve.sum(dim=1)
    roll = math.sqrt(2) * drones.rotor_xy * greatest / drones.inertia[:, 0]
    assert torch.allclose(roll, drones.torque_to_inertia, rtol=1e-5)
    ratio = drones.inertia / drones.inertia[:, :1]
    assert torch.allclose(ratio, torch.tensor([1.0, 1.02416, 1.85417]), rtol=1e-4)


def test_disturbances_grow_with_the_spare_thrust_and_have_no_direction(
    drones: dynamics.Drones,
) -> None:
    t2w = drones.thrust_to_weight
    unit = drones.force / (0.3 * (t2w - 1) * t2w * drones.mass / 3)[:, None]
    # N(0, s^2) with s ~ U(0, 1): variance 1/3 whatever the drone.
    assert float(unit.square().mean()) == pytest.approx(1 / 3, abs=0.02)
    assert float(unit.mean(dim=0).abs().max()) < 0.02
    strong, weak = unit[t2w > 4], unit[t2w < 2]
    assert float(strong.std() / weak.std()) == pytest.approx(1.0, abs=0.05)


def test_no_disturbance_when_it_is_switched_off() -> None:
    still = dynamics.sample_drones(
        DroneRanges(disturbance=0.0), 10, torch.Generator().manual_seed(0)
    )
    assert not still.force.any()


def test_a_crazyflie_comes_out_of_the_crazyflies_numbers() -> None:
    ranges = DroneRanges(
        thrust_to_weight=Range(1.4683, 1.4683),
        mass_root=Range(0.0306 ** (1 / 3), 0.0306 ** (1 / 3)),
        size_deviation=Range(0.0, 0.0),
        torque_to_inertia=Range(463.2, 463.2),
    )
    one = dynamics.sample_drones(ranges, 1, torch.Generator().manual_seed(0))
    assert one.arm[0] == pytest.approx(0.0396, abs=1e-4)
    assert one.curve[0].numpy() == pytest.approx([0.003525, 0.014373, 0.09223], rel=2e-3)
    assert one.inertia[0].numpy() == pytest.approx([9.4166e-6, 9.6441e-6, 1.7460e-5], rel=5e-3)


def test_the_hover_action_carries_the_weight(drones: dynamics.Drones) -> None:
    assert (drones.hover_action > -1).all() and (drones.hover_action < 1).all()
    speed = 0.5 * (drones.hover_action + 1)
    c0, c1, c2 = drones.curve.unbind(1)
    lift = 4 * (c0 + c1 * speed + c2 * speed**2)
    assert torch.allclose(lift, 9.81 * drones.mass, rtol=1e-5)


def test_motor_lag_and_mean_thrust_equal_a_fine_integration() -> None:
    generator = torch.Generator().manual_seed(1)
    n, dt = 200, 0.01
    drones = dynamics.sample_drones(DroneRanges(), n, generator)
    speed, set_point = torch.rand(2, n, 4, generator=generator)
    rising = dynamics.lag_coefficients(drones.rise_time, dt)[..., None]
    falling = dynamics.lag_coefficients(drones.fall_time, dt)[..., None]
    end, thrust = dynamics.rotor_step(speed, set_point, drones.curve, rising, falling)

    rise, fall = drones.rise_time.double().numpy(), drones.fall_time.double().numpy()
    c0, c1, c2 = drones.curve.double().numpy().T[:, :, None]
    now, goal = speed.double().numpy(), set_point.double().numpy()
    pieces, impulse = 2000, 0.0
    for _ in range(pieces):
        middle = now + 0.5 * dt / pieces * (goal - now) / _tau(goal, now, rise, fall)
        slope = (goal - middle) / _tau(goal, middle, rise, fall)
        impulse = impulse + (c0 + c1 * middle + c2 * middle**2) * dt / pieces
        now = now + dt / pieces * slope
    assert np.abs(end.numpy() - now).max() < 1e-6
    assert (
        np.abs(thrust.numpy() - impulse / dt) / drones.curve.sum(1).numpy()[:, None]
    ).max() < 1e-6


def _tau(goal: np.ndarray, now: np.ndarray, rise: np.ndarray, fall: np.ndarray) -> np.ndarray:
    return np.where(goal >= now, rise[:, None], fall[:, None])


def test_a_motor_never_passes_its_set_point() -> None:
    lag = dynamics.lag_coefficients(torch.tensor([0.03]), 0.01)[..., None]
    speed = torch.tensor([[0.0, 0.2, 0.8, 1.0]])
    goal = torch.tensor([[1.0, 0.3, 0.7, 0.0]])
    curve = torch.tensor([dynamics.BASE_CURVE])
    for _ in range(200):
        before = speed
        speed, _ = dynamics.rotor_step(speed, goal, curve, lag, lag)
        assert ((speed - goal).abs() <= (before - goal).abs()).all()
        assert ((speed - goal) * (before - goal) >= 0).all()
    assert torch.allclose(speed, goal, atol=1e-6)


def test_the_reference_path_is_the_published_langevin_process() -> None:
    generator = torch.Generator().manual_seed(0)
    path = torch.zeros(4, 2000, 3)
    for _ in range(1500):
        noise = torch.randn(2000, 3, generator=generator)
        new = dynamics.langevin_step(path, noise, 0.01)
        x, v, smooth, speed = path
        raw = v + (-1.0 * v - 2.0**2 * x) * 0.01 + 0.5 * math.sqrt(0.01) * noise
        assert torch.allclose(new[1], raw, atol=1e-6)
        assert torch.allclose(new[0], x + 0.01 * raw, atol=1e-6)
        assert torch.allclose(new[3], 0.99 * speed + 0.01 * raw, atol=1e-6)
        assert torch.allclose(new[2], smooth + 0.01 * new[3], atol=1e-6)
        path = new
    # Stationary: variance of v is sigma^2 / 2 gamma, of x that over omega^2.
    assert float(path[1].var()) == pytest.approx(0.125, rel=0.1)
    assert float(path[0].var()) == pytest.approx(0.03125, rel=0.1)


def test_rotation_matrices_are_rotations_by_their_quaternion() -> None:
    quaternion = dynamics.random_tilt(100, 3.0, torch.Generator().manual_seed(0))
    assert torch.allclose(quaternion.norm(dim=1), torch.ones(100), atol=1e-6)
    matrix = dynamics.rotation_matrix(quaternion).reshape(-1, 3, 3)
    assert torch.allclose(matrix @ matrix.mT, torch.eye(3).expand(100, 3, 3), atol=1e-6)
    half = math.sqrt(0.5)
    quarter = dynamics.rotation_matrix(torch.tensor([[half, 0.0, 0.0, half]])).reshape(3, 3)
    assert torch.allclose(quarter @ torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0]), atol=1e-6)


def test_tilts_are_uniform_angles_up_to_the_greatest() -> None:
    quaternion = dynamics.random_tilt(20000, 1.0, torch.Generator().manual_seed(0))
    angle = 2 * torch.acos(quaternion[:, 0].double().clamp(-1, 1))
    assert float(angle.max()) < 1.001
    assert float(angle.mean()) == pytest.approx(0.5, abs=0.01)
