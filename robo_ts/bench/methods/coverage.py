"""Does the student know how sure it can be? Coverage of its 90% interval under a hidden cue.

In hidden-cue the teacher walks left or right for a reason the student cannot see, so the student's
interval has to be wide exactly where the ways part. ``nll`` learns from samples of the teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robo_ts.bench.methods.arms import compare, student_of, success, worlds
from robo_ts.distill import (
    DatasetConfig,
    DistillConfig,
    Distiller,
    FunctionTeacher,
    RollinConfig,
)
from robo_ts.envs.benchmarks.hidden_cue.teacher import distribution

TASK = "hidden_cue"
NUM_ENVS, STEPS, ROUNDS, MEASURED, EPISODES = 256, 32, 80, 10, 1024


def run(seeds: Sequence[int] = range(5)) -> dict[str, Any]:
    """Coverage of each loss over the seeds; ``success`` is beside it."""
    losses = ("forward_kl", "nll")
    arms = {loss: lambda seed, loss=loss: _distil(seed, loss) for loss in losses}
    settings = {"task": TASK, "num_envs": NUM_ENVS, "steps": STEPS, "rounds": ROUNDS}
    found = compare(arms, seeds, settings)
    for arm in found["arms"].values():
        for name in ("coverage_90", "imitation_gap"):
            arm[name] = sum(row[name] for row in arm["seeds"]) / len(arm["seeds"])
    return found


def _distil(seed: int, loss: str) -> dict[str, float]:
    """Coverage in fresh states: the mean over the last rounds, measured before each update."""
    env = worlds(TASK, NUM_ENVS, seed)
    student = student_of(TASK, seed, env.env, encoder=[64], memory_size=32, std="state")
    config = DistillConfig(
        num_envs=NUM_ENVS,
        iterations=ROUNDS,
        steps_per_iteration=STEPS,
        bptt_length=STEPS,
        learning_rate=3e-3,
        loss=loss,
        label="sample" if loss == "nll" else "mean",
        rollin=RollinConfig(warmup_iterations=3),
        dataset=DatasetConfig(window=3),
    )
    distiller = Distiller(env, FunctionTeacher(distribution), student, config, seed)
    rows = [distiller.learn_one() for _ in range(ROUNDS)][-MEASURED:]
    env.env.close()
    means = {k: sum(r[k] for r in rows) / MEASURED for k in ("coverage_90", "imitation_gap")}
    return {"success": success(TASK, student, seed, EPISODES), **means}
