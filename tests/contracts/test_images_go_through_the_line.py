"""A task with cameras: both engines see alike, and images pass every stage as they are stored."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensordict import TensorDict
from torch import Tensor

import tests.camera_task as seek
from robo_ts.cli import main
from robo_ts.env import registry
from robo_ts.evaluate import AblatedActor, PolicyActor, run_episodes
from robo_ts.evaluate.ablations import ABLATIONS, image_ablation
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.sim import EngineConfig
from tests.camera_task import Seek, SeekConfig

N = 4
# Both engines hand over poses that differ by their rounding (1e-6 m); an image may change where a
# ray grazes an edge. As a share of the pixels:
CHANGED = 0.002


@pytest.fixture
def env() -> Iterator[Seek]:
    made = Seek(SeekConfig(), N, EngineConfig(threads=1))
    yield made
    made.close()


def drive(env: Seek, steps: int, seed: int = 0) -> list[TensorDict]:
    env.reset(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    seen = []
    for _ in range(steps):
        seen.append(env.step(torch.randn(N, 2, generator=generator)).obs)
    return seen


def test_both_engines_give_the_same_images(env: Seek) -> None:
    other = Seek(SeekConfig(), N, EngineConfig("warp", device="cpu"))
    for one, two in zip(drive(env, 35), drive(other, 35), strict=True):
        for name, limit in (("top_rgb", 2), ("top_depth", 100)):  # of 255; of 65535
            apart = (one[name].int() - two[name].int()).abs() > limit
            assert apart.float().mean() <= CHANGED
    other.close()


def test_worlds_that_end_show_their_last_image_and_then_a_new_one(env: Seek) -> None:
    env.reset(seed=0)
    for _ in range(35):
        step = env.step(torch.zeros(N, 2))
        ids = step.info["final_ids"]
        if len(ids):
            for name in ("top_rgb", "top_depth"):
                last, first = step.info["final_obs"][name].int(), step.obs[name][ids].int()
                assert last.dtype == first.dtype and (last != first).flatten(1).any(dim=1).all()
                assert torch.equal(env.observe()[name].int(), step.obs[name].int())
            return
    raise AssertionError("no episode ended")


def test_cameras_resume_with_their_task(env: Seek) -> None:
    drive(env, 5)
    saved = env.state_dict()
    found = []
    for _ in range(2):
        env.load_state_dict(saved)
        steps = [env.step(torch.ones(N, 2)) for _ in range(30)]
        found.append([step.obs["top_depth"].int() for step in steps])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_what_nobody_reads_is_not_drawn(env: Seek, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    draw = env.cameras.renderer.draw
    monkeypatch.setattr(env.cameras.renderer, "draw", lambda a: (drawn.append(a), draw(a)))
    env.narrow(["state"])
    assert set(env.reset(seed=0).keys()) == {"state"}
    assert set(env.step(torch.zeros(N, 2)).obs.keys()) == {"state"}
    assert not drawn
    env.narrow(["top_depth", "state"])
    assert set(env.reset(seed=0).keys()) == {"state", "top_depth"} and drawn


def looking_policy(env: Seek) -> Policy:
    """Its actions depend on its images."""
    torch.manual_seed(0)
    config = PolicyConfig(encoder=[8], memory_size=8, channels=[4, 4], image_features=16)
    policy = Policy(config, env.spec.select(["state", "top_rgb", "top_depth"]), 2)
    with torch.no_grad():
        for name, weight in policy.images.named_parameters():
            if name.endswith("dense.weight"):
                weight.mul_(10.0)
    return policy.eval()


class Watcher:
    """Keeps what the policy was shown."""

    groups = ("state", "top_rgb", "top_depth")

    def __init__(self) -> None:
        self.shown: list[TensorDict] = []

    def begin(self, num: int) -> None: ...

    def act(self, obs: TensorDict) -> Tensor:
        self.shown.append(obs)
        return torch.zeros(len(obs), 2)

    def clear(self, done: Tensor) -> None: ...


@pytest.mark.parametrize("kind", ABLATIONS)
def test_ablations_lie_about_images_only(env: Seek, kind: str) -> None:
    watcher = Watcher()
    actor = AblatedActor(watcher, ["top_rgb", "top_depth"], kind)
    obs = env.reset(seed=0)
    actor.begin(N)
    true = []
    for _ in range(32):
        true.append({name: obs[name].clone() for name in env.spec})
        actor.act(obs)
        step = env.step(torch.ones(N, 2))
        actor.clear(step.done)
        obs = step.obs
    starts = [0] * N
    for step, (shown, seen) in enumerate(zip(watcher.shown, true, strict=True)):
        assert torch.equal(shown["state"], seen["state"])
        for world in range(N):
            if step and float((seen["privileged"] - true[step - 1]["privileged"])[world].norm()):
                starts[world] = step  # the ball moves when an episode begins
            for name in ("top_rgb", "top_depth"):
                expected = {
                    "blank": torch.zeros_like(seen[name][world].int()),
                    "frozen": true[starts[world]][name][world].int(),
                    "other": seen[name][world - 1].int(),
                }[kind]
                assert torch.equal(shown[name][world].int(), expected)
    assert max(starts) > 0


def test_ablations_are_measured_for_all_cameras_and_each_alone(env: Seek) -> None:
    def make(num: int, seed: int) -> Seek:
        return Seek(SeekConfig(episode_steps=4), num, EngineConfig(threads=1), seed)

    found = image_ablation(looking_policy(env), make, 5, 4, 0)
    assert list(found) == ["seen", *ABLATIONS, "without top_rgb", "without top_depth"]
    assert all(report["success"]["episodes"] == 5 for report in found.values())


def test_a_policy_that_looks_acts_differently_under_every_lie(env: Seek) -> None:
    obs = drive(env, 8)
    actions = {}
    for kind in (None, *ABLATIONS):
        actor = PolicyActor(looking_policy(env))
        actor = actor if kind is None else AblatedActor(actor, ["top_rgb", "top_depth"], kind)
        actor.begin(N)
        actions[kind] = torch.stack([actor.act(one) for one in obs])
    for kind in ABLATIONS:
        assert (actions[kind] - actions[None]).abs().max() > 1e-3


def test_one_seed_gives_one_set_of_episodes(env: Seek) -> None:
    def make(num: int, seed: int) -> Seek:
        return Seek(SeekConfig(episode_steps=6), num, EngineConfig(threads=1), seed)

    shown = []
    for _ in range(2):
        watcher = Watcher()
        run_episodes(watcher, make, N, N, 3)
        shown.append([one["top_depth"].int() for one in watcher.shown])
    assert all(torch.equal(a, b) for a, b in zip(*shown, strict=True))


class Point:
    """An entry point, as an installed package declares it."""

    def load(self) -> Any:
        return dataclasses.replace(seek.TASK)


@pytest.mark.slow
def test_the_whole_line_runs_on_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "foreign_tasks", lambda: {"seek": Point()})
    run = tmp_path / "run"
    words = ["task=seek", "recipe=smoke", f"run_dir={run}", "torch_threads=1", "engine.threads=1"]
    assert main(["pipeline", *words]) == 0
    student = PolicyBundle.load(run / "student" / "bundle").policy
    assert student.spec.images() == ["top_rgb", "top_depth"]
    stored = np.load(run / "student" / "data-0" / "obs.top_depth.npy", mmap_mode="r")
    assert stored.dtype == np.uint16 and stored.shape[2:] == (1, 24, 24) and stored.any()
    golden = np.load(run / "export" / "golden.npz")
    assert golden["image.top_rgb"].dtype == np.uint8 and golden["image.top_rgb"].any()
    assert golden["image.top_depth"].dtype == np.uint16
    measured = json.loads((run / "eval" / "images.json").read_text())
    assert set(measured) == {"seen", *ABLATIONS, "without top_rgb", "without top_depth"}
    assert "What the cameras are worth" in (run / "report.html").read_text()
