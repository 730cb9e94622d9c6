"""What the command line can ask of the distiller beyond the recipes, each at smoke size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_ts.cli import main
from robo_ts.distill.reinforce import Reinforcer
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.errors import RoboTSError
from robo_ts.paths import CONFIG_DIR
from robo_ts.pipeline.config import compose_run
from robo_ts.policies import PolicyBundle
from robo_ts.policies.adapter import AdapterPolicy

QUICK = ["recipe=smoke", "torch_threads=1", "distill.iterations=2"]


@pytest.fixture
def teacher(smoke_run: Path) -> str:
    return f"teacher_bundle={smoke_run / 'teacher' / 'bundle'}"


def rows(folder: Path, stage: str) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (folder / stage / "metrics.jsonl").read_text().splitlines()
    ]


def test_a_distilled_student_goes_on_to_learn_from_reward(teacher: str, tmp_path: Path):
    words = [*QUICK, teacher, f"run_dir={tmp_path / 'r'}", "student.std=constant"]
    tune = ["finetune=reward", "reinforce.iterations=3", "reinforce.critic_warmup_iterations=1"]
    adapt = ["reinforce.kl_adapt=success", "reinforce.kl_target=0.5", "reinforce.minibatches=2"]
    assert main(["distill", *words, *tune, *adapt]) == 0
    found = rows(tmp_path / "r", "finetune")
    assert [set(row) >= {"reward", "value_loss"} for row in found] == [True] * 3
    # While the critic warms up nothing pulls at the student.
    assert [set(row) >= {"kl", "kl_weight"} for row in found] == [False, True, True]
    assert found[1]["kl"] > 0.0
    assert len(rows(tmp_path / "r", "student")) == 2
    assert not list((tmp_path / "r").rglob("checkpoint*.pt"))
    student = PolicyBundle.load(tmp_path / "r" / "student" / "bundle")
    assert main(["distill", *words[:-2], words[-1], f"run_dir={tmp_path / 'plain'}"]) == 0
    plain = PolicyBundle.load(tmp_path / "plain" / "student" / "bundle")
    assert student.digest() != plain.digest()
    assert not (tmp_path / "plain" / "finetune").exists()


def test_reward_is_earned_in_the_worlds_that_tuning_asks_for(
    teacher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lengths = []

    class Watched(Reinforcer):
        def __init__(self, env: RslRlEnv, *rest: Any) -> None:
            lengths.append(env.env.max_episode_steps)
            super().__init__(env, *rest)

    monkeypatch.setattr("robo_ts.pipeline.stages.Reinforcer", Watched)
    words = [*QUICK, teacher, "student.std=constant", "finetune=reward", "reinforce.iterations=2"]
    for name, tuning in (("plain", []), ("tuned", ["tuning.episode_steps=37"])):
        assert main(["distill", *words, *tuning, f"run_dir={tmp_path / name}"]) == 0
    assert lengths[1] == 37 != lengths[0]
    assert rows(tmp_path / "plain", "student")[-1]["loss"] == pytest.approx(
        rows(tmp_path / "tuned", "student")[-1]["loss"]
    )


def test_a_teacher_without_the_distribution_the_kl_needs_is_refused_before_it_is_distilled(
    tmp_path: Path, smoke_run: Path, capsys: pytest.CaptureFixture
):
    bundle = PolicyBundle.load(smoke_run / "teacher" / "bundle")
    bundle.policy.log_std, bundle.policy.config.std = None, "none"
    bundle.save(tmp_path / "teacher")
    words = [*QUICK, f"teacher_bundle={tmp_path / 'teacher'}", "student.std=constant"]
    run = f"run_dir={tmp_path / 'r'}"
    assert main(["distill", *words, run, "finetune=reward"]) == 2
    assert "a teacher with a standard deviation" in capsys.readouterr().err
    assert not (tmp_path / "r" / "student").exists()


def test_priorities_and_the_data_of_an_earlier_run_are_settings(teacher: str, tmp_path: Path):
    pier = ["distill.dataset.kind=prioritised", "distill.dataset.pier.alpha=1.0"]
    one = [*QUICK, teacher, f"run_dir={tmp_path / 'one'}", *pier, "distill.dataset.save=true"]
    assert main(["distill", *one]) == 0
    data = tmp_path / "one" / "student" / "data-0"
    kept = np.load(data / "label.npy", mmap_mode="r")
    assert kept.shape == (128, 32, 4)  # two rounds of 64 sequences of 32 steps
    earlier = [f"distill.dataset.earlier=[{data}]", "distill.dataset.earlier_share=0.25"]
    two = [*QUICK, teacher, f"run_dir={tmp_path / 'two'}"]
    assert main(["distill", *two, *earlier]) == 0
    assert main(["distill", *two[:-1], f"run_dir={tmp_path / 'three'}"]) == 0
    mixed, fresh = (
        PolicyBundle.load(tmp_path / run / "student" / "bundle") for run in ("two", "three")
    )
    assert mixed.digest() != fresh.digest()


def test_earlier_data_of_another_student_is_refused(
    teacher: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    words = [*QUICK, teacher, f"run_dir={tmp_path / 'r'}"]
    assert main(["distill", *words, f"distill.dataset.earlier=[{tmp_path / 'none'}]"]) == 2
    said = capsys.readouterr().err
    assert "none" in said and "expected" in said and "fix" in said


def test_an_adapter_student_is_distilled_and_exported(teacher: str, tmp_path: Path):
    words = [*QUICK, teacher, f"run_dir={tmp_path / 'r'}", "student=adapter"]
    small = ["student.adapter.width=8", "student.std=state", "student.memory_size=8"]
    assert main(["distill", *words, *small]) == 0
    bundle = tmp_path / "r" / "student" / "bundle"
    policy = PolicyBundle.load(bundle).policy
    assert isinstance(policy, AdapterPolicy)
    assert policy.adapter.width == 8 and list(policy.spec) == ["proprioception"]
    assert {"loss_regression", "loss_alignment"} <= set(rows(tmp_path / "r", "student")[0])
    assert main(["export", "recipe=smoke", f"bundle={bundle}", f"out={tmp_path / 'out'}"]) == 0
    assert (tmp_path / "out" / "policy.onnx").is_file()


def test_every_student_of_the_configs_can_be_composed():
    kinds = {}
    for path in sorted((CONFIG_DIR / "student").glob("*.yaml")):
        student = compose_run([f"student={path.stem}"]).config.student
        kinds[path.stem] = (student.kind, student.memory)
    assert kinds["adapter"] == ("adapter", "gru")
    assert kinds["mlp"] == ("plain", "none")
    with pytest.raises(RoboTSError, match="did you mean adapter"):
        compose_run(["student.kind=adaptr"])


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than these tests."""
    for module in ("robo_ts.envs.quadrotor.twin", "robo_ts.teach.apg"):
        monkeypatch.setattr(f"{module}.compiled", lambda function, *_, **__: function)


ONLY_TUNE = [
    *("recipe=smoke", "torch_threads=1", "distiller=none", "finetune=apg", "tune.iterations=2"),
    *("tune.num_envs=16", "tune.window=5", "tune.first_window=5", "tune.normalizer_iterations=0"),
]


@pytest.mark.usefixtures("uncompiled")
def test_a_given_student_is_fine_tuned_without_a_teacher(tmp_path: Path, smoke_run: Path):
    given = smoke_run / "student" / "bundle"
    words = [*ONLY_TUNE, f"student_bundle={given}", "tune.learning_rate=1e-5"]
    assert main(["distill", *words, f"run_dir={tmp_path / 'r'}"]) == 0
    before = PolicyBundle.load(given)
    after = PolicyBundle.load(tmp_path / "r" / "student" / "bundle")
    assert after.lineage["student"] == before.digest() != after.digest()
    assert after.lineage["teacher"] is None
    mine, theirs = after.policy.state_dict(), before.policy.state_dict()
    moved = max(float((mine[name] - theirs[name]).abs().max()) for name in mine)
    assert 0.0 < moved < 1e-3
    assert not (tmp_path / "r" / "teacher" / "bundle").exists()


def test_a_teacher_is_refused_as_the_student_to_go_on_with(
    tmp_path: Path, smoke_run: Path, capsys: pytest.CaptureFixture
):
    given = f"student_bundle={smoke_run / 'teacher' / 'bundle'}"
    assert main(["distill", *ONLY_TUNE, given, f"run_dir={tmp_path / 'r'}"]) == 2
    assert "a policy that sees privileged" in capsys.readouterr().err
