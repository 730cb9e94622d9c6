"""A teacher, students and a distiller that the tests of the loop's parts share."""

from __future__ import annotations

from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill import DistillConfig, Distiller, Label, RollinConfig
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.policy import Output
from tests.distill.vec_env import Chase

N = 32
GLIMPSE = ObservationGroup("glimpse", (Term("position", 2, "m"),), True)
CAMERA = ObservationGroup("camera", (Term("grey", 256),), True, image=(1, 16, 16))


class Knowing:
    """Knows the target: its mean, and how sure it is of it."""

    def __init__(self, std: float | None = 0.2, shift: float = 0.0) -> None:
        self.std, self.shift = std, shift

    def label(self, obs: TensorDict, student: Output) -> Label:
        action = obs["target"] + self.shift
        std = None if self.std is None else torch.full_like(action, self.std)
        return Label(action, None, std, torch.cat([obs["target"], -obs["target"]], dim=-1))

    def reset(self, done: Tensor) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def student_of(*groups: ObservationGroup, **config: Any) -> Policy:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"encoder": [16], "memory_size": 16, "std": "state"}
    return Policy(PolicyConfig(**(settings | config)), ObservationSpec(groups or [GLIMPSE]), 2)


def make(
    teacher: Any = None, student: Policy | None = None, env: Chase | None = None, **config: Any
) -> Distiller:
    settings: dict[str, Any] = {
        "num_envs": N,
        "iterations": 60,
        "steps_per_iteration": 20,
        "bptt_length": 10,
        "minibatches": 2,
        "learning_rate": 1e-2,
        "rollin": RollinConfig(warmup_iterations=1),
    }
    return Distiller(
        env or Chase(N),
        teacher or Knowing(),
        student or student_of(),
        DistillConfig(**(settings | config)),
    )


def last(distiller: Distiller, rounds: int = 40) -> dict[str, float]:
    measured = {}
    for _ in range(rounds):
        measured = distiller.learn_one()
    return measured
