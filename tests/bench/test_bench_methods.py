"""Every comparison of methods runs whole, small, and says what it promises."""

from __future__ import annotations

from types import ModuleType

import pytest

from robo_ts.bench.methods import coverage, gates, hidden_cue, reacher
from robo_ts.bench.methods.suite import show_arms

SMALL = {"NUM_ENVS": 4, "ROUNDS": 2, "EPISODES": 4}
ARMS = {
    reacher: {
        "teacher",
        "window of 8 rounds",
        "newest round only",
        "behaviour cloning",
        "rsl_rl 5.5.1 Distillation",
        "random teacher",
    },
    hidden_cue: {"teacher", "DAgger", "PPO", "PPO + annealed KL"},
    coverage: {"forward_kl", "nll"},
    gates: {"every label", "SAG 0.9", "random questions", "PIER"},
}


@pytest.mark.parametrize("module", list(ARMS), ids=lambda m: m.__name__.rpartition(".")[2])
def test_a_comparison_has_every_arm_with_one_row_per_seed(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(module, name, value)
    found = module.run([3])
    assert set(found["arms"]) == ARMS[module]
    assert found["settings"]["num_envs"] == 4 and found["seeds"] == [3]
    for arm in found["arms"].values():
        assert len(arm["seeds"]) == 1
        low, high = arm["ci95"]
        assert 0.0 <= low <= arm["success"] <= high <= 1.0
    show_arms({"measurement": module.__name__} | found)
    assert "95% interval" in capsys.readouterr().out


def test_a_table_of_labels_shows_the_share_saved() -> None:
    shares = gates.saved({"every label": 200.0, "SAG 0.9": 150.0})
    assert shares == {"every label": 0.0, "SAG 0.9": 0.25}
