"""A world that becomes non-finite stops the run, and leaves a dump of the last good state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from robo_ts.errors import RoboTSError, SimulationDiverged
from robo_ts.sim import BatchSim, EngineConfig, NanGuardConfig, load_dump, make_sim

MODEL = (
    "<mujoco><worldbody><body><freejoint/><geom size='.1' mass='1'/></body></worldbody></mujoco>"
)
N = 6
MakeSim = Callable[..., BatchSim]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSim:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its own log where it stands

    def make(**guard: object) -> BatchSim:
        settings = {"dump_dir": str(tmp_path / "dumps")} | guard
        engine = EngineConfig(threads=1, nan_guard=NanGuardConfig(**settings))  # type: ignore[arg-type]
        return make_sim(mujoco.MjModel.from_xml_string(MODEL), N, engine)

    return make


def blow_up(sim: BatchSim, *worlds: int) -> None:
    """A finite force whose acceleration is not."""
    force = torch.zeros(len(worlds), 2, 6, dtype=torch.float64)
    force[:, 1, 0] = 1e300
    sim.write("xfrc_applied", force, torch.tensor(worlds))


def test_a_diverged_world_stops_the_run_and_is_named(make: MakeSim) -> None:
    sim = make()
    sim.step(5)
    blow_up(sim, 2, 4)
    with pytest.raises(SimulationDiverged, match=r"2 worlds \(first: 2, 4\)"):
        sim.step(3)


def test_the_dump_opens_and_holds_the_last_finite_state(make: MakeSim) -> None:
    sim = make()
    sim.write("qvel", torch.randn(N, 6))
    sim.step(5)
    last = {name: sim.read(name).numpy() for name in ("qpos", "qvel")}
    blow_up(sim, 4)
    with pytest.raises(SimulationDiverged) as failure:
        sim.step(3)
    assert failure.value.dump in str(failure.value)
    model, arrays = load_dump(failure.value.dump)
    assert (model.nq, model.nv) == (7, 6)
    assert arrays["env_ids"].tolist() == [4]
    for name, state in last.items():
        assert np.isfinite(arrays[f"before_{name}"]).all()
        assert np.array_equal(arrays[f"before_{name}"].astype(np.float32), state[[4]])
    assert not (np.abs(arrays["after_qvel"]) < 1e10).all()
    # The dump is enough to see it happen again.
    data = mujoco.MjData(model)
    for name in ("qpos", "qvel", "ctrl", "xfrc_applied"):
        getattr(data, name)[:] = arrays[f"before_{name}"][0]
    mujoco.mj_step(model, data)
    assert data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number == 1


@pytest.mark.parametrize("field", ["qpos", "qvel"])
def test_a_nan_that_was_written_is_seen_in_the_next_step(make: MakeSim, field: str) -> None:
    sim = make()
    sim.step(1)
    value = sim.read(field)[[1]]
    value[0, 0] = float("nan")
    sim.write(field, value, torch.tensor([1]))
    with pytest.raises(SimulationDiverged, match="first: 1"):
        sim.step(1)


def test_a_run_that_goes_on_after_a_reset_is_told_of_the_next_divergence(make: MakeSim) -> None:
    sim = make()
    blow_up(sim, 0)
    with pytest.raises(SimulationDiverged):
        sim.step(5)
    sim.reset(torch.tensor([0]))
    sim.step(5)
    blow_up(sim, 3)
    with pytest.raises(SimulationDiverged, match=r"1 worlds \(first: 3\)"):
        sim.step(1)


def test_a_world_mended_by_hand_is_not_reported_again(make: MakeSim) -> None:
    sim = make()
    good = {name: sim.read(name)[[2]] for name in ("qpos", "qvel", "xfrc_applied")}
    blow_up(sim, 2)
    with pytest.raises(SimulationDiverged):
        sim.step(5)
    for name, value in (good | {"qacc_warmstart": torch.zeros(1, 6)}).items():
        sim.write(name, value, torch.tensor([2]))
    sim.step(5)
    assert torch.isfinite(sim.read("qpos")).all()


def test_a_state_from_before_the_divergence_can_be_loaded_and_run(make: MakeSim) -> None:
    sim = make()
    saved = sim.state_dict()
    blow_up(sim, 0)
    with pytest.raises(SimulationDiverged):
        sim.step(1)
    sim.load_state_dict(saved)
    sim.step(1)
    assert torch.isfinite(sim.read("qpos")).all()


def test_a_dump_keeps_at_most_the_asked_number_of_worlds(make: MakeSim) -> None:
    sim = make(max_worlds=2)
    blow_up(sim, 1, 2, 3, 5)
    with pytest.raises(SimulationDiverged, match="4 worlds") as failure:
        sim.step(1)
    assert load_dump(failure.value.dump)[1]["env_ids"].tolist() == [1, 2]


def test_a_guard_that_is_off_says_nothing(make: MakeSim, tmp_path: Path) -> None:
    sim = make(enabled=False)
    blow_up(sim, 1)
    sim.step(2)
    assert not (tmp_path / "dumps").exists()


def test_a_dump_that_cannot_be_written_does_not_hide_the_divergence(
    make: MakeSim, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    sim = make(dump_dir=str(tmp_path / "file"))
    blow_up(sim, 1)
    with pytest.raises(SimulationDiverged, match="could not be written"):
        sim.step(1)


def test_a_folder_that_is_no_dump_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RoboTSError, match=r"states\.npz"):
        load_dump(tmp_path)
    (tmp_path / "states.npz").write_bytes(b"not a zip file")
    with pytest.raises(RoboTSError, match="dump"):
        load_dump(tmp_path)
