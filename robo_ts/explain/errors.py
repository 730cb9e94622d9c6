"""What the student does otherwise than the teacher: in which actions, and upon which terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robo_ts.env import TaskEnv
from robo_ts.env.observations import ObservationSpec
from robo_ts.policies import Policy

# Steps at an episode's start that do not count: no memory has seen anything yet.
_SETTLING = 5
# Rows that regressions use at most, drawn evenly.
_ROWS = 20_000


@dataclass
class Seen:
    """Student and teacher side by side in the same states; rows are states.

    Attributes:
        student: its clipped actions, ``(rows, num_actions)``.
        teacher: the teacher's, likewise.
        terms: every vector term of the task, ``group.term`` to ``(rows, size)``.
    """

    student: Tensor
    teacher: Tensor
    terms: dict[str, Tensor]

    @property
    def error(self) -> Tensor:
        """What the student does beyond the teacher, ``(rows, num_actions)``."""
        return self.student - self.teacher


@torch.no_grad()
def watch(
    student: Policy, teacher: Policy, env: TaskEnv, steps: int, teacher_acts: bool, seed: int
) -> Seen:
    """Let one of the two act and ask both, each with a memory of its own."""
    obs = env.reset(seed=seed)
    mine, theirs = student.initial_state(env.num_envs), teacher.initial_state(env.num_envs)
    said: list[tuple[Tensor, Tensor]] = []
    terms: dict[str, list[Tensor]] = {}
    for step in range(steps):
        a, mine = student.act(obs, mine)
        b, theirs = teacher.act(obs, theirs)
        if step >= _SETTLING or steps <= _SETTLING:
            said.append((a, b))
            for name, value in _terms(env.spec, obs).items():
                terms.setdefault(name, []).append(value.clone())
        result = env.step(b if teacher_acts else a)
        obs, done = result.obs, result.done
        mine, theirs = student.reset_state(mine, done), teacher.reset_state(theirs, done)
    return Seen(
        torch.cat([a for a, _ in said]).cpu(),
        torch.cat([b for _, b in said]).cpu(),
        {name: torch.cat(values).float().cpu() for name, values in terms.items()},
    )


def _terms(spec: ObservationSpec, obs: Any) -> dict[str, Tensor]:
    return {
        f"{name}.{term}": obs[name][:, where]
        for name in spec.vectors()
        for term, where in spec[name].slices().items()
    }


def per_action(seen: Seen, names: list[str]) -> list[dict[str, Any]]:
    """Mean absolute error of every action, and what share of the teacher's variance it leaves."""
    error, variance = seen.error, seen.teacher.var(dim=0)
    open_share = error.square().mean(dim=0) / variance.clamp_min(1e-8)
    return [
        {"action": name, "error": float(size), "unexplained": float(share)}
        for name, size, share in zip(names, error.abs().mean(dim=0), open_share, strict=True)
    ]


def unexplained(seen: Seen) -> float:
    """Share of the variance of the teacher's actions that the student's do not account for, over
    all actions; 0 is a perfect copy, 1 no better than a constant."""
    variance = seen.teacher.var(dim=0).sum().clamp_min(1e-8)
    return float(seen.error.square().mean(dim=0).sum() / variance)


def worst_terms(seen: Seen, count: int = 5) -> list[dict[str, Any]]:
    """The observation terms that foretell the student's error best.

    For each term the error of all actions is fitted by least squares on the term's numbers and
    their squares; a term that a student lacks or misreads explains much of its error.

    Returns:
        ``term`` and ``explains`` (share of the error's variance, R squared), greatest first.
    """
    keep = torch.linspace(0, len(seen.student) - 1, min(_ROWS, len(seen.student))).long()
    error = seen.error[keep].double()
    found = [
        {"term": name, "explains": _fit(values[keep].double(), error)}
        for name, values in seen.terms.items()
    ]
    return sorted(found, key=lambda row: -row["explains"])[:count]


def _fit(x: Tensor, y: Tensor) -> float:
    y = y - y.mean(dim=0)
    total = float(y.square().sum())
    x = torch.cat([x, x.square()], dim=1)
    x = x - x.mean(dim=0)
    x = x[:, x.std(dim=0) > 1e-9]
    if not x.shape[1] or total < 1e-12:
        return 0.0
    x = x / x.std(dim=0)
    # A little ridge, because terms may repeat each other.
    gram = x.T @ x + 1e-6 * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    left = y - x @ torch.linalg.solve(gram, x.T @ y)
    return max(0.0, 1.0 - float(left.square().sum()) / total)
