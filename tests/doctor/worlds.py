"""A reacher with a camera, to plant faults in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from robo_ts.doctor import Finding, examine
from robo_ts.env import ObservationGroup, ObservationSpec, TaskSpec, Term
from robo_ts.envs.benchmarks.reacher import TASK, Reacher

CAMERA = ObservationGroup("camera", (Term("grey", 256, "1"),), True, image=(1, 16, 16))


class Seeing(Reacher):
    """A reacher whose student also has a picture of the arm, one bright column per joint."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = ObservationSpec([*self.spec.values(), CAMERA])

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        obs = super()._observe(env_ids)
        column = ((obs["proprioception"][:, :1, None] + 1.0) * 7.5).round()
        across = torch.arange(16.0).expand(len(column), 16, 16)
        return obs | {"camera": ((across == column) * 255).to(torch.uint8)[:, None]}


def planted(env: type[Reacher], **spec: Any) -> TaskSpec:
    """The reacher's task with other worlds."""
    return replace(TASK, build=env, **spec)


def found(task: TaskSpec) -> list[Finding]:
    """What the doctor finds wrong with a task."""
    return list(examine.environment(task).counted)


def names(findings: list[Finding]) -> set[str]:
    """Checks that found something."""
    return {finding.check for finding in findings}
