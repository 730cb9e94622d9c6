"""The small parts: time, history, pictures, panels."""

import numpy as np
import pytest

from robo_ts.view import panels
from robo_ts.view.clock import Clock
from robo_ts.view.history import History
from robo_ts.view.images import as_picture
from robo_ts.view.snapshot import LaneView, TermView, WorldView


def test_steps_are_due_at_the_speed_that_was_chosen():
    clock = Clock(0.01)
    assert [clock.due(0.015) for _ in range(4)] == [1, 2, 1, 2]
    clock.speed = 0.5
    assert sum(clock.due(0.01) for _ in range(10)) == 5


def test_nothing_is_due_while_paused_but_single_steps():
    clock = Clock(0.01)
    clock.step_once()
    assert clock.paused
    assert [clock.due(1.0), clock.due(1.0)] == [1, 0]
    clock.paused = False
    assert clock.due(0.01) == 1  # the pause is not made up for


def test_history_forgets_the_oldest_and_knows_gaps():
    history = History(3, 2)
    history.add(0.0, {"a": np.array([1.0, 2.0])})
    for k in range(1, 4):
        history.add(float(k), {"a": np.full(2, 10.0 * k), "b": np.full(2, k)})
    assert history.times().tolist() == [1.0, 2.0, 3.0]
    assert history.of("a", 1).tolist() == [10.0, 20.0, 30.0]
    history.add(4.0, {"b": np.full(2, 4.0)})
    assert np.isnan(history.of("a", 0)[-1])
    assert history.mean("b").tolist() == [2.0, 3.0, 4.0]


def test_a_number_that_comes_later_has_a_gap_before():
    history = History(4, 1)
    history.add(0.0, {"a": np.zeros(1)})
    history.add(1.0, {"a": np.zeros(1), "b": np.ones(1)})
    assert np.isnan(history.of("b", 0)[0])
    assert history.of("b", 0)[1] == 1.0


def test_colour_images_stay_as_they_are():
    image = np.random.default_rng(0).integers(0, 255, (3, 4, 5), dtype=np.uint8)
    np.testing.assert_array_equal(as_picture(image), image.transpose(1, 2, 0))


@pytest.mark.parametrize("dtype", [np.uint16, np.float16, np.float32])
def test_depth_is_stretched_and_a_miss_is_black(dtype: type):
    depth = np.array([[[0, 1, 3]]], dtype=dtype)
    picture = as_picture(depth)
    assert picture.shape == (1, 3, 3)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert 0 < picture[0, 1, 0] < picture[0, 2, 0] == 255


def test_frames_stacked_as_channels_stand_side_by_side():
    assert as_picture(np.zeros((6, 2, 4), np.uint8)).shape == (2, 8, 3)
    assert as_picture(np.zeros((2, 2, 4), np.uint8)).shape == (2, 8, 3)


def test_terms_are_told_with_unit_and_frame_and_nothing_becomes_markup():
    term = TermView("g", "a<b", "m/s", "world", True, True, np.array([0.5]))
    said = panels.terms([term], deployable=True)
    assert "a&lt;b" in said
    assert "m/s · world" in said
    assert "0.500" in said
    assert "0.500" not in panels.terms([term], deployable=False)


def test_actions_show_how_far_the_teacher_is_off():
    poses, one = (np.zeros((1, 1, 3)), np.zeros((1, 1, 4))), np.zeros(1)
    lane = LaneView("student", "", *poses, scale=one, markers=np.zeros((1, 0, 3)), ended=one)
    world = WorldView(action=np.array([0.5, 0.0]), reference=np.array([0.1, 0.3]))
    said = panels.actions(["left", "right"], [world], [lane])
    assert "by 0.354" in said
    assert "left" in said


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("position_error_m", "position error, m"),
        ("kick_speed_m_s", "kick speed, m/s"),
        ("first_seen_s", "first seen, s"),
        ("own_goal", "own goal"),
        ("m", "m"),
    ],
)
def test_metrics_are_told_with_their_unit(name: str, shown: str):
    nothing = np.zeros(0)
    lane = LaneView("student", "", nothing, nothing, nothing, nothing, nothing)
    assert f"{shown}</td>" in panels.metrics([lane], [WorldView(metrics={name: 1.0})])
