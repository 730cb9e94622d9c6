"""Do adapters on a frozen teacher mend what predicted inputs break, and do they save labels?

The smallest form of DriveAdapter's experiment (arXiv 2308.00398), on ``ray_navigation``: the
teacher is a small network that knows where the posts are, the student sees range rays. All arms
have the same perception network, worlds, labels and number of gradient steps. A label is the
teacher's action in one control step of one world; where the posts are comes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from robo_ts.bench.methods.arms import ENGINE, compare, student_of, success, worlds
from robo_ts.distill import (
    DatasetConfig,
    DistillConfig,
    Distiller,
    PolicyTeacher,
    RollinConfig,
    Schedule,
)
from robo_ts.envs.benchmarks.ray_navigation.teacher import train_network_teacher
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.statistics import bootstrap_interval, iqm
from robo_ts.policies import Policy
from robo_ts.policies.adapter import AdapterConfig, AdapterPolicy
from robo_ts.seeds import derive

TASK = "ray_navigation"
NUM_ENVS, ROUNDS, EPISODES = 40, 10, 1024
ENCODER, RATE = [128, 128], 1e-3
OURS = "adapters"

_BARE = AdapterConfig(adapters=False, alignment=0.0)
# How each arm is adapted (None: end to end), and the weight of imitating the teacher's action.
ARMS: dict[str, tuple[AdapterConfig | None, float]] = {
    "end to end": (None, 1.0),
    "predicted state": (_BARE, 0.0),
    "predicted state, action loss": (_BARE, 1.0),
    OURS: (AdapterConfig(), 1.0),
    "adapters, no alignment": (AdapterConfig(alignment=0.0), 1.0),
}


def run(seeds: Sequence[int] = range(5), labels: int = 2000, updates: int = 1000) -> dict[str, Any]:
    """Success of each arm over the seeds.

    Args:
        seeds: each with worlds and a teacher of its own.
        labels: of every student; a multiple of worlds times rounds.
        updates: gradient steps of every student, to the nearest number of whole epochs.

    Returns:
        As :func:`robo_ts.bench.methods.arms.compare`, with ``gain`` per arm: what ``adapters``
        succeeds more often, seed by seed, the interquartile mean of that and its 95% interval.

    Raises:
        RoboTSError: for a number of labels that cannot be shared out.
    """
    if labels < 1 or labels % (NUM_ENVS * ROUNDS):
        raise RoboTSError(
            f"a multiple of {NUM_ENVS * ROUNDS} labels", str(labels), "change the budget"
        )
    teacher = cache(partial(train_network_teacher, engine=ENGINE))
    arms = {"teacher": lambda seed: {"success": success(TASK, teacher(seed), seed, EPISODES)}}
    for name in ARMS:
        arms[name] = lambda seed, name=name: _measured(name, teacher(seed), seed, labels, updates)
    settings = {"task": TASK, "num_envs": NUM_ENVS, "rounds": ROUNDS, "episodes": EPISODES}
    found = compare(arms, seeds, settings | {"labels": labels, "updates": updates})
    best = [row["success"] for row in found["arms"][OURS]["seeds"]]
    for arm in found["arms"].values():
        gains = [b - row["success"] for b, row in zip(best, arm["seeds"], strict=True)]
        arm["gain"] = {"seeds": gains, "iqm": iqm(gains), "ci95": list(bootstrap_interval(gains))}
    return found


def train(arm: str, teacher: Policy, seed: int, labels: int, updates: int) -> Policy:
    """One student of :data:`ARMS`: DAgger in which everything is kept; first the teacher drives."""
    adapter, imitation = ARMS[arm]
    env = worlds(TASK, NUM_ENVS, seed)
    student = student_of(TASK, seed, env.env, encoder=ENCODER, memory="none")
    if adapter is not None:
        torch.manual_seed(derive(seed, "student"))  # the same perception as end to end
        student = AdapterPolicy(student.config, student.spec, teacher, adapter)
    steps = labels // (NUM_ENVS * ROUNDS)
    config = DistillConfig(
        num_envs=NUM_ENVS,
        iterations=ROUNDS,
        steps_per_iteration=steps,
        bptt_length=steps,
        # In the k-th round an epoch takes k steps.
        epochs=max(round(updates / (ROUNDS * (ROUNDS + 1) / 2)), 1),
        minibatches=1,
        learning_rate=RATE,
        final_learning_rate=0.1 * RATE,
        loss_weight=Schedule(imitation),
        normalizer_iterations=ROUNDS,
        rollin=RollinConfig(warmup_iterations=1),
        dataset=DatasetConfig(window=ROUNDS),
    )
    distiller = Distiller(env, PolicyTeacher(teacher, NUM_ENVS), student, config, seed)
    for _ in range(ROUNDS):
        distiller.learn_one()
    env.env.close()
    return student.eval()


def _measured(arm: str, teacher: Policy, seed: int, labels: int, updates: int) -> dict[str, float]:
    student = train(arm, teacher, seed, labels, updates)
    found = {"success": success(TASK, student, seed, EPISODES)}
    if isinstance(student, AdapterPolicy):
        error = prediction_error(student, teacher, seed)
        found |= {f"post_{i}_error_m": float(value) for i, value in enumerate(error)}
    return found


@torch.no_grad()
def prediction_error(student: AdapterPolicy, teacher: Policy, seed: int) -> Tensor:
    """Root mean square error of the predicted posts, nearest first, ``(posts,)`` m.

    Taken where the teacher drives 256 fresh worlds for 60 control steps.
    """
    env = worlds(TASK, 256, derive(seed, "prediction"))
    obs, errors = env.get_observations(), []
    for _ in range(60):
        output, _ = student.run(obs)  # type: ignore[arg-type]
        seen = student.predicted(output.latent, student.inputs(obs))  # type: ignore[arg-type]
        gap = seen[:, -obs["privileged"].shape[-1] :] - obs["privileged"]
        errors.append(gap.unflatten(-1, (-1, 2)).square().sum(dim=-1))
        obs = env.step(teacher.act(obs)[0])[0]  # type: ignore[arg-type]
    env.env.close()
    return torch.cat(errors).mean(dim=0).sqrt()
