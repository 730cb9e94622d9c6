"""The recipes compose, and the one with eyes makes a player that sees and nothing else."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from robo_ts.cli import main
from robo_ts.errors import RoboTSError
from robo_ts.paths import CONFIG_DIR
from robo_ts.pipeline.config import compose_run
from robo_ts.policies import PolicyBundle

RECIPES = sorted(path.stem for path in (CONFIG_DIR / "recipe" / "soccer").glob("*.yaml"))
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_and_its_student_reads_sensors_only(recipe: str) -> None:
    run = compose_run(["task=soccer", f"recipe={recipe}"])
    groups = run.obs_groups["student"]
    assert not set(groups) & {"privileged", "sight", "opponent"}
    assert ("head_rgb" in groups) == recipe.startswith("eyes") == run.config.task.eyes.enabled


def test_the_rooms_of_the_measurement_are_never_those_of_training() -> None:
    for recipe in ("eyes", "eyes_match", "eyes_smoke"):
        run = compose_run(["task=soccer", f"recipe={recipe}"])
        assert run.config.task.eyes.unseen and not run.training_task.eyes.unseen
        for side in ("width", "height"):
            assert getattr(run.config.task.eyes, side) == getattr(run.training_task.eyes, side)


def test_stages_begin_with_the_teacher_of_the_stage_before(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "train_soccer.py"))
    words = script["settings_of"]("eyes", tmp_path)
    assert words == ["task=soccer", "recipe=eyes", f"run_dir={tmp_path / 'eyes'}"]
    done = tmp_path / "score" / "teacher"
    done.mkdir(parents=True)
    (done / "done.json").write_text("{}")
    assert script["settings_of"]("eyes", tmp_path)[-1] == f"teacher_bundle={done / 'bundle'}"
    assert script["settings_of"]("match", tmp_path)[-1] == f"teacher.start_from={done / 'bundle'}"
    (tmp_path / "match" / "teacher").mkdir(parents=True)
    (tmp_path / "match" / "teacher" / "done.json").write_text("{}")
    words = script["settings_of"]("eyes_match", tmp_path)
    assert words[-1].startswith("training.opponents=[") and "match/teacher/bundle" in words[-1]
    for name in ("op3_get_up", "op3_score"):
        (tmp_path / name / "teacher").mkdir(parents=True)
        (tmp_path / name / "teacher" / "done.json").write_text("{}")
    words = script["settings_of"]("op3_agent", tmp_path)
    assert words[-2] == f"route.bundles=[{tmp_path / 'op3_get_up' / 'teacher' / 'bundle'}]"
    assert words[-1] == f"teacher_bundle={tmp_path / 'op3_score' / 'teacher' / 'bundle'}"
    for stage in script["STAGES"]:  # every stage is one that composes
        compose_run(script["settings_of"](stage, tmp_path))


def test_self_play_keeps_snapshots_for_later_policies_to_play_against(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["task=soccer", "recipe=smoke", "self_play.snapshot_every=1", "self_play.kept=2"]
    assert main(["teach", *words, f"run_dir={run}"]) == 0
    pool = {path.name: PolicyBundle.load(path) for path in (run / "teacher" / "pool").iterdir()}
    assert set(pool) == {"snapshot_1", "snapshot_5"}
    last = PolicyBundle.load(run / "teacher" / "bundle")
    assert len({bundle.digest() for bundle in (last, *pool.values())}) == 3
    keep = runpy.run_path(str(ROOT / "scripts" / "keep_artifact.py"))["main"]
    keep(str(run), str(tmp_path / "kept"))
    assert (tmp_path / "kept" / "pool" / "snapshot_1" / "policy.json").is_file()


def test_a_student_of_unknown_groups_is_refused_by_name(tmp_path: Path) -> None:
    words = ["task=soccer", "recipe=smoke", "student.groups=[head_rgb]", f"run_dir={tmp_path}"]
    with pytest.raises(RoboTSError, match="head_rgb"):
        from robo_ts.pipeline.stages import untrained

        untrained(compose_run(words))


@pytest.mark.slow
def test_the_eyes_recipe_goes_from_nothing_to_an_onnx_file(tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    assert main(["pipeline", "task=soccer", "recipe=eyes_smoke", f"run_dir={folder}"]) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (tmp_path / "run" / "export" / "policy.onnx").is_file()
    images = json.loads((tmp_path / "run" / "eval" / "images.json").read_text())
    assert {"seen", "blank", "frozen", "other"} <= set(images)
    card = json.loads((tmp_path / "run" / "student" / "bundle" / "policy.json").read_text())
    assert "head_rgb" in json.dumps(card) and summary


@pytest.mark.slow
def test_two_op3_teachers_make_one_student(tmp_path: Path) -> None:
    one, both = tmp_path / "one", tmp_path / "both"
    words = ["task=soccer", "recipe=op3_smoke"]
    assert main(["teach", *words, f"run_dir={one}"]) == 0
    teacher = one / "teacher" / "bundle"
    words += [f"teacher_bundle={teacher}", f"route.bundles=[{teacher}]"]
    words += ["route.term=privileged.true_rising", "route.edges=[0.5]", f"run_dir={both}"]
    assert main(["pipeline", *words]) == 0
    assert (both / "export" / "policy.onnx").is_file()
    summary = json.loads((both / "summary.json").read_text())
    assert "get_up_s" in json.dumps(summary) or "success" in json.dumps(summary)
