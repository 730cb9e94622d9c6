"""The exports that come with the repository are those of the policies beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from robo_ts.export import replay_golden
from robo_ts.files import read_json
from robo_ts.policies import PolicyBundle
from tests.export.compiled_header import needs_compiler, run

ROOT = Path(__file__).resolve().parents[2] / "artifacts"
EXPORTS = sorted(path.parent for path in ROOT.rglob("policy.onnx"))
HEADERS = [folder for folder in EXPORTS if (folder / "policy.h").is_file()]


def _name(folder: Path) -> str:
    return str(folder.parent.relative_to(ROOT))


def test_there_are_exports_of_quadrotor_and_soccer() -> None:
    assert {read_json(folder / "policy.json")["task"] for folder in EXPORTS} >= {
        "quadrotor",
        "soccer",
    }
    assert len(HEADERS) >= 4


@pytest.mark.parametrize("folder", EXPORTS, ids=_name)
def test_a_kept_file_repeats_its_golden_trace(folder: Path) -> None:
    assert replay_golden(folder) < 1e-5


@pytest.mark.parametrize("folder", EXPORTS, ids=_name)
def test_a_kept_file_is_of_the_student_beside_it(folder: Path) -> None:
    student = PolicyBundle.load(folder.parent / "student")
    assert read_json(folder / "policy.json")["policy_digest"] == student.digest()


@needs_compiler
@pytest.mark.parametrize("folder", HEADERS, ids=_name)
def test_a_kept_header_repeats_its_golden_trace(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "policy.h", tmp_path)
    assert run(tmp_path) < 1e-4
