"""The sentence at the ladder's end."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from robo_ts.evaluate.statistics import wilson
from robo_ts.explain import ExplainConfig, errors, judge
from robo_ts.explain.settings import known_to_work, own, same_rollin
from robo_ts.explain.verdict import ADVICE
from tests.explain.parts import settings


def _ladder(**shares: float | None) -> list[dict[str, Any]]:
    """Rungs of 1000 episodes; None for one that was skipped."""
    rungs = []
    for name, share in shares.items():
        rung: dict[str, Any] = {"name": name.replace("_", " "), "title": f"the {name}"}
        if share is None:
            rung["skipped"] = "for a reason"
        else:
            count = round(1000 * share)
            rung["success"] = {"mean": share, "ci95": wilson(count, 1000), "episodes": 1000}
        rungs.append(rung)
    return rungs


_SOUND = {
    "teacher": 0.95,
    "capacity": 0.94,
    "information": 0.94,
    "distribution_shift": 0.94,
    "training": 0.94,
    "noise": 0.94,
    "export": 0.94,
}


@pytest.mark.parametrize("name", [n for n in _SOUND if n != "teacher"])
def test_the_first_rung_that_stays_low_is_named(name: str):
    below = list(_SOUND)[list(_SOUND).index(name) :]
    verdict = judge(_ladder(**(_SOUND | dict.fromkeys(below, 0.3))))
    assert verdict.rung == name.replace("_", " ")
    assert ADVICE[verdict.rung] in verdict.sentence
    assert verdict.loss == pytest.approx(0.64 if name != "capacity" else 0.65)


def test_a_short_distillation_is_not_blamed_for_what_the_run_itself_could_do():
    short = {"capacity": 0.5, "information": 0.4, "distribution_shift": 0.4}
    verdict = judge(_ladder(**(_SOUND | short)))
    assert verdict.rung == ""
    assert "Nothing worth speaking of is lost" in verdict.sentence


def test_what_lies_within_chance_is_not_called_a_loss():
    assert judge(_ladder(teacher=0.95, training=0.93)).rung == ""


def test_a_rung_that_was_skipped_is_passed_over():
    rungs = _ladder(**(_SOUND | {"distribution_shift": None, "noise": 0.2, "export": 0.2}))
    verdict = judge(rungs)
    assert verdict.rung == "noise"
    assert "distribution shift" not in verdict.losses


def test_a_student_better_than_its_teacher_has_lost_nothing():
    verdict = judge(_ladder(teacher=0.8, capacity=0.9, training=0.95))
    assert verdict.total == 0.0 and verdict.rung == ""


def test_a_short_run_keeps_the_shape_of_its_schedules(tmp_path):
    from robo_ts.distill import DatasetConfig, RollinConfig

    rollin = RollinConfig(warmup_iterations=60, beta=0.5, decay_iterations=30)
    run = settings(tmp_path, tmp_path, distill={"rollin": rollin})
    short = own(run, ExplainConfig(rounds=20))
    assert short.iterations == 20
    assert (short.rollin.warmup_iterations, short.rollin.decay_iterations) == (20, 10)
    assert own(run, ExplainConfig()).iterations == 20  # a third of 60
    sound = known_to_work(short)
    assert sound.rollin.warmup_iterations == 2 and sound.rollin.beta == 0.0
    assert not same_rollin(short, sound)
    healthy = settings(tmp_path, tmp_path, distill={"dataset": DatasetConfig(window=8)})
    short = own(healthy, ExplainConfig(rounds=20))
    assert same_rollin(short, known_to_work(short))


def test_the_term_that_a_student_lacks_foretells_its_error():
    torch.manual_seed(0)
    hidden, seen = torch.randn(500, 2), torch.randn(500, 3)
    teacher = torch.cat([seen[:, :1], hidden[:, :1]], dim=1)
    student = torch.cat([seen[:, :1], torch.zeros(500, 1)], dim=1)
    both = errors.Seen(student, teacher, {"camera.seen": seen, "privileged.hidden": hidden})
    worst = errors.worst_terms(both)
    assert worst[0]["term"] == "privileged.hidden"
    assert worst[0]["explains"] > 0.99 > 0.1 > worst[1]["explains"]
    rows = errors.per_action(both, ["left", "right"])
    assert [row["action"] for row in rows] == ["left", "right"]
    assert rows[0]["error"] == 0.0 and rows[1]["unexplained"] == pytest.approx(1.0, abs=0.1)
    assert errors.unexplained(both) == pytest.approx(0.5, abs=0.1)
