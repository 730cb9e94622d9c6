"""The whole line at small size: files, summary, resume, gate."""

import json
import re
from pathlib import Path

import pytest

from robo_ts.cli import main
from robo_ts.errors import GateFailed, RoboTSError
from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.gate import check_gate
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.policies import PolicyBundle
from robo_ts.view import plots


def test_smoke_leaves_every_file_of_a_run(smoke_run: Path):
    for name in (
        "config.yaml",
        "manifest.json",
        "summary.json",
        "report.html",
        "teacher/bundle/policy.safetensors",
        "student/bundle/policy.json",
        "teacher/metrics.jsonl",
        "student/metrics.jsonl",
        "eval/teacher.json",
        "eval/student.json",
        "eval/onnx.json",
        "export/policy.onnx",
        "export/policy.json",
        "export/golden.npz",
    ):
        assert (smoke_run / name).is_file(), name
    assert list((smoke_run / "tensorboard" / "teacher").glob("events.*"))
    assert not list(smoke_run.rglob("checkpoint.pt"))
    assert not list(smoke_run.rglob("*.tmp"))


def test_summary_keeps_its_keys(smoke_run: Path):
    summary = json.loads((smoke_run / "summary.json").read_text())
    assert set(summary) == {
        "task",
        "recipe",
        "engine",
        "seed",
        "seconds",
        "teacher",
        "student",
        "onnx",
    }
    assert set(summary["seconds"]) == {"teacher", "student", "evaluate", "export", "total"}
    for who in ("teacher", "student", "onnx"):
        assert set(summary[who]["success"]) == {"mean", "ci95", "episodes"}
        assert set(summary[who]["position_error_m"]) == {"median", "mean"}
    assert summary["student"]["parameters"] > 0
    assert summary["onnx"]["max_abs_diff_vs_torch"] <= 1e-4
    assert summary["onnx"]["steps_compared"] >= 100
    assert (smoke_run / summary["onnx"]["file"]).stat().st_size == summary["onnx"]["bytes"]


def test_manifest_says_where_results_come_from(smoke_run: Path):
    manifest = json.loads((smoke_run / "manifest.json").read_text())
    assert manifest["versions"]["torch"]
    assert manifest["versions"]["mujoco"]
    assert manifest["hardware"]["cores"] >= 1
    assert set(manifest["inputs"]) == {"assets", "configs"}


def test_report_is_one_self_contained_page(smoke_run: Path):
    page = (smoke_run / "report.html").read_text()
    # Intervals, curves, errors by action, bins, memory.
    assert page.count("data:image/png;base64,") == 5
    assert "http://" not in page
    assert "https://" not in page


def test_student_is_a_child_of_the_runs_teacher(smoke_run: Path):
    teacher = PolicyBundle.load(smoke_run / "teacher" / "bundle")
    student = PolicyBundle.load(smoke_run / "student" / "bundle")
    assert student.lineage["teacher"] == teacher.digest()
    assert list(student.policy.spec) == ["proprioception"]


def test_the_same_command_again_does_nothing_twice(smoke_run: Path):
    before = (smoke_run / "student" / "bundle" / "policy.safetensors").stat().st_mtime_ns
    assert main(["pipeline", "task=quadrotor", "recipe=smoke", f"run_dir={smoke_run}"]) == 0
    assert (smoke_run / "student" / "bundle" / "policy.safetensors").stat().st_mtime_ns == before


def test_teacher_bundle_can_replace_the_training(smoke_run: Path, tmp_path: Path):
    words = ["recipe=smoke", f"teacher_bundle={smoke_run}/teacher/bundle", f"run_dir={tmp_path}/r"]
    assert main(["teach", *words]) == 0
    assert main(["distill", *words]) == 0
    again = PolicyBundle.load(tmp_path / "r" / "student" / "bundle")
    first = PolicyBundle.load(smoke_run / "student" / "bundle")
    assert again.digest() == first.digest()


def test_weak_teacher_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture):
    words = ["recipe=smoke", "gate.success=0.9", "teacher.iterations=1", f"run_dir={tmp_path}/r"]
    assert main(["pipeline", *words]) == 1
    said = capsys.readouterr().err
    assert "too few" in said
    assert "teacher.iterations" in said
    assert PolicyBundle.load(tmp_path / "r" / "teacher" / "bundle").task == "quadrotor"


def _gate_advice(words: list[str], success: float) -> str:
    run = compose_run(["recipe=smoke", "gate.success=0.95", *words])
    measured = {"mean": success, "ci95": [0.0, 1.0], "episodes": 512}
    with pytest.raises(GateFailed) as error:
        check_gate(run, measured, RunDir(Path("r")))
    return error.value.fix


def test_the_advised_gate_is_one_the_teacher_passes():
    for mean in (0.8996, 0.9499, 0.57, 1 / 3, 0.0):
        advised = re.search(r"gate\.success=(\S+)", _gate_advice([], mean))
        assert advised
        assert mean - 0.002 < float(advised[1]) <= mean


def test_a_weak_given_teacher_is_not_told_to_train_longer():
    assert "train longer" in _gate_advice([], 0.5)
    advice = _gate_advice(["teacher_bundle=somewhere"], 0.5)
    assert "train longer" not in advice
    assert "a better teacher_bundle" in advice


def test_a_given_bundle_is_distilled_from_without_training_a_teacher(
    smoke_run: Path, tmp_path: Path
):
    words = ["recipe=smoke", f"teacher_bundle={smoke_run / 'teacher' / 'bundle'}"]
    assert main(["distill", *words, f"run_dir={tmp_path / 'run'}"]) == 0
    student = PolicyBundle.load(tmp_path / "run" / "student" / "bundle")
    assert student.lineage["teacher"] == PolicyBundle.load(smoke_run / "teacher/bundle").digest()


def test_curves_show_success_or_cost_and_leave_out_what_never_ran() -> None:
    rows = [{"seconds": float(i), "cost": 1.0 / (i + 1)} for i in range(5)]
    learnt = [{"seconds": float(i), "success": 0.2 * i, "loss": 0.5} for i in range(5)]
    assert plots.curves({"teacher": rows, "student": learnt, "finetune": []})
    assert plots.curves({"teacher": [], "student": []}) == ""


def test_trials_are_drawn_by_group_share_and_error() -> None:
    reports = [
        {"success": {"mean": share, "ci95": [0.7, 1.0]}, "error_m": {"median": 0.1, "mean": 0.2}}
        for share in (0.9, 0.8)
    ]
    policies = dict(zip(("teacher", "student"), reports, strict=True))
    found = {name: {"group": name[0], "policies": policies} for name in ("a1", "a2", "b1")}
    shares, both = plots.trials(found, ["success"]), plots.trials(found, ["success", "error_m"])
    assert shares and both and shares != both
    assert plots.trials(found, ["success", "colour"]) == shares
    assert plots.trials(found, ["colour"]) == ""


def test_errors_nobody_could_measure_leave_a_gap() -> None:
    nothing = {"error_m": {"median": float("nan"), "mean": float("nan")}}
    found = {"a": {"group": "a", "policies": {"student": nothing}}}
    assert plots.trials(found, ["error_m"]) == ""


@pytest.mark.usefixtures("uncompiled")
def test_what_is_measured_on_the_analytic_engine_is_measured_in_mujoco_too(tmp_path: Path) -> None:
    words = ["teacher_bundle=artifacts/quadrotor/teacher", "engine=analytic", "recipe=smoke"]
    small = ["gate.episodes=8", "evaluate.episodes=16", "evaluate.ablation_episodes=8"]
    brief = [
        "distill.iterations=2",
        "distill.num_envs=8",
        "export.steps=20",
        "task.episode_steps=40",
    ]
    rest = ["evaluate.memory_resets=[]", "gate.success=0", f"run_dir={tmp_path / 'run'}"]
    assert main(["pipeline", *words, *small, *brief, *rest]) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    for who in ("teacher", "student"):
        mine, checked = summary[who], summary[f"{who}_in_mujoco"]
        assert checked["success"]["episodes"] == mine["success"]["episodes"] == 16
        mine, checked = (s["position_error_m"]["median"] for s in (mine, checked))
        # The same formulas in the same worlds: 32 bits on one side, 64 on the other.
        assert checked == pytest.approx(mine, rel=1e-2) and checked != mine
    assert "student in MuJoCo" in (tmp_path / "run" / "report.html").read_text()


def test_a_run_asks_for_trials_by_name() -> None:
    with pytest.raises(RoboTSError, match="a trial or a group"):
        compose_run(["recipe=smoke", "evaluate.trials=[nonsense]"])
