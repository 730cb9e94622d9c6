"""The warp engine, on Warp's CPU device: what the CPU engine's tests show, and its own buffers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from robo_ts.envs.quadrotor.model import EXPANDED_FIELDS, build_model
from robo_ts.errors import RoboTSError, SimulationDiverged
from robo_ts.sim import BatchSim, EngineConfig, NanGuardConfig, load_dump, make_sim

N = 4
DRONE = 1  # body id


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EngineConfig:
    guard = NanGuardConfig(dump_dir=str(tmp_path_factory.mktemp("dumps")))
    return EngineConfig("warp", device="cpu", nan_guard=guard)


@pytest.fixture(scope="module")
def shared(config: EngineConfig) -> Iterator[BatchSim]:
    # The quadrotor's model, because other tests need its kernels too and each costs compile time.
    sim = make_sim(build_model(), N, config, fields=["site_xpos"], expand=EXPANDED_FIELDS)
    yield sim
    sim.close()


@pytest.fixture
def sim(shared: BatchSim) -> BatchSim:
    mass = torch.zeros(N, 2)
    mass[:, DRONE] = 0.0306
    shared.write("body_mass", mass)
    shared.set_const()
    shared.reset()
    return shared


def fly(sim: BatchSim, steps: int, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        sim.write("ctrl", 0.075 + 0.01 * torch.randn(N, 4, generator=generator))
        sim.step(2)


def test_it_fulfils_the_protocol_and_counts_its_worlds(sim: BatchSim) -> None:
    assert isinstance(sim, BatchSim)
    assert (sim.num_envs, sim.dt, sim.device.type) == (N, sim.model.opt.timestep, "cpu")


def test_what_is_written_is_read_back_and_other_worlds_are_untouched(sim: BatchSim) -> None:
    wanted = torch.randn(N, 6)
    sim.write("qvel", wanted)
    assert torch.equal(sim.read("qvel"), wanted)
    sim.write("qvel", torch.ones(2, 6), torch.tensor([3, 1]))
    wanted[[3, 1]] = 1.0
    assert torch.equal(sim.read("qvel"), wanted)


def test_reading_gives_the_state_of_now(sim: BatchSim) -> None:
    sim.step(4)
    assert (sim.read("qvel")[:, 2] < -0.1).all()
    assert torch.allclose(sim.read("time"), torch.full((N,), 4 * sim.dt))
    sim.step(4)
    assert (sim.read("qvel")[:, 2] < -0.3).all()


def test_derived_fields_are_current_after_forward(sim: BatchSim) -> None:
    qpos = sim.read("qpos").clone()
    qpos[:, 2] = torch.arange(N).float()
    sim.write("qpos", qpos)
    sim.forward()
    assert torch.allclose(sim.read("site_xpos")[:, 0, 2], torch.arange(N).float())


def test_a_partial_reset_leaves_the_others_untouched(sim: BatchSim) -> None:
    fly(sim, 5)
    before = {name: sim.read(name).clone() for name in ("qpos", "qvel", "ctrl", "time")}
    sim.reset(torch.tensor([2, 0]))
    for name, old in before.items():
        assert torch.equal(sim.read(name)[[1, 3]], old[[1, 3]])
    assert not sim.read("qvel")[[0, 2]].any() and not sim.read("time")[[0, 2]].any()
    assert torch.equal(sim.read("qpos")[[0, 2], :4], torch.tensor([[0.0, 0.0, 0.0, 1.0]] * 2))


def test_per_world_mass_changes_the_acceleration_as_force_over_mass(sim: BatchSim) -> None:
    mass = torch.zeros(N, 2)
    mass[:, DRONE] = torch.tensor([0.02, 0.05, 0.5, 2.0])
    sim.write("body_mass", mass)
    sim.set_const()
    sim.write("ctrl", torch.full((N, 4), 0.25))
    sim.step(1)
    acceleration = sim.read("qvel")[:, 2] / sim.dt
    assert torch.allclose(acceleration, 1.0 / mass[:, DRONE] - 9.81, rtol=1e-4)


def test_an_unknown_field_is_named_with_a_near_one(sim: BatchSim) -> None:
    with pytest.raises(RoboTSError, match="qposs") as failure:
        sim.read("qposs")
    assert "qpos" in failure.value.fix


def test_a_model_field_that_was_not_expanded_says_how_to_write_it(sim: BatchSim) -> None:
    with pytest.raises(RoboTSError, match="expand"):
        sim.write("geom_size", torch.zeros(N, 1, 3))


def test_a_field_that_worlds_must_share_cannot_be_expanded(sim: BatchSim) -> None:
    for field in ("body_mas", "geom_type"):
        with pytest.raises(RoboTSError, match=field):
            sim.expand(field)


def test_a_world_comes_out_as_plain_mujoco_with_its_own_parameters(sim: BatchSim) -> None:
    mass = sim.read("body_mass").clone()
    mass[2, DRONE] = 0.5
    sim.write("body_mass", mass)
    sim.set_const()
    fly(sim, 3)
    model, data = sim.world(2)
    assert model.body("drone").mass == 0.5
    assert np.allclose(data.qpos, sim.read("qpos")[2].numpy())


def test_a_saved_state_goes_on_bit_identically(sim: BatchSim, config: EngineConfig) -> None:
    mass = torch.zeros(N, 2)
    mass[:, DRONE] = torch.tensor([0.02, 0.03, 0.04, 0.05])
    sim.write("body_mass", mass)
    sim.set_const()
    fly(sim, 10)
    file = io.BytesIO()
    torch.save(sim.state_dict(), file)
    fly(sim, 20, seed=1)

    # Without expanded fields of its own and in another state: everything must come from the file.
    other = make_sim(build_model(), N, config)
    fly(other, 3, seed=2)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    fly(other, 20, seed=1)
    one, two = sim.state_dict(), other.state_dict()
    for part in ("state", "expanded"):
        assert one[part].keys() == two[part].keys()
        for name in one[part]:
            assert torch.equal(one[part][name], two[part][name]), name


def test_a_diverged_world_stops_the_run_and_leaves_the_last_finite_state(sim: BatchSim) -> None:
    fly(sim, 5)
    last = {name: sim.read(name).clone().numpy() for name in ("qpos", "qvel")}
    force = torch.zeros(1, 2, 6)
    force[0, DRONE, 0] = 3e38
    sim.write("xfrc_applied", force, torch.tensor([2]))
    with pytest.raises(SimulationDiverged, match=r"1 worlds \(first: 2\)") as failure:
        sim.step(2)
    _, arrays = load_dump(failure.value.dump)
    assert arrays["env_ids"].tolist() == [2]
    for name, state in last.items():
        assert np.array_equal(arrays[f"before_{name}"], state[[2]])
    assert not np.isfinite(arrays["after_qvel"]).all()


def test_a_guard_that_looks_rarely_still_keeps_the_last_finite_state(sim: BatchSim) -> None:
    # As on a GPU, where a look waits for the device: the world is bad for two steps unseen.
    sim._every, sim._calls = 3, 0  # type: ignore[attr-defined]
    try:
        last = sim.read("qvel").clone().numpy()
        force = torch.zeros(N, 2, 6)
        force[1, DRONE, 0] = 3e38
        sim.write("xfrc_applied", force)
        sim.step(1)
        sim.step(1)
        with pytest.raises(SimulationDiverged) as failure:
            sim.step(1)
    finally:
        sim._every = 1  # type: ignore[attr-defined]
    assert np.array_equal(load_dump(failure.value.dump)[1]["before_qvel"], last[[1]])


def test_contacts_that_do_not_fit_stop_the_run_and_name_the_setting(tmp_path: Path) -> None:
    model = mujoco.MjModel.from_xml_string(
        """
        <mujoco>
          <worldbody>
            <geom type="plane" size="1 1 .1"/>
            <body pos="0 0 .09"><freejoint/><geom type="box" size=".1 .1 .1"/></body>
          </worldbody>
        </mujoco>
        """
    )
    sim = make_sim(model, 2, EngineConfig("warp", device="cpu", nconmax=1))
    with pytest.raises(RoboTSError, match="overflow") as failure:
        sim.step(1)
    assert "nconmax" in failure.value.fix


def test_a_value_of_another_shape_is_refused_and_nothing_is_written(sim: BatchSim) -> None:
    before = sim.read("qpos").clone()
    width = before.shape[1]
    for value, ids in (
        (torch.ones(N, width + 1), None),
        (torch.ones(width), None),
        (torch.ones(N, width), torch.tensor([1, 2])),
    ):
        with pytest.raises(RoboTSError, match="a value of shape"):
            sim.write("qpos", value, ids)
    assert torch.equal(sim.read("qpos"), before)
