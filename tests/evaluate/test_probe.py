"""What a linear reading of a memory finds, and what it cannot find."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robo_ts.env import TaskEnv
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.probe import explained, probe
from robo_ts.policies import Policy, PolicyConfig


def student(env: TaskEnv, **config: object) -> Policy:
    torch.manual_seed(0)
    settings = {"encoder": [8], "memory": "gru", "memory_size": 4} | config
    network = PolicyConfig(**settings)  # type: ignore[arg-type]
    return Policy(network, env.spec.select(["proprioception"]), env.num_actions).eval()


def test_what_the_memory_holds_is_found_and_what_it_does_not_hold_is_not() -> None:
    torch.manual_seed(1)
    hidden = torch.randn(4000, 4)
    noise = torch.randn(4000)
    held = hidden @ torch.tensor([1.0, -2.0, 0.0, 0.5]) + 3.0
    half = hidden[:, 0] + noise
    r2 = explained(hidden, torch.stack([held, noise, half, torch.full((4000,), 7.0)], dim=1))
    assert r2[0] > 0.999
    assert abs(float(r2[1])) < 0.02
    assert r2[2] == pytest.approx(0.5, abs=0.05)
    assert torch.isnan(r2[3])


def test_worlds_it_was_fitted_on_do_not_count() -> None:
    torch.manual_seed(2)
    # As many numbers as worlds: a fit of all worlds would explain everything.
    assert explained(torch.randn(120, 50), torch.randn(120, 1))[0] < 0.2


def test_a_memory_knows_the_reading_it_has_just_seen(
    make_quadrotor: Callable[..., TaskEnv],
) -> None:
    env = make_quadrotor(256, episode_steps=50)
    found = probe(env, student(env), [0.05, 0.3])
    assert found["times"] == pytest.approx([0.05, 0.3])
    assert set(found["r2"]) == {f"privileged.{t.name}" for t in env.spec["privileged"].terms}
    assert found["r2"]["privileged.last_action"][0] > 0.5
    assert found["r2"]["privileged.torque_constant"][0] < 0.3
    assert found["r2"]["privileged.sag"] == [None, None]
    assert found["worlds"][0] >= found["worlds"][1]


@pytest.mark.parametrize(
    ("worlds", "config", "times", "said"),
    [
        (256, {"memory": "none"}, [0.05], "policy with memory"),
        (16, {}, [0.05], "at least 80 worlds"),
        (256, {}, [9.0], "within an episode"),
        (256, {}, [], "within an episode"),
    ],
)
def test_what_cannot_be_probed_is_refused(
    make_quadrotor: Callable[..., TaskEnv],
    worlds: int,
    config: dict[str, object],
    times: list[float],
    said: str,
) -> None:
    env = make_quadrotor(worlds, episode_steps=50)
    with pytest.raises(RoboTSError, match=said):
        probe(env, student(env, **config), times)


def test_the_committed_student_is_probed_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from robo_ts.cli import main

    out = tmp_path / "probe.json"
    words = ["probe", "artifacts/quadrotor/student", "--times", "0.1,0.3", "--num-envs", "1024"]
    assert main([*words, "--json", str(out)]) == 0
    assert "privileged.thrust_to_weight" in capsys.readouterr().out
    assert len(json.loads(out.read_text())["r2"]["privileged.thrust_to_weight"]) == 2
