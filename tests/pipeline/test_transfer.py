"""Policies in a simulator that is none of ours, here one of a few lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import robo_ts
from robo_ts.cli import main
from robo_ts.env import get_task, make_env
from robo_ts.env.transfer import OtherSimulator
from robo_ts.export import export_bundle
from robo_ts.files import read_json
from robo_ts.policies import PolicyBundle

STUDENT = Path(robo_ts.__file__).parents[1] / "artifacts" / "quadrotor" / "student"


class Toy:
    """Every flight drifts off by its number of centimetres; the last one is lost."""

    def __init__(self, robot: str, num_envs: int, seed: int, spread: float) -> None:
        self.num_envs, self.episode_steps = num_envs, 3
        self.seen: list[np.ndarray] = []

    def observe(self) -> dict[str, np.ndarray]:
        row = np.linspace(-0.1, 0.1, 22, dtype=np.float32)
        return {"proprioception": row * (1.0 + np.arange(self.num_envs, dtype=np.float32)[:, None])}

    def step(self, action: np.ndarray) -> None:
        self.seen.append(action)
        FLOWN.append(self)

    def measured(self) -> dict[str, np.ndarray]:
        error = 0.01 * np.arange(1.0, self.num_envs + 1.0)
        error[-1] = np.inf
        kept = np.isfinite(error)
        return {
            "success": kept & (error < 0.03),
            "within_limits": kept,
            "survived": kept,
            "position_error_m": error,
        }


FLOWN: list[Toy] = []


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    FLOWN.clear()
    short = {"vehicle": "x500", "episode_steps": 8, "references": {"langevin": 0.0}}
    simulator = OtherSimulator("a toy", "none", ("one", "two"), Toy, lambda *_: short)
    monkeypatch.setitem(get_task("quadrotor").simulators, "toy", simulator)


def test_bundle_and_file_fly_there_and_here(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bundle = PolicyBundle.load(STUDENT)
    export_bundle(bundle, tmp_path / "export")
    out = tmp_path / "figures.json"
    words = [str(STUDENT), f"file={tmp_path / 'export' / 'policy.onnx'}", "--simulator", "toy"]
    assert main(["transfer", *words, "--robots", "two", "--episodes", "5", "--json", str(out)]) == 0
    found = read_json(out)
    assert list(found["robots"]) == ["two"] and found["simulator"]["text"] == "a toy"
    there, here = found["robots"]["two"]["there"], found["robots"]["two"]["here"]
    assert list(there) == list(here) == [str(STUDENT), "file"]
    report = there["file"]
    assert report["survived"]["mean"] == 0.8 and report["success"]["mean"] == 0.4
    error = report["position_error_m"]  # of the four that were not lost
    assert error["mean"] == pytest.approx(0.025) and error["episodes"] == 4
    assert error["median_ci95"] == pytest.approx([0.01, 0.04])
    assert here["file"]["survived"]["episodes"] == 5
    # What the file did is what the policy does, memory included.
    mine = [toy for toy in FLOWN if len(toy.seen) == 3]
    torch_flown, file_flown = mine[0], mine[-1]
    hidden = bundle.policy.initial_state(5)
    for action, same in zip(torch_flown.seen, file_flown.seen, strict=True):
        obs = {name: torch.from_numpy(v) for name, v in file_flown.observe().items()}
        wanted, hidden = bundle.policy.act(obs, hidden)
        np.testing.assert_allclose(action, wanted.numpy(), atol=1e-5)
        np.testing.assert_allclose(same, wanted.numpy(), atol=1e-5)
    said = capsys.readouterr().out
    assert "quadrotor in toy, 5 flights" in said and "MuJoCo" in said and "80.0%" in said


def test_wrong_words_are_refused(capsys: pytest.CaptureFixture) -> None:
    for words, said in (
        (["--simulator", "toyy"], "did you mean toy"),
        (["--simulator", "toy", "--robots", "three"], "'three'"),
        (["--simulator", "toy", "--episodes", "0"], "at least one episode"),
        (["--task", "reacher"], "quadrotor has one"),
    ):
        assert main(["transfer", str(STUDENT), *words]) == 2
        assert said in capsys.readouterr().err
    assert not FLOWN


def test_the_toy_gives_what_the_task_gives() -> None:
    env = make_env("quadrotor", 1)
    assert Toy("one", 2, 0, 0.0).observe()["proprioception"].shape[1] == (
        env.spec["proprioception"].size
    )
    env.close()
