"""The ablations run whole, small; what is there already is not made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robo_ts.bench import ablations
from robo_ts.bench.budget import steps_of
from robo_ts.cli import main
from robo_ts.env import TaskSpec
from robo_ts.env.trials import Trial
from robo_ts.errors import RoboTSError
from robo_ts.files import read_json, write_json
from robo_ts.pipeline.config import compose_run
from robo_ts.policies import PolicyConfig
from tests.bench.test_bench_teachers import TINY

SMALL = (
    *TINY,
    "processes=1",
    "apg.iterations=2",
    "windows.iterations=2",
    "windows.warmup_iterations=1",
    "tune.iterations=2",
)


pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.fixture(autouse=True)
def same_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablations, "commit", lambda: "one")  # whatever is being worked on


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of 40 steps instead of 500; everything else is theirs."""
    choose = ablations.choose_trials

    def shortened(spec: TaskSpec, words: Sequence[str]) -> dict[str, Trial]:
        return {
            name: replace(trial, changes=trial.changes | {"episode_steps": 40})
            for name, trial in choose(spec, words).items()
        }

    monkeypatch.setattr(ablations, "choose_trials", shortened)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that were carried out, by name."""
    done: list[str] = []
    carry_out = ablations.run_stage

    def noted(run, name):
        done.append(f"{name} {run.run_dir.name.partition('-')[0]}")
        return carry_out(run, name)

    monkeypatch.setattr(ablations, "run_stage", noted)
    return done


@pytest.mark.slow
def test_every_arm_is_trained_and_measured_in_the_same_worlds(
    tmp_path: Path, capsys: pytest.CaptureFixture, trained: list[str]
) -> None:
    kept = tmp_path / "ablations.json"
    found = ablations.compare([5], tmp_path, kept, (), SMALL, episodes=8)
    assert list(found["arms"]) == list(ablations.arms(compose_run(["recipe=fast"]).config))
    for arm in found["arms"].values():
        (row,) = arm["seeds"]
        for condition in ("hold", "latency"):
            assert 0.0 <= row[condition]["within_limits"] <= 1.0
        assert row["seconds"]["student"] > 0.0
    rows = {name: arm["seeds"][0] for name, arm in found["arms"].items()}
    assert rows["recipe"]["parameters"] == 2068 and rows["learnt-start"]["parameters"] == 2084
    assert rows["larger"]["parameters"] == rows["larger-latency"]["parameters"] == 18_084
    assert rows["no-teacher"]["teacher_success"] is None
    assert rows["no-teacher"]["seconds"]["teacher"] == 0.0
    folders = [path.name.partition("-")[0] for path in next(tmp_path.glob("*/")).iterdir()]
    # One teacher for all arms but those without weak drones and with latency.
    assert folders.count("teacher") == 3 and folders.count("student") == len(rows)
    ablations.show(found)
    said = capsys.readouterr().out
    assert "learnt-start" in said and "18,084" in said
    lines = ablations.lines(found)
    assert [line[0].partition(":")[0] for line in lines] == list(rows)
    assert all(len(line) == len(ablations.HEADS) for line in lines)
    assert read_json(kept) == found


@pytest.mark.slow
def test_what_is_there_already_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str]
) -> None:
    kept, names = tmp_path / "ablations.json", ["recipe", "no-fine-tune"]
    first = ablations.compare([5], tmp_path, kept, names[:1], SMALL, episodes=4)
    assert trained == ["teach teacher", "distill student"]
    both = ablations.compare([5], tmp_path, kept, names, SMALL, episodes=4)
    assert trained[2:] == ["teach teacher", "distill student"]  # the teacher's stage is done
    assert both["arms"]["recipe"] == first["arms"]["recipe"]
    again = ablations.compare([5], tmp_path, kept, names, SMALL, episodes=4)
    assert again["arms"] == both["arms"] and len(trained) == 4
    ablations.compare([6], tmp_path, kept, names[:1], SMALL, episodes=4)
    assert [row["seed"] for row in read_json(kept)["arms"]["recipe"]["seeds"]] == [5, 6]
    assert "no-fine-tune" in read_json(kept)["arms"] and len(trained) == 6
    monkeypatch.setattr(ablations, "commit", lambda: "another")
    changed = ablations.compare([5], tmp_path, kept, names[:1], SMALL, episodes=4)
    assert len(trained) == 8
    # What another commit made is not averaged with it.
    rows = changed["arms"]["recipe"]["seeds"]
    assert [(row["seed"], row["commit"]) for row in rows] == [(5, "another")]
    ablations.compare([5], tmp_path, kept, names[:1], SMALL, episodes=6)
    assert len(trained) == 10


def test_every_arm_takes_the_recipes_control_steps() -> None:
    recipe = compose_run([ablations.RECIPE]).config
    stages = {name: getattr(recipe, name) for name in ("apg", "windows", "tune")}
    budget = sum(steps_of(stage) for stage in stages.values())
    for name, arm in ablations.arms(recipe).items():
        config = compose_run([ablations.RECIPE, *arm.student]).config
        spent = steps_of(config.tune)
        if name == "no-teacher":
            assert config.distiller == "none" and spent == pytest.approx(budget, rel=1e-2)
            continue
        assert spent == pytest.approx(steps_of(recipe.tune), rel=1e-2)
        given = steps_of(config.windows)
        assert given == pytest.approx(steps_of(recipe.windows), rel=1e-2)
        warm = config.windows.warmup_iterations * config.windows.window
        usual = recipe.windows.warmup_iterations * recipe.windows.window
        if name == "cloning":
            assert config.windows.warmup_iterations == recipe.windows.iterations
        else:
            assert warm == pytest.approx(usual, rel=1e-2)
        assert (config.finetune == "none") == (name == "no-fine-tune")


def test_an_arms_changes_reach_the_worlds_it_is_trained_in() -> None:
    known = ablations.arms(compose_run([ablations.RECIPE]).config)

    def composed(name: str, of: str = "student"):
        return compose_run([ablations.RECIPE, *getattr(known[name], of)])

    assert composed("recipe").training_task.drones.weak_share > 0.0
    even = composed("no-oversampling")
    assert even.training_task.drones.weak_share == even.tuning_task.drones.weak_share == 0.0
    assert composed("no-oversampling", "teacher").training_task.drones.weak_share == 0.0
    for name in ("latency", "larger-latency"):
        for run in (composed(name), composed(name, "teacher")):
            assert run.training_task.sensors.latency.high == 0.02
            assert run.tuning_task.sensors.latency.high == 0.02
            assert run.config.task.sensors.latency.high == 0.0
    assert composed("learnt-start").config.student.learn_initial_state
    assert not PolicyConfig().learn_initial_state
    half, whole = (composed(n).config for n in ("half-window", "recipe"))
    assert 2 * half.windows.window == whole.windows.window


def test_the_command_passes_everything_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    seen: dict[str, Any] = {}

    def run(
        seeds: Sequence[int] = (),
        threads: int = 0,
        percent: int = 0,
        episodes: int = 0,
        arms: str = "",
        json: Path | None = None,
    ) -> dict[str, Any]:
        seen.update(seeds=list(seeds), percent=percent, episodes=episodes, arms=arms, json=json)
        return {}

    monkeypatch.setattr(ablations, "run", run)
    monkeypatch.setattr(ablations, "show", lambda figures: None)
    out = tmp_path / "a.json"
    words = ["ablations", "task=quadrotor", "seeds=2", "percent=5", "episodes=64"]
    words += ["--arms", "recipe,cloning"]
    assert main(["bench", *words, "--json", str(out)]) == 0
    sizes = {"percent": 5, "episodes": 64}
    assert seen == {"seeds": [0, 1], **sizes, "arms": "recipe,cloning", "json": out}
    for wrong in (["ablations", "task=reacher"], ["teachers", "percent=5"], ["sim", "--arms", "x"]):
        assert main(["bench", *wrong]) == 2
    assert "quadrotor" in capsys.readouterr().err


def test_bad_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RoboTSError, match=r"'clonning'(.|\n)*cloning"):
        ablations.compare([0], tmp_path, names=["clonning"])
    with pytest.raises(RoboTSError, match="at least one percent"):
        ablations.compare([0], tmp_path, percent=0)
    write_json(tmp_path / "other.json", {"measurement": "teachers", "arms": {}})
    with pytest.raises(RoboTSError, match="results of ablations"):
        ablations.compare([0], tmp_path, tmp_path / "other.json")
