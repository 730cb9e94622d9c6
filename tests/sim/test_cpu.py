"""The CPU engine: reading, writing, stepping, resetting, and going on from a saved state."""

from __future__ import annotations

import io
from collections.abc import Iterator

import mujoco
import pytest
import torch

from robo_ts.errors import RoboTSError
from robo_ts.sim import BatchSim, EngineConfig, make_sim

# A cart on a rail and a pendulum on it: two joints, one motor, one site that moves.
MODEL = """
<mujoco>
  <option timestep="0.01"><flag contact="disable"/></option>
  <worldbody>
    <body name="cart">
      <joint name="rail" type="slide" axis="1 0 0"/>
      <geom size=".1" mass="2"/>
      <body name="pole">
        <joint name="hinge" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 0 0 .5" size=".02" mass=".5"/>
        <site name="tip" pos="0 0 .5"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="rail"/></actuator>
</mujoco>
"""
N = 5


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(MODEL)


@pytest.fixture
def sim(model: mujoco.MjModel, engine: EngineConfig) -> Iterator[BatchSim]:
    sim = make_sim(model, N, engine, fields=["site_xpos"], expand=["body_mass"])
    yield sim
    sim.close()


def push(sim: BatchSim, steps: int, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        sim.write("ctrl", torch.randn(sim.num_envs, 1, generator=generator))
        sim.step(2)


def test_it_fulfils_the_protocol_and_counts_its_worlds(sim: BatchSim) -> None:
    assert isinstance(sim, BatchSim)
    assert (sim.num_envs, sim.dt, sim.device.type) == (N, 0.01, "cpu")


def test_what_is_written_is_read_back_as_float32(sim: BatchSim) -> None:
    wanted = torch.randn(N, 2)
    sim.write("qpos", wanted)
    found = sim.read("qpos")
    assert found.dtype == torch.float32
    assert torch.equal(found, wanted)


def test_writing_some_worlds_leaves_the_others_untouched(sim: BatchSim) -> None:
    sim.write("qpos", torch.ones(N, 2))
    sim.write("qpos", torch.tensor([[4.0, 5.0], [2.0, 3.0]]), torch.tensor([4, 2]))
    wanted = torch.ones(N, 2)
    wanted[4], wanted[2] = torch.tensor([4.0, 5.0]), torch.tensor([2.0, 3.0])
    assert torch.equal(sim.read("qpos"), wanted)


def test_reading_gives_the_state_of_now_and_never_changes_afterwards(sim: BatchSim) -> None:
    before = sim.read("qpos")
    sim.write("ctrl", torch.ones(N, 1))
    sim.step(3)
    assert torch.equal(before, torch.zeros(N, 2))
    assert (sim.read("qpos")[:, 0] > 0).all()
    assert torch.allclose(sim.read("time"), torch.full((N,), 0.03))


def test_stepping_equals_plain_mujoco(sim: BatchSim, model: mujoco.MjModel) -> None:
    push(sim, 20)
    data = mujoco.MjData(model)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        data.ctrl[:] = torch.randn(N, 1, generator=generator)[3].numpy()
        mujoco.mj_step(model, data, 2)
    assert torch.equal(sim.read("qpos")[3], torch.tensor(data.qpos, dtype=torch.float32))
    assert torch.equal(sim.read("qvel")[3], torch.tensor(data.qvel, dtype=torch.float32))


def test_derived_fields_are_current_after_forward(sim: BatchSim) -> None:
    sim.write("qpos", torch.tensor([[1.0, 0.0]]).expand(N, 2))
    sim.forward()
    assert torch.allclose(sim.read("site_xpos")[:, 0], torch.tensor([1.0, 0.0, 0.5]))
    sim.write("qpos", torch.tensor([[2.0, 0.0]]), torch.tensor([1]))
    sim.forward(torch.tensor([1]))
    assert torch.allclose(sim.read("site_xpos")[:, 0, 0], torch.tensor([1.0, 2.0, 1.0, 1.0, 1.0]))


def test_a_partial_reset_takes_unsorted_ids_and_leaves_the_others_untouched(sim: BatchSim) -> None:
    push(sim, 10)
    before = {name: sim.read(name) for name in ("qpos", "qvel", "ctrl", "time")}
    sim.reset(torch.tensor([3, 0]))
    for name, old in before.items():
        now = sim.read(name)
        assert torch.equal(now[[1, 2, 4]], old[[1, 2, 4]])
        assert not now[[0, 3]].any()


def test_a_reset_keeps_the_values_of_expanded_model_fields(sim: BatchSim) -> None:
    masses = sim.read("body_mass")
    masses[:, 1] = torch.arange(1.0, N + 1)
    sim.write("body_mass", masses)
    sim.reset()
    assert torch.equal(sim.read("body_mass"), masses)


def test_an_unknown_field_is_named_with_a_near_one(sim: BatchSim) -> None:
    with pytest.raises(RoboTSError, match="qposs") as failure:
        sim.read("qposs")
    assert "qpos" in failure.value.fix


def test_a_model_field_that_was_not_expanded_says_how_to_write_it(sim: BatchSim) -> None:
    for call in (
        lambda: sim.read("geom_size"),
        lambda: sim.write("geom_size", torch.zeros(N, 2, 3)),
    ):
        with pytest.raises(RoboTSError) as failure:
            call()
        assert "expand" in failure.value.fix


def test_expanding_an_unknown_field_is_named_with_a_near_one(sim: BatchSim) -> None:
    with pytest.raises(RoboTSError) as failure:
        sim.expand("body_mas")
    assert "body_mass" in failure.value.fix


def test_a_computed_field_cannot_be_written(sim: BatchSim) -> None:
    with pytest.raises(RoboTSError, match="computes anew"):
        sim.write("site_xpos", torch.zeros(N, 1, 3))


def test_no_worlds_and_unknown_engines_are_refused(model: mujoco.MjModel) -> None:
    with pytest.raises(RoboTSError, match="num_envs >= 1"):
        make_sim(model, 0)
    with pytest.raises(RoboTSError) as failure:
        EngineConfig(name="wrap")
    assert "warp" in failure.value.fix
    with pytest.raises(RoboTSError, match="threads"):
        EngineConfig(threads=-1)


def test_the_given_model_is_left_as_it_was(model: mujoco.MjModel, engine: EngineConfig) -> None:
    flags = int(model.opt.disableflags)
    make_sim(model, 1, engine)
    assert int(model.opt.disableflags) == flags


def test_a_world_comes_out_as_plain_mujoco_with_its_own_parameters(sim: BatchSim) -> None:
    masses = sim.read("body_mass")
    masses[2, 1] = 7.0
    sim.write("body_mass", masses)
    sim.set_const()
    push(sim, 5)
    model, data = sim.world(2)
    assert model.body("cart").mass == 7.0
    assert torch.equal(sim.read("qpos")[2], torch.tensor(data.qpos, dtype=torch.float32))


def test_a_saved_state_goes_on_bit_identically(model: mujoco.MjModel, engine: EngineConfig) -> None:
    one = make_sim(model, N, engine, expand=["body_mass"])
    masses = one.read("body_mass")
    masses[:, 1] += torch.rand(N)
    one.write("body_mass", masses)
    one.set_const()
    push(one, 10)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    push(one, 20, seed=1)

    # Without expanded fields of its own and in another state: everything must come from the file.
    two = make_sim(model, N, engine)
    push(two, 3, seed=2)
    file.seek(0)
    two.load_state_dict(torch.load(file, weights_only=True))
    push(two, 20, seed=1)
    assert torch.equal(one.state_dict()["state"], two.state_dict()["state"])
    assert torch.equal(one.read("body_mass"), two.read("body_mass"))


def test_a_saved_state_is_a_copy(sim: BatchSim) -> None:
    saved = sim.state_dict()
    kept = saved["state"].clone()
    push(sim, 2)
    assert torch.equal(saved["state"], kept)


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
