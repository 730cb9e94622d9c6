"""Labels saved by S-Aware Gating at equal success, and PIER against uniform replay, on Reacher.

All arms have the same worlds, rounds and gradient steps. ``random questions`` is the control for
'any labels will do': about as many as SAG's, asked for by chance. ``every label`` is uniform
replay.
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
    GateConfig,
    RollinConfig,
)
from robo_ts.distill.sag import SagConfig
from robo_ts.envs.benchmarks.reacher.teacher import act

TASK = "reacher"
NUM_ENVS, STEPS, ROUNDS, EPISODES = 64, 25, 90, 1024
TOLERANCE = 0.3  # of an action, up to which a plan counts as right


def run(seeds: Sequence[int] = range(5)) -> dict[str, Any]:
    """Success and labels of each arm over the seeds."""
    # With so low a target SAG's threshold is infinite: only the random questions are asked.
    by_chance = SagConfig(target="sensitivity", value=0.5, random_share=0.73)
    arms = {
        "every label": lambda seed: _distil(seed),
        "SAG 0.9": lambda seed: _distil(seed, SagConfig(target="sensitivity", value=0.9)),
        "random questions": lambda seed: _distil(seed, by_chance),
        "PIER": lambda seed: _distil(seed, kind="prioritised"),
    }
    settings = {"task": TASK, "num_envs": NUM_ENVS, "steps": STEPS, "rounds": ROUNDS}
    settings |= {"tolerance": TOLERANCE, "episodes": EPISODES}
    found = compare(arms, seeds, settings)
    for arm in found["arms"].values():
        arm["labels"] = sum(row["labels"] for row in arm["seeds"]) / len(arm["seeds"])
    shares = saved({name: arm["labels"] for name, arm in found["arms"].items()})
    for name, share in shares.items():
        found["arms"][name]["saved"] = share
    return found


def saved(labels: dict[str, float]) -> dict[str, float]:
    """Share of labels that each arm did without, against ``every label``."""
    return {name: 1.0 - count / labels["every label"] for name, count in labels.items()}


def _distil(seed: int, sag: SagConfig | None = None, kind: str = "window") -> dict[str, float]:
    env = worlds(TASK, NUM_ENVS, seed)
    student = student_of(TASK, seed, env.env, encoder=[32], memory_size=48, std="state")
    gate = GateConfig()
    if sag is not None:
        gate = GateConfig(kind="sag", labels=True, takes_over=False, tolerance=TOLERANCE, sag=sag)
    config = DistillConfig(
        num_envs=NUM_ENVS,
        iterations=ROUNDS,
        steps_per_iteration=STEPS,
        bptt_length=STEPS,
        learning_rate=5e-3,
        loss="nll",
        normalizer_iterations=5,
        rollin=RollinConfig(warmup_iterations=3, gate=gate),
        dataset=DatasetConfig(kind=kind, window=8),
    )
    distiller = Distiller(env, FunctionTeacher(act), student, config, seed)
    labels = 0.0
    for _ in range(ROUNDS):
        labels += distiller.learn_one()["labelled"] * NUM_ENVS * STEPS
    env.env.close()
    return {"success": success(TASK, student, seed, EPISODES), "labels": labels}
