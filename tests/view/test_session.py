"""Rollouts people can steer, without any page."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robo_ts.env import get_task
from robo_ts.env.viewing import Choice
from robo_ts.errors import RoboTSError, SimulationDiverged
from robo_ts.evaluate.trials import with_changes
from robo_ts.view.players import Offer
from robo_ts.view.session import Session
from robo_ts.view.snapshot import FAILED, RUNNING, SUCCEEDED
from robo_ts.view.sources import open_sources
from tests.view.parts import always, brake, cart_offer, player, poses

pytestmark = pytest.mark.usefixtures("cart")


@pytest.fixture(scope="module")
def quadrotor() -> Offer:
    """The committed policies."""
    return open_sources(["quadrotor"])


def test_a_step_moves_the_worlds():
    session = Session(cart_offer(), 3)
    before = poses(session)
    session.step()
    assert (poses(session)[:, 1] != before[:, 1]).any()
    assert session.step_count == 1


def test_looking_changes_nothing():
    looked, alone = Session(cart_offer(), 3), Session(cart_offer(), 3)
    for _ in range(10):
        looked.snapshot()
        looked.step()
        alone.step()
    assert torch.equal(looked.lanes[0].env.sim.read("qvel"), alone.lanes[0].env.sim.read("qvel"))


def test_two_policies_begin_in_the_same_worlds_in_every_round():
    session = Session(cart_offer(), 4, player="student", beside="teacher")
    for _ in range(2):
        lanes = session.snapshot().lanes
        np.testing.assert_array_equal(lanes[0].positions, lanes[1].positions)
        while not session.over:
            session.step()
        session.step()
    assert session.seed == 2


def test_a_world_that_ended_stays_as_it_ended():
    session = Session(cart_offer(), 2)
    while not session.lanes[0].ended.any():
        session.step()
    world = int(np.flatnonzero(session.lanes[0].ended)[0])
    ended = poses(session)[world].copy()
    assert abs(ended[1, 0]) > 0.4
    session.select(world)
    shown = session.snapshot().chosen[0]
    session.step()
    np.testing.assert_array_equal(poses(session)[world], ended)
    again = session.snapshot().chosen[0]
    assert [t.values.tolist() for t in again.terms] == [t.values.tolist() for t in shown.terms]
    place = next(t for t in again.terms if t.name == "place")
    assert abs(float(place.values[0])) > 0.5


def test_successes_and_failures_are_counted_and_marked():
    session = Session(cart_offer(), 3, player="student", beside="teacher")
    while not session.over:
        session.step()
    student, teacher = session.snapshot().lanes
    assert (student.ended == FAILED).all()
    assert (teacher.ended == SUCCEEDED).all()
    assert (student.successes, student.episodes) == (0, 3)
    assert (teacher.successes, teacher.episodes) == (3, 3)
    assert session.snapshot().chosen[0].outcome == "failed: off the rail"


def test_swapping_changes_who_acts_without_a_jump():
    session = Session(cart_offer(), 2, player="teacher")
    for _ in range(5):
        session.step()
    before = poses(session)
    session.swap(0, "student")
    np.testing.assert_array_equal(poses(session), before)
    session.step()
    assert session.players == ["student"]
    assert session.snapshot().chosen[0].action == pytest.approx([1.0])


def test_swapping_to_a_stranger_names_those_that_are_there():
    with pytest.raises(RoboTSError, match="teacher"):
        Session(cart_offer(), 1).swap(0, "techer")


def test_the_teachers_action_is_shown_beside_the_students():
    session = Session(cart_offer(), 1)
    session.step()
    seen = session.lanes[0].env.observe()
    session.step()
    shown = session.snapshot().chosen[0]
    assert shown.action == pytest.approx([1.0])
    expected = brake(session.lanes[0].env, seen).clamp(-1.0, 1.0)
    assert shown.reference == pytest.approx(expected[0].numpy())


def test_a_push_gives_what_moves_freely_just_that_speed():
    session = Session(cart_offer(), 3)
    session.select(1)
    session.push([0.7, 0.3, 0.0])  # the rail holds the second component back
    speed = session.lanes[0].env.sim.read("qvel")[:, 0]
    assert speed.tolist() == pytest.approx([0.0, 0.7, 0.0], abs=1e-6)


def test_a_push_is_seen_in_the_state(quadrotor: Offer):
    session = Session(quadrotor, 2)
    session.step()

    def climbing() -> float:
        terms = session.snapshot().chosen[0].terms
        return float(next(t for t in terms if t.name == "velocity_error").values[2])

    before = climbing()
    session.push([0.0, 0.0, 0.8], worlds=[0])
    session.step()
    assert climbing() - before == pytest.approx(0.8, abs=0.3)


def test_a_push_reaches_every_lane():
    session = Session(cart_offer(), 2, player="student", beside="teacher")
    session.push([1.0, 0.0, 0.0], worlds=[0, 1])
    for lane in session.lanes:
        assert lane.env.sim.read("qvel")[:, 0].tolist() == pytest.approx([1.0, 1.0])


def test_pushing_what_is_not_there_is_refused():
    with pytest.raises(RoboTSError, match="cart"):
        Session(cart_offer(), 1).push([1.0, 0.0, 0.0], body="carrt")


def test_ranges_of_the_settings_are_sliders_where_a_task_declares_none():
    sliders = Session(cart_offer(), 1).sliders()
    assert [(s.path, s.low, s.high) for s in sliders] == [("bias", -0.2, 0.2)]


def test_a_parameter_set_by_hand_holds_in_every_world_and_keeps_the_starts():
    session = Session(cart_offer(), 4, player="student", beside="teacher")
    before = poses(session)
    session.set_parameter("bias", 0.15)
    np.testing.assert_array_equal(poses(session), before)
    for lane in session.lanes:
        assert lane.env.bias.tolist() == pytest.approx([0.15] * 4)  # type: ignore[attr-defined]
    session.set_parameter("bias", None)
    assert len(set(session.lanes[0].env.bias.tolist())) == 4  # type: ignore[attr-defined]


def test_a_slider_may_show_another_number_than_the_setting(quadrotor: Offer):
    session = Session(quadrotor, 2)
    session.set_parameter("drones.mass_root", 0.5)
    assert session.lanes[0].env.mass.tolist() == pytest.approx([0.5, 0.5])  # type: ignore[attr-defined]


def test_wind_can_be_switched_on_where_there_was_none(quadrotor: Offer):
    session = Session(quadrotor, 2)
    session.set_parameter("air.gust_speed", 3.0)
    session.step()
    assert session.lanes[0].env.flight.features.wind  # type: ignore[attr-defined]


def test_an_unknown_parameter_is_refused():
    with pytest.raises(RoboTSError, match="bias"):
        Session(cart_offer(), 1).set_parameter("bais", 1.0)


def _with_choice(session: Session) -> Session:
    sides = {
        name: {"bias": {"low": low, "high": high}}
        for name, low, high in (("left", -0.1, -0.1), ("right", 0.1, 0.1), ("upside down", 1, 0))
    }
    session.view = replace(session.view, choices=(Choice("side", sides),))
    return session


def test_a_setting_chosen_by_name_holds_in_every_world_and_keeps_the_starts():
    session = _with_choice(Session(cart_offer(), 3, player="student", beside="teacher"))
    before = poses(session)
    session.choose("side", "right")
    np.testing.assert_array_equal(poses(session), before)
    for lane in session.lanes:
        assert lane.env.bias.tolist() == pytest.approx([0.1] * 3)  # type: ignore[attr-defined]
    session.choose("side", "")
    assert len(set(session.lanes[0].env.bias.tolist())) == 3  # type: ignore[attr-defined]


def test_a_choice_that_does_not_fit_leaves_all_as_it_was():
    session = _with_choice(Session(cart_offer(), 2))
    session.choose("side", "left")
    for label, name in (("sdie", "left"), ("side", "rihgt")):
        with pytest.raises(RoboTSError, match="did you mean"):
            session.choose(label, name)
    with pytest.raises(RoboTSError):
        session.choose("side", "upside down")
    assert session.chosen == {"side": "left"}
    assert session.lanes[0].env.bias.tolist() == pytest.approx([-0.1] * 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize("task", ["soccer", "grasp"])
def test_every_choice_of_a_task_is_one_of_its_settings(task: str):
    spec = get_task(task)
    assert spec.view is not None
    (choice,) = spec.view().choices
    assert len(choice.options) > 3
    for changes in choice.options.values():
        assert with_changes(spec.config(), changes) != spec.config() or changes == {
            "opponents": ["chaser"]
        }


def test_a_policy_that_does_not_fit_takes_nobodys_place(quadrotor: Offer):
    session = Session(cart_offer(), 1)
    session.offer.players["stranger"] = quadrotor.players["student"]
    with pytest.raises(RoboTSError):
        session.swap(0, "stranger")
    assert session.players == ["student"]


def test_a_condition_is_one_of_the_tasks_trials(quadrotor: Offer):
    session = Session(quadrotor, 2)
    session.set_condition("eight_5.5s")
    assert session.lanes[0].env.config.references.eight == 1.0  # type: ignore[attr-defined]
    session.set_condition("usual")
    assert session.lanes[0].env.config.references.eight == 0.0  # type: ignore[attr-defined]
    with pytest.raises(RoboTSError, match=r"eight_5\.5s"):
        session.set_condition("eight_5.5")


def test_reset_brings_back_the_same_starts():
    session = Session(cart_offer(), 3, seed=5)
    before = poses(session)
    for _ in range(7):
        session.step()
    session.reset()
    np.testing.assert_array_equal(poses(session), before)
    session.reset(6)
    assert session.seed == 6
    assert (poses(session)[:, 1] != before[:, 1]).any()
    assert (session.lanes[0].ended == RUNNING).all()


def test_what_the_student_sees_has_names_units_and_pictures():
    session = Session(cart_offer(), 1)
    session.step()
    shown = session.snapshot().chosen[0]
    terms = {t.name: t for t in shown.terms}
    assert (terms["speed"].unit, terms["speed"].frame, terms["speed"].deployable) == (
        "m/s",
        "world",
        True,
    )
    assert not terms["place"].deployable
    assert "pixels" not in terms
    assert shown.images["eye"].shape == (6, 8, 3)
    assert shown.images["eye"].max() > 0


def test_plots_keep_reward_terms_that_sum_to_the_reward(quadrotor: Offer):
    session = Session(quadrotor, 2)
    for _ in range(9):
        session.step()
    history = session.histories()[0]
    parts = [history.of(name, 1) for name in session.reward_names()]
    np.testing.assert_allclose(np.sum(parts, axis=0), history.of("reward", 1), atol=1e-4)
    assert len(history.times()) == 2  # every fourth of a hundred steps per second
    assert {"action error", "memory", "success"} <= set(history.names())


def test_the_memory_of_a_student_is_measured_and_a_plain_teacher_has_none(quadrotor: Offer):
    session = Session(quadrotor, 2, beside="teacher")
    session.step()
    student, teacher = session.snapshot().chosen
    assert student.memory is not None
    assert student.memory > 0.0
    assert teacher.memory is None


def test_the_onnx_file_acts_as_the_student_does(quadrotor: Offer):
    session = Session(quadrotor, 3, player="student", beside="onnx")
    for _ in range(20):
        session.step()
    student, onnx = session.snapshot().chosen
    assert onnx.action == pytest.approx(student.action, abs=1e-4)
    assert onnx.memory == pytest.approx(student.memory, abs=1e-3)


def test_a_newer_policy_takes_over_in_flight():
    offer = cart_offer()

    def newest() -> list[str]:
        offer.players["student"] = player("student", always(-1.0), "newer")
        return ["student"]

    offer.newest = newest
    session = Session(offer, 1)
    session.step()
    before = session.step_count
    assert session.refresh() == ["student"]
    session.step()
    assert session.snapshot().chosen[0].action == pytest.approx([-1.0])
    assert session.step_count == before + 1


def test_a_world_that_diverges_stops_the_session_with_its_dump(tmp_path, monkeypatch):
    from robo_ts.sim import EngineConfig, NanGuardConfig

    engine = EngineConfig(threads=1, nan_guard=NanGuardConfig(dump_dir=str(tmp_path)))
    session = Session(cart_offer(), 2, engine=engine)
    session.push([1e15, 0.0, 0.0])
    with pytest.raises(SimulationDiverged) as failure:
        for _ in range(3):
            session.step()
    assert failure.value.dump.startswith(str(tmp_path))
    session.step()  # the round has begun anew


@pytest.mark.parametrize("task", ["reacher", "ray_navigation", "hidden_cue"])
def test_benchmarks_are_shown_with_their_scripted_teacher(task: str):
    session = Session(open_sources([task]), 2)
    for _ in range(3):
        session.step()
    assert session.players == ["scripted teacher"]
    assert session.snapshot().chosen[0].action is not None
    assert session.bodies()


def test_impossible_numbers_are_refused():
    with pytest.raises(RoboTSError, match="num_envs"):
        Session(cart_offer(), 0)
    with pytest.raises(RoboTSError, match="world"):
        Session(cart_offer(), 2).select(2)
