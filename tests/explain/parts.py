"""A network that knows the reacher's scripted teacher, and runs with one fault each."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robo_ts.distill import DatasetConfig, DistillConfig, RollinConfig
from robo_ts.env import make_env
from robo_ts.envs.benchmarks.reacher import ReacherConfig
from robo_ts.envs.benchmarks.reacher.teacher import act
from robo_ts.evaluate import EvaluateConfig
from robo_ts.pipeline.config import GateConfig, PipelineConfig, Run, StudentConfig
from robo_ts.pipeline.pipeline import run_stage
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.sim import EngineConfig

ROUNDS = 60


def _states(num: int, chance: torch.Generator) -> dict[str, Tensor]:
    """States of an arm, near its target more often than not."""
    joints = math.pi * (2.0 * torch.rand(num, 2, generator=chance) - 1.0)
    near = torch.rand(num, 1, generator=chance)
    error = 0.13 * near * torch.randn(num, 2, generator=chance)
    velocity = 4.0 * torch.rand(num, 1, generator=chance) * torch.randn(num, 2, generator=chance)
    told = torch.cat([joints.cos(), joints.sin(), error], dim=1)
    return {"proprioception": told, "privileged": velocity}


def network_teacher(steps: int = 1500) -> Policy:
    """The scripted controller as a network, by regression; 94% success, half a minute or less."""
    chance = torch.Generator().manual_seed(0)
    env = make_env("reacher", 1, engine=EngineConfig(threads=1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sees = env.spec.select(["proprioception", "privileged"])
        policy = Policy(PolicyConfig(encoder=[64, 64], memory="none"), sees, 2)
    env.close()
    assert isinstance(policy.normalizer, Normalizer)
    policy.normalizer.update(policy.inputs(_states(20_000, chance)))
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    for _ in range(steps):
        seen = _states(1024, chance)
        loss = (policy.run(seen)[0].action - act(seen)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return policy.eval()


def save_teacher(policy: Policy, folder: Path) -> Path:
    """The network as a bundle."""
    env = make_env("reacher", 1, engine=EngineConfig(threads=1))
    bundle = PolicyBundle(policy, "reacher", asdict(ReacherConfig()), env.action_contract())
    bundle.lineage["kind"] = "teacher"
    env.close()
    return bundle.save(folder)


def settings(teacher: Path, folder: Path, **changed: Any) -> Run:
    """A run that is sound unless ``changed`` says otherwise: ``student``, ``distill`` and ``task``
    are merged, the rest replaces."""
    student = {"encoder": [32], "memory": "gru", "memory_size": 48} | changed.pop("student", {})
    distill = {
        "num_envs": 64,
        "iterations": ROUNDS,
        "steps_per_iteration": 25,
        "bptt_length": 25,
        "minibatches": 4,
        "learning_rate": 5e-3,
        "normalizer_iterations": 4,
        "rollin": RollinConfig(warmup_iterations=6),
        "dataset": DatasetConfig(window=4),
    } | changed.pop("distill", {})
    config = PipelineConfig(
        task=ReacherConfig(**changed.pop("task", {})),
        engine=EngineConfig(threads=1),
        student=StudentConfig(**student),
        distill=DistillConfig(**distill),
        evaluate=EvaluateConfig(episodes=256, num_envs=256, memory_resets=[]),
        gate=GateConfig(success=0.0, episodes=64),
        teacher_bundle=str(teacher),
        run_dir=str(folder),
        torch_threads=1,
        **changed,
    )
    return Run("reacher", "planted", config)


def distilled(run: Run) -> Path:
    """The folder of a run whose student is done."""
    run_stage(run, "distill")
    return run.run_dir
