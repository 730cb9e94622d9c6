"""Per-world physical parameters: the declared ranges, and that they reach the physics."""

from __future__ import annotations

import mujoco
import pytest
import torch

from robo_ts.errors import RoboTSError
from robo_ts.sim import EngineConfig, Range, Sampler, make_sim


def draws(range_: Range, num: int = 20000, seed: int = 0) -> torch.Tensor:
    return range_.sample((num,), torch.Generator().manual_seed(seed))


def test_uniform_draws_fill_their_range() -> None:
    x = draws(Range(2.0, 6.0))
    assert x.dtype == torch.float32
    assert 2.0 <= float(x.min()) < 2.01 and 5.99 < float(x.max()) <= 6.0
    assert float(x.mean()) == pytest.approx(4.0, abs=0.03)


def test_log_uniform_draws_have_the_geometric_mean_as_median() -> None:
    x = draws(Range(0.01, 100.0, "log_uniform"))
    assert float(x.min()) >= 0.01 * (1 - 1e-6) and float(x.max()) <= 100.0 * (1 + 1e-6)
    assert float(x.log().median()) == pytest.approx(0.0, abs=0.15)


def test_normal_draws_have_their_mean_and_deviation() -> None:
    x = draws(Range(-1.0, 0.5, "normal"))
    assert float(x.mean()) == pytest.approx(-1.0, abs=0.02)
    assert float(x.std()) == pytest.approx(0.5, abs=0.02)


def test_equal_ends_are_a_constant() -> None:
    assert (draws(Range(3.0, 3.0), 10) == 3.0).all()


@pytest.mark.parametrize(
    ("low", "high", "law", "hint"),
    [
        (0.0, 1.0, "unifrom", "uniform"),
        (2.0, 1.0, "uniform", "swap"),
        (0.0, 1.0, "log_uniform", "uniform"),
        (0.0, -1.0, "normal", "high"),
        (float("nan"), 1.0, "uniform", "mend"),
        (0.0, float("inf"), "uniform", "mend"),
    ],
)
def test_impossible_ranges_are_refused(low: float, high: float, law: str, hint: str) -> None:
    with pytest.raises(RoboTSError) as failure:
        Range(low, high, law)
    assert hint in failure.value.fix


def test_a_draw_depends_on_the_seed_and_the_number_of_worlds_only() -> None:
    sampler = Sampler({"a": Range(0.0, 1.0), "b": Range(0.0, 1.0, "normal")})
    first = sampler.sample(7, torch.Generator().manual_seed(3))
    torch.rand(100)  # the global generator is none of its business
    again = sampler.sample(7, torch.Generator().manual_seed(3))
    other = sampler.sample(7, torch.Generator().manual_seed(4))
    assert list(first) == ["a", "b"]
    for name in first:
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])


def test_per_world_mass_changes_the_acceleration_as_force_over_mass(engine: EngineConfig) -> None:
    model = mujoco.MjModel.from_xml_string(
        """
        <mujoco>
          <option timestep="0.001" gravity="0 0 0"/>
          <worldbody>
            <body name="block"><freejoint/><geom type="box" size=".1 .1 .1" mass="1"/></body>
          </worldbody>
        </mujoco>
        """
    )
    sim = make_sim(model, 4, engine, expand=["body_mass"])
    masses = torch.zeros(4, 2)
    masses[:, 1] = torch.tensor([0.5, 1.0, 2.0, 8.0])
    sim.write("body_mass", masses)
    sim.set_const()
    force = torch.zeros(4, 2, 6)
    force[:, 1, :3] = torch.tensor([3.0, -1.0, 2.0])
    sim.write("xfrc_applied", force)
    sim.step(1)
    acceleration = sim.read("qvel")[:, :3] / 0.001
    assert torch.allclose(acceleration, force[:, 1, :3] / masses[:, 1:], rtol=1e-5)
