"""A NaN dump can be opened, stepped and understood."""

from pathlib import Path

import numpy as np
import pytest

from robo_ts.errors import RoboTSError, SimulationDiverged
from robo_ts.sim import EngineConfig, NanGuardConfig
from robo_ts.view.app import VideoOptions, ViewOptions, open_session, run_video
from robo_ts.view.replay import Replay
from robo_ts.view.session import Session
from robo_ts.view.snapshot import FAILED, RUNNING
from tests.view.parts import cart_offer


@pytest.fixture
def dump(cart: None, tmp_path: Path) -> Path:
    """What a cart leaves that was pushed beyond all bounds."""
    engine = EngineConfig(threads=1, nan_guard=NanGuardConfig(dump_dir=str(tmp_path)))
    session = Session(cart_offer(), 2, engine=engine)
    session.select(1)
    session.push([1e12, 0.0, 0.0])
    with pytest.raises(SimulationDiverged) as failure:
        session.step()
    return Path(failure.value.dump)


def test_a_dump_begins_with_the_last_finite_state_and_diverges_again(dump: Path):
    replay = open_session([str(dump)], ViewOptions(), None)
    assert isinstance(replay, Replay)
    first = replay.snapshot()
    assert np.isfinite(first.lanes[0].positions).all()
    assert (first.lanes[0].ended == RUNNING).all()
    while not replay.over and replay.step_count < 50:
        replay.step()
    shown = replay.snapshot()
    assert (shown.lanes[0].ended == FAILED).all()
    assert "(rail)" in shown.chosen[0].outcome
    assert shown.seed == 1  # the world's number in the run
    assert np.isfinite(shown.lanes[0].positions).all()


def test_a_divergence_on_the_page_writes_no_warnings(dump: Path, capfd: pytest.CaptureFixture[str]):
    replay = Replay(dump)
    while not replay.over and replay.step_count < 50:
        replay.step()
    assert "WARNING" not in "".join(capfd.readouterr())


def test_a_dump_can_be_played_again(dump: Path):
    replay = Replay(dump)
    before = replay.snapshot().lanes[0].positions
    replay.step()
    replay.reset()
    np.testing.assert_array_equal(replay.snapshot().lanes[0].positions, before)


def test_nothing_can_be_pushed_or_chosen_in_a_replay(dump: Path):
    replay = Replay(dump)
    assert (replay.choices(), replay.bodies(), replay.sliders()) == ([], [], [])
    with pytest.raises(RoboTSError):
        replay.push([1.0, 0.0, 0.0])


def test_a_video_of_a_dump_is_refused_with_what_to_do_instead(dump: Path):
    with pytest.raises(RoboTSError, match="robo-ts view"):
        run_video([str(dump)], VideoOptions())


def test_a_damaged_dump_is_named(dump: Path):
    (dump / "states.npz").write_bytes(b"cut off")
    with pytest.raises(RoboTSError, match="undamaged dump"):
        Replay(dump)
