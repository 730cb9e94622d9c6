"""The drones are RAPTOR's."""

from __future__ import annotations

import math

import pytest
import torch

from robo_ts.envs.quadrotor.config import DroneRanges
from robo_ts.envs.quadrotor.drones import Drones, hover_action, random_tilt, sample_drones
from robo_ts.sim import Range
from robo_ts.sim.rigid import rotation

NUM = 20000


@pytest.fixture(scope="module")
def drones() -> Drones:
    return sample_drones(DroneRanges(), NUM, torch.Generator().manual_seed(0))


def within(x: torch.Tensor, low: float, high: float) -> None:
    """All draws lie in the range, and they fill it."""
    slack = 0.01 * (high - low)
    assert low * (1 - 1e-5) <= float(x.min()) < low + slack
    assert high - slack < float(x.max()) <= high * (1 + 1e-5)


def test_ranges_and_medians_are_the_published_ones(drones: Drones) -> None:
    within(drones.mass, 0.02, 5.0)
    assert float(drones.mass.median()) == pytest.approx(0.97, abs=0.03)
    within(drones.thrust_to_weight, 1.5, 5.0)
    within(drones.torque_to_inertia, 40.0, 1200.0)
    within(drones.torque_constant, 0.005, 0.05)
    within(drones.rise_time, 0.03, 0.10)
    within(drones.fall_time, 0.03, 0.30)
    assert float(drones.thrust_to_weight.mean()) == pytest.approx(3.25, abs=0.03)
    assert float(drones.torque_to_inertia.mean()) == pytest.approx(620.0, abs=10.0)


def test_arms_grow_with_the_cube_root_of_the_mass(drones: Drones) -> None:
    assert float(drones.arm.quantile(0.001)) > 0.026
    assert float(drones.arm.quantile(0.999)) < 0.25
    # A Crazyflie's size at a Crazyflie's mass, 10% smaller on average, within a factor of 1.5.
    factor = drones.rotor[0] / (0.028 * (drones.mass / 0.0306) ** (1 / 3))
    assert float(factor.median()) == pytest.approx(1 / 1.1, abs=0.01)
    assert float(factor.min()) > 0.6 and float(factor.max()) < 1.5


def test_thrust_curves_are_the_crazyflies_scaled_to_their_thrust(drones: Drones) -> None:
    greatest = drones.curve.sum(dim=0)
    assert torch.allclose(4 * greatest / (9.81 * drones.mass), drones.thrust_to_weight, rtol=1e-5)
    shape = (drones.curve / drones.curve[2]).t()
    assert torch.allclose(shape, torch.tensor([0.003525, 0.014373, 0.09223]) / 0.09223, rtol=1e-5)


def test_inertia_follows_from_torque_to_inertia(drones: Drones) -> None:
    greatest = drones.curve.sum(dim=0)
    roll = math.sqrt(2) * drones.rotor[0] * greatest / drones.inertia[0]
    assert torch.allclose(roll, drones.torque_to_inertia, rtol=1e-5)
    ratio = (drones.inertia / drones.inertia[0]).t()
    assert torch.allclose(ratio, torch.tensor([1.0, 1.02416, 1.85417]), rtol=1e-4)


def test_disturbances_grow_with_the_spare_thrust_and_have_no_direction(drones: Drones) -> None:
    t2w = drones.thrust_to_weight
    unit = drones.force / (0.3 * (t2w - 1) * t2w * drones.mass / 3)
    # N(0, s^2) with s ~ U(0, 1): variance 1/3 whatever the drone.
    assert float(unit.square().mean()) == pytest.approx(1 / 3, abs=0.02)
    assert float(unit.mean(dim=1).abs().max()) < 0.02
    strong, weak = unit[:, t2w > 4], unit[:, t2w < 2]
    assert float(strong.std() / weak.std()) == pytest.approx(1.0, abs=0.05)
    assert not drones.torque.any()


def test_no_disturbance_when_it_is_switched_off() -> None:
    still = sample_drones(DroneRanges(disturbance=0.0), 10, torch.Generator().manual_seed(0))
    assert not still.force.any()


def test_more_weak_drones_can_be_asked_for() -> None:
    ranges = DroneRanges(weak_share=0.5)
    t2i = sample_drones(ranges, NUM, torch.Generator().manual_seed(0)).torque_to_inertia
    # Half uniform over 40 to 1200, half log-uniform over 40 to 400.
    share = 0.5 * 40 / 1160 + 0.5 * math.log(2) / math.log(10)
    assert float((t2i < 80).float().mean()) == pytest.approx(share, abs=0.01)


def test_a_crazyflie_comes_out_of_the_crazyflies_numbers() -> None:
    ranges = DroneRanges(
        thrust_to_weight=Range(1.4683, 1.4683),
        mass_root=Range(0.0306 ** (1 / 3), 0.0306 ** (1 / 3)),
        size_deviation=Range(0.0, 0.0),
        torque_to_inertia=Range(463.2, 463.2),
    )
    one = sample_drones(ranges, 1, torch.Generator().manual_seed(0))
    assert one.arm[0] == pytest.approx(0.0396, abs=1e-4)
    assert one.curve[:, 0].numpy() == pytest.approx([0.003525, 0.014373, 0.09223], rel=2e-3)
    assert one.inertia[:, 0].numpy() == pytest.approx([9.4166e-6, 9.6441e-6, 1.7460e-5], rel=5e-3)


def test_the_hover_action_carries_the_weight(drones: Drones) -> None:
    hover = drones.hover_action
    assert (hover > -1).all() and (hover < 1).all()
    speed = 0.5 * (hover + 1)
    c0, c1, c2 = drones.curve
    lift = 4 * (c0 + c1 * speed + c2 * speed**2)
    assert torch.allclose(lift, 9.81 * drones.mass, rtol=1e-5)


@pytest.mark.parametrize(
    ("linear", "idle"), [(0.0, 0.03), (0.968, 0.03), (1.5, 0.03), (0.5, -0.15)]
)
def test_hover_is_found_on_straight_and_concave_curves_too(linear: float, idle: float) -> None:
    ranges = DroneRanges(linear_thrust=Range(linear, linear), idle_thrust=Range(idle, idle))
    drones = sample_drones(ranges, 100, torch.Generator().manual_seed(0))
    speed = 0.5 * (hover_action(drones.curve, drones.mass) + 1)
    c0, c1, c2 = drones.curve
    assert ((speed > 0) & (speed < 1)).all()
    lift = 4 * (c0 + c1 * speed + c2 * speed**2)
    assert torch.allclose(lift, 9.81 * drones.mass, rtol=1e-4)
    greatest = 4 * drones.curve.sum(dim=0) / (9.81 * drones.mass)
    assert torch.allclose(greatest, drones.thrust_to_weight, rtol=1e-5)


def test_idle_thrust_is_drawn_within_its_range_and_changes_nothing_else() -> None:
    plain, drawn = (
        sample_drones(ranges, 500, torch.Generator().manual_seed(3))
        for ranges in (DroneRanges(), DroneRanges(idle_thrust=Range(-0.16, 0.04)))
    )
    share = drawn.curve[0] / drawn.curve.sum(dim=0)
    assert -0.16 <= float(share.min()) < -0.15 and 0.03 < float(share.max()) <= 0.04
    for name in ("mass", "inertia", "rotor", "rise_time", "thrust_to_weight", "force", "torque"):
        assert torch.equal(getattr(plain, name), getattr(drawn, name)), name
    assert torch.allclose(plain.curve.sum(dim=0), drawn.curve.sum(dim=0))


def test_tilts_are_uniform_angles_up_to_the_greatest() -> None:
    quaternion = random_tilt(NUM, 1.0, torch.Generator().manual_seed(0))
    assert torch.allclose(quaternion.norm(dim=0), torch.ones(NUM), atol=1e-6)
    angle = 2 * torch.acos(quaternion[0].double().clamp(-1, 1))
    assert float(angle.max()) < 1.001
    assert float(angle.mean()) == pytest.approx(0.5, abs=0.01)


def test_rotation_matrices_are_rotations_by_their_quaternion() -> None:
    quaternion = random_tilt(100, 3.0, torch.Generator().manual_seed(0))
    matrix = torch.stack(rotation(quaternion)).t().reshape(-1, 3, 3)
    assert torch.allclose(matrix @ matrix.mT, torch.eye(3).expand(100, 3, 3), atol=1e-6)
    half = math.sqrt(0.5)
    quarter = torch.stack(rotation(torch.tensor([half, 0.0, 0.0, half]))).reshape(3, 3)
    assert torch.allclose(quarter @ torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0]), atol=1e-6)
