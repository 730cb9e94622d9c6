"""Evaluation of one bundle without a run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from robo_ts.cli import main
from robo_ts.env import make_env
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.files import read_json
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.sim import EngineConfig

GUSTS = "gust"


def _bundle(folder: Path, varied: bool) -> PolicyBundle:
    """A policy that learnt without gusts, or with them."""
    env = make_env("quadrotor", 1, engine=EngineConfig(threads=1))
    torch.manual_seed(0)
    config = PolicyConfig(encoder=[8], memory="none")
    policy = Policy(config, env.spec.select(["privileged"]), env.num_actions)
    assert isinstance(policy.normalizer, Normalizer)
    if not varied:  # as a normaliser keeps constants
        gusts = env.spec["privileged"].slices()[GUSTS]
        policy.normalizer.scale[gusts] = policy.normalizer.eps
    made = PolicyBundle(policy, "quadrotor", asdict(QuadrotorConfig()), env.action_contract(), {})
    env.close()
    made.save(folder)
    return made


def _evaluated(bundle: Path, out: Path, gusts: float) -> dict[str, Any]:
    words = ["recipe=smoke", f"bundle={bundle}", f"out={out}", "evaluate.episodes=4"]
    air = (
        f"task.air={{gust_speed: {{low: {gusts}, high: {gusts}}}, drag: {{low: 0.01, high: 0.01}}}}"
    )
    assert main(["evaluate", "task=quadrotor", *words, air]) == 0
    return read_json(out)


def test_inputs_that_never_varied_in_training_say_nothing_in_an_evaluation(tmp_path: Path) -> None:
    """Blown up a hundred times they would decide every action."""
    kept = _bundle(tmp_path / "calm", varied=False)
    found = _evaluated(tmp_path / "calm", tmp_path / "calm.json", gusts=2.0)
    assert isinstance(kept.policy.normalizer, Normalizer)
    kept.policy.normalizer.scale[kept.policy.normalizer.scale < 0.1] = torch.inf
    kept.save(tmp_path / "muted")
    muted = _evaluated(tmp_path / "muted", tmp_path / "muted.json", gusts=2.0)
    assert {**found, "bundle": None} == {**muted, "bundle": None}
    _bundle(tmp_path / "windy", varied=True)
    windy = _evaluated(tmp_path / "windy", tmp_path / "windy.json", gusts=2.0)
    assert {**windy, "bundle": None} != {**found, "bundle": None}


def test_an_evaluation_names_the_bundle_as_it_is_on_disk(tmp_path: Path) -> None:
    _bundle(tmp_path / "calm", varied=False)
    found = _evaluated(tmp_path / "calm", tmp_path / "calm.json", gusts=0.0)
    assert found["bundle"] == PolicyBundle.load(tmp_path / "calm").digest()
