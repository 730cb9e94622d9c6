"""The ladder names the rung on which a run with one known fault loses its success."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robo_ts.distill import RollinConfig
from robo_ts.explain import ExplainConfig, explain
from robo_ts.files import read_json
from tests.explain.parts import ROUNDS, distilled, settings

pytestmark = pytest.mark.slow
BUDGET = ExplainConfig(rounds=ROUNDS, episodes=256)
_MLP = {"memory": "none", "encoder": [64, 64]}


def _explained(teacher: Path, folder: Path, **changed: Any) -> dict[str, Any]:
    return explain(distilled(settings(teacher, folder, **changed)), BUDGET)


def test_a_student_too_small_loses_at_capacity(reacher_teacher: Path, tmp_path: Path):
    small = {"memory": "none", "encoder": [2]}
    found = _explained(reacher_teacher, tmp_path / "run", student=small)
    assert found["verdict"]["rung"] == "capacity"
    assert "larger network" in found["verdict"]["sentence"]


def test_a_hidden_velocity_without_memory_loses_at_information(
    reacher_teacher: Path, tmp_path: Path
):
    found = _explained(reacher_teacher, tmp_path / "run", student=_MLP)
    assert found["verdict"]["rung"] == "information"
    assert "memory" in found["verdict"]["sentence"]
    assert found["errors"]["worst_terms"][0]["term"] == "privileged.joint_velocity"
    assert found["errors"]["imitation_gap"] > 0.05


def test_a_teacher_that_always_acts_loses_at_the_distribution_shift(
    reacher_teacher: Path, tmp_path: Path
):
    broken = {"rollin": RollinConfig(warmup_iterations=ROUNDS)}
    found = _explained(reacher_teacher, tmp_path / "run", distill=broken)
    assert found["verdict"]["rung"] == "distribution shift"
    errors = found["errors"]["unexplained_while"]
    assert errors["student acts"] > 2.0 * errors["teacher acts"]


def test_noise_far_beyond_training_loses_at_noise(reacher_teacher: Path, tmp_path: Path):
    found = _explained(
        reacher_teacher,
        tmp_path / "run",
        task={"sensor_noise": 0.4},
        training={"sensor_noise": 0.0},
    )
    assert found["verdict"]["rung"] == "noise"
    assert read_json(tmp_path / "run" / "explain" / "ladder.json")["verdict"] == found["verdict"]
