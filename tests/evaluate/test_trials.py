"""Trials put every policy into the same worlds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tensordict import TensorDict

from robo_ts.cli import main
from robo_ts.env import get_task
from robo_ts.env.trials import Trial
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.trials import choose_trials, count_episodes, run_trials, with_changes
from robo_ts.files import read_json
from robo_ts.sim import EngineConfig

SPEC = get_task("quadrotor")


class Constant:
    """Always the same action; remembers the first observation."""

    def __init__(self, action: float) -> None:
        self.action, self.seen = action, []

    def begin(self, num: int) -> None:
        self.fresh = True

    def act(self, obs: TensorDict) -> torch.Tensor:
        if self.fresh:
            self.seen.append(obs["proprioception"].clone())
        self.fresh = False
        return torch.full((obs.batch_size[0], 4), self.action)

    def clear(self, done: torch.Tensor) -> None:
        pass


def short(**changes: Any) -> Trial:
    return Trial(
        "short", "", {"limits_end": False, "episode_steps": 20, **changes}, episodes=6, repeats=2
    )


def test_every_policy_meets_the_same_worlds_and_every_repeat_others() -> None:
    one, two = Constant(0.0), Constant(0.5)
    found = run_trials(SPEC, SPEC.config(), {"one": one, "two": two}, {"a": short()})
    assert len(one.seen) == 2 and not torch.equal(one.seen[0], one.seen[1])
    assert all(torch.equal(a, b) for a, b in zip(one.seen, two.seen, strict=True))
    report = found["a"]["policies"]["one"]
    assert report["success"]["episodes"] == 12 and len(report["repeats"]) == 2
    mean = sum(r["return_mean"] for r in report["repeats"]) / 2
    assert report["return"]["mean"] == pytest.approx(mean, rel=1e-5)


def test_a_trial_changes_the_settings_and_leaves_the_others() -> None:
    config = SPEC.config()
    changed = with_changes(config, {"drones": {"disturbance": 0.0}, "episode_steps": 7})
    assert changed.drones.disturbance == 0.0 and config.drones.disturbance > 0.0
    assert changed.episode_steps == 7
    assert changed.drones.thrust_to_weight == config.drones.thrust_to_weight


def test_every_trial_of_the_quadrotor_can_be_set_up() -> None:
    for trial in choose_trials(SPEC, []).values():
        with_changes(SPEC.config(), trial.changes)


def test_trials_are_chosen_by_name_or_group() -> None:
    assert set(choose_trials(SPEC, ["hold"])) == {"hold", "calm"}
    assert "eight_4s" in choose_trials(SPEC, ["tracking"])
    with pytest.raises(RoboTSError, match="did you mean tracking"):
        choose_trials(SPEC, ["trackin"])
    with pytest.raises(RoboTSError, match="a task with trials"):
        choose_trials(get_task("reacher"), [])


def test_bins_report_outcomes_too() -> None:
    bins = {"thrust_to_weight": [1.5, 3.0, 5.0]}
    trial = Trial("g", "", {"episode_steps": 20, "limits_end": False}, 32, 1, bins)
    found = run_trials(SPEC, SPEC.config(), {"one": Constant(0.0)}, {"a": trial})
    rows = found["a"]["policies"]["one"]["bins"]["thrust_to_weight"]
    assert sum(row["episodes"] for row in rows) == 32
    assert all(row["survived"]["episodes"] == row["episodes"] for row in rows)


@pytest.mark.usefixtures("uncompiled")
def test_trials_of_the_analytic_engine_stand_beside_mujocos() -> None:
    engine, actors = EngineConfig("analytic"), {"one": Constant(0.0)}
    trials, told = {"a": short()}, []
    found = run_trials(SPEC, SPEC.config(), actors, trials, engine, progress=told.append)
    policies = found["a"]["policies"]
    assert list(policies) == ["one", "one in MuJoCo"]
    first, second = (policies[name]["return"]["mean"] for name in policies)
    assert first == pytest.approx(second, rel=1e-4)
    assert sum(told) == count_episodes(trials, actors, engine) == 24


def test_the_command_writes_what_it_shows(tmp_path: Any, capsys: Any) -> None:
    student, out = "artifacts/quadrotor/student", tmp_path / "trials.json"
    assert main(["trials", f"mine={student}", "--only", "vehicle_x500", "--json", str(out)]) == 0
    found = read_json(out)
    report = found["trials"]["vehicle_x500"]["policies"]["mine"]
    assert 0.0 <= report["within_limits"]["mean"] <= 1.0
    assert "vehicle_x500" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["nowhere"], ["a=nowhere", "a=elsewhere"], ["no.onnx"]])
def test_paths_without_a_policy_are_named(wrong: list[str], capsys: Any) -> None:
    assert main(["trials", *wrong, "--only", "calm"]) == 2
    assert "expected" in capsys.readouterr().err
