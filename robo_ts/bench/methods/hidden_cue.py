"""A cue only the teacher sees: imitation stalls at a coin's toss, with reward it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robo_ts.bench.methods.arms import FunctionActor, compare, student_of, success, worlds
from robo_ts.distill import (
    DatasetConfig,
    DistillConfig,
    Distiller,
    FunctionTeacher,
    RollinConfig,
    Schedule,
)
from robo_ts.distill.reinforce import Reinforcer
from robo_ts.distill.reinforce_config import ReinforceConfig
from robo_ts.env import get_task
from robo_ts.envs.benchmarks.hidden_cue.teacher import act, distribution

TASK = "hidden_cue"
NUM_ENVS, STEPS, ROUNDS, EPISODES = 256, 32, 70, 1024
STUDENT = {
    "encoder": [64],
    "memory": "gru",
    "memory_size": 32,
    "std": "constant",
    "initial_std": 0.6,
}


def run(seeds: Sequence[int] = range(5)) -> dict[str, Any]:
    """Success of each arm over the seeds, at equal environment steps."""
    annealed = Schedule(value=0.3, final=0.0, iterations=ROUNDS // 2, shape="linear")
    arms = {
        "teacher": lambda seed: {"success": success(TASK, FunctionActor(act), seed, EPISODES)},
        "DAgger": _dagger,
        "PPO": lambda seed: _reinforce(seed, None),
        "PPO + annealed KL": lambda seed: _reinforce(seed, annealed),
    }
    settings = {"task": TASK, "num_envs": NUM_ENVS, "steps": STEPS, "rounds": ROUNDS}
    return compare(arms, seeds, settings | {"environment_steps": NUM_ENVS * STEPS * ROUNDS})


def _dagger(seed: int) -> dict[str, float]:
    env = worlds(TASK, NUM_ENVS, seed)
    student = student_of(TASK, seed, env.env, **STUDENT)
    config = DistillConfig(
        num_envs=NUM_ENVS,
        iterations=ROUNDS,
        steps_per_iteration=STEPS,
        bptt_length=STEPS,
        learning_rate=2e-3,
        loss="forward_kl",
        rollin=RollinConfig(warmup_iterations=5),
        dataset=DatasetConfig(window=2),
    )
    distiller = Distiller(env, FunctionTeacher(distribution), student, config, seed)
    for _ in range(ROUNDS):
        distiller.learn_one()
    env.env.close()
    return {"success": success(TASK, student, seed, EPISODES)}


def _reinforce(seed: int, kl: Schedule | None) -> dict[str, float]:
    env = worlds(TASK, NUM_ENVS, seed)
    student = student_of(TASK, seed, env.env, **STUDENT)
    config = ReinforceConfig(
        num_envs=NUM_ENVS,
        iterations=ROUNDS,
        steps_per_iteration=STEPS,
        learning_rate=2e-3,
        final_learning_rate=3e-4,
        gamma=0.98,
        entropy=0.003,
        kl=kl or Schedule(value=0.0),
    )
    critic = env.env.spec.select(get_task(TASK).obs_groups["critic"])
    teacher = FunctionTeacher(distribution) if kl else None
    learner = Reinforcer(env, teacher, student, critic, config, seed)
    for _ in range(ROUNDS):
        learner.learn_one()
    env.env.close()
    return {"success": success(TASK, student, seed, EPISODES)}
