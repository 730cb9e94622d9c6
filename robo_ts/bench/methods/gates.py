"""Labels saved by S-Aware Gating at equal success, and PIER against uniform replay, on Reacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robo_ts.bench.methods.arms import compare, student_of, success, worlds
from robo_ts.distill import (
    DatasetConfig,
    DistillConfig,
    Distiller,
    FunctionTeacher,
    GateConfig,
    RollinConfig,
)
from robo_ts.distill.sag import SagConfig
from robo_ts.envs.benchmarks.reacher.teacher import act

TASK = "reacher"
NUM_ENVS, STEPS, ROUNDS, EPISODES = 16, 25, 60, 1024


def run(seeds: Sequence[int] = range(5)) -> dict[str, Any]:
    """Success and labels of each arm over the seeds."""
    arms = {
        "every label": lambda seed: _distil(seed, None, "window"),
        "SAG 0.9": lambda seed: _distil(seed, 0.9, "window"),
        "SAG 0.7": lambda seed: _distil(seed, 0.7, "window"),
        "PIER": lambda seed: _distil(seed, None, "prioritised"),
    }
    settings = {"task": TASK, "num_envs": NUM_ENVS, "steps": STEPS, "rounds": ROUNDS}
    found = compare(arms, seeds, settings)
    for arm in found["arms"].values():
        arm["labels"] = sum(row["labels"] for row in arm["seeds"]) / len(arm["seeds"])
    return found


def _distil(seed: int, sensitivity: float | None, kind: str) -> dict[str, float]:
    env = worlds(TASK, NUM_ENVS, seed)
    student = student_of(TASK, seed, env.env, encoder=[64], memory_size=64, std="state")
    gate = GateConfig()
    if sensitivity is not None:
        sag = SagConfig(target="sensitivity", value=sensitivity)
        gate = GateConfig(kind="sag", labels=True, takes_over=False, tolerance=0.2, sag=sag)
    config = DistillConfig(
        num_envs=NUM_ENVS,
        iterations=ROUNDS,
        steps_per_iteration=STEPS,
        bptt_length=STEPS,
        learning_rate=2e-3,
        loss="nll",
        normalizer_iterations=5,
        rollin=RollinConfig(warmup_iterations=3, gate=gate),
        dataset=DatasetConfig(kind=kind, window=15),
    )
    distiller = Distiller(env, FunctionTeacher(act), student, config, seed)
    labels = 0.0
    for _ in range(ROUNDS):
        labels += distiller.learn_one()["labelled"] * NUM_ENVS * STEPS
    env.env.close()
    return {"success": success(TASK, student, seed, EPISODES), "labels": labels}
