"""Observation groups as a contract: sizes, order, JSON, digest."""

from __future__ import annotations

import json

import pytest

from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError

POSITION = Term("position", 3, "m", "world")
RATE = Term("rate", 2, "rad/s", "body")
GYRO = ObservationGroup("gyro", (POSITION, RATE), deployable=True)
SECRET = ObservationGroup("secret", (Term("mass", 1, "kg"),), deployable=False)


def test_a_group_is_as_long_as_its_terms_together() -> None:
    assert GYRO.size == 5
    assert GYRO.slices() == {"position": slice(0, 3), "rate": slice(3, 5)}
    assert ObservationSpec([GYRO, SECRET]).size() == 6


def test_select_keeps_the_order_that_was_asked_for() -> None:
    spec = ObservationSpec([GYRO, SECRET])
    assert list(spec.select(["secret", "gyro"])) == ["secret", "gyro"]
    assert list(spec.select(["gyro"])) == ["gyro"]


def test_only_groups_without_a_sensor_are_privileged() -> None:
    assert ObservationSpec([GYRO, SECRET]).privileged() == ["secret"]


def test_an_unknown_group_suggests_a_close_name() -> None:
    with pytest.raises(RoboTSError) as caught:
        ObservationSpec([GYRO, SECRET]).select(["gyr"])
    assert "'gyr'" in caught.value.got
    assert "did you mean gyro?" in caught.value.fix


def test_a_spec_survives_json() -> None:
    spec = ObservationSpec([GYRO, SECRET])
    again = ObservationSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert list(again.items()) == list(spec.items())
    assert again.digest() == spec.digest()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([SECRET, GYRO], id="order of groups"),
        pytest.param(
            [ObservationGroup("gyro", (RATE, POSITION), True), SECRET], id="order of terms"
        ),
        pytest.param(
            [ObservationGroup("gyro", (POSITION, Term("rate", 3, "rad/s", "body")), True), SECRET],
            id="size",
        ),
        pytest.param(
            [ObservationGroup("gyro", (POSITION, Term("rate", 2, "deg/s", "body")), True), SECRET],
            id="unit",
        ),
        pytest.param(
            [ObservationGroup("gyro", (POSITION, Term("rate", 2, "rad/s", "world")), True), SECRET],
            id="frame",
        ),
        pytest.param([ObservationGroup("gyro", (POSITION, RATE), False), SECRET], id="deployable"),
        pytest.param([GYRO], id="missing group"),
    ],
)
def test_the_digest_changes_with(other: list[ObservationGroup]) -> None:
    assert ObservationSpec(other).digest() != ObservationSpec([GYRO, SECRET]).digest()
