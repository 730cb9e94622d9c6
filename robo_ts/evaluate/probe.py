"""What a memory knows: a linear reading of a policy's hidden state, against time.

A student with memory can find out what no sensor tells. How much it has found out after so many
seconds is the share of a privileged quantity's variance that a linear function of the hidden state
explains (R^2), fitted on one half of the worlds and measured on the other (Alain and Bengio 2016,
arXiv 1610.01644).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy

# Of the hidden state's variance, added to it: near-copies among its numbers do no harm then.
_RIDGE = 1e-6
# Worlds per hidden number below which a fit says more about the worlds than about the memory.
_WORLDS_PER_NUMBER = 10


class Moment(NamedTuple):
    """Worlds whose first episode still goes on.

    Attributes:
        hidden: ``(worlds, width)``.
        truth: ``(worlds, columns)``, the privileged numbers.
    """

    hidden: Tensor
    truth: Tensor


@torch.no_grad()
def probe(env: TaskEnv, policy: Policy, times: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """R^2 of every privileged term at every time.

    Args:
        env: many worlds; half of them are fitted on.
        policy: with a memory.
        times: s after an episode's start.
        seed: of the worlds.

    Returns:
        ``times``, ``worlds`` still flying at each, and ``r2``: per term ``group.term`` one number
        per time, the mean over the term's columns; None where the truth is the same in all worlds
        or too few are left.

    Raises:
        RoboTSError: for a policy without memory, too few worlds, or times outside an episode.
    """
    width = _check(env, policy, times)
    steps = [max(round(t / env.step_dt), 1) for t in times]
    names = _columns(env)
    moments = _watch(env, policy, steps, seed)
    r2: dict[str, list[float | None]] = {name: [] for name, _ in names}
    for step in steps:
        moment = moments[step]
        enough = len(moment.hidden) >= _WORLDS_PER_NUMBER * width
        scores = explained(moment.hidden, moment.truth) if enough else None
        for name, columns in names:
            mean = float(scores[columns].nanmean()) if scores is not None else float("nan")
            r2[name].append(mean if mean == mean else None)
    return {
        "times": [step * env.step_dt for step in steps],
        "worlds": [len(moments[step].hidden) for step in steps],
        "r2": r2,
    }


def explained(hidden: Tensor, truth: Tensor) -> Tensor:
    """R^2 per column of ``truth (worlds, columns)``, of a linear function of ``hidden (worlds,
    width)``: fitted on the even worlds, measured on the odd ones. NaN for constant columns."""
    x, y = hidden.double(), truth.double()
    fit, test = slice(0, None, 2), slice(1, None, 2)
    mean, spread = x[fit].mean(dim=0), x[fit].std(dim=0).clamp_min(1e-9)
    x = (x - mean) / spread
    level = y[fit].mean(dim=0)
    gram = x[fit].T @ x[fit]
    gram += _RIDGE * len(x) * torch.eye(len(gram), dtype=x.dtype, device=x.device)
    weights = torch.linalg.solve(gram, x[fit].T @ (y[fit] - level))
    wrong = (y[test] - level - x[test] @ weights).square().sum(dim=0)
    whole = (y[test] - level).square().sum(dim=0)
    constant = y.std(dim=0) <= 1e-5 * (1e-3 + y.abs().amax(dim=0))
    return torch.where(constant, torch.nan, 1.0 - wrong / whole)


def _columns(env: TaskEnv) -> list[tuple[str, slice]]:
    found, begin = [], 0
    for name in env.spec.privileged():
        for term in env.spec[name].terms:
            found.append((f"{name}.{term.name}", slice(begin, begin + term.size)))
            begin += term.size
    return found


def _watch(env: TaskEnv, policy: Policy, steps: Sequence[int], seed: int) -> dict[int, Moment]:
    """The moments after ``steps`` control steps."""
    obs, hidden = env.reset(seed=seed), policy.initial_state(env.num_envs)
    first = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    moments = {}
    for index in range(max(steps)):
        action, hidden = policy.act(obs, hidden)
        if index + 1 in steps:  # what it knows once it has seen what the truth belongs to
            truth = torch.cat([obs[name] for name in env.spec.privileged()], dim=-1)
            memory = torch.cat([part.transpose(0, 1).flatten(1) for part in hidden], dim=-1)
            moments[index + 1] = Moment(memory[first], truth[first])
        step = env.step(action)
        obs, first = step.obs, first & ~step.done
        hidden = policy.reset_state(hidden, step.done)
    return moments


def _check(env: TaskEnv, policy: Policy, times: Sequence[float]) -> int:
    if not policy.is_recurrent:
        raise RoboTSError(
            "a policy with memory", "one without", "probe a recurrent student; see student.memory"
        )
    if not env.spec.privileged():
        raise RoboTSError(
            "a task with privileged groups",
            f"{env.name}, which has {', '.join(env.spec)}",
            "probe a task that knows more than its sensors say",
        )
    longest = env.max_episode_steps * env.step_dt
    if not times or min(times) <= 0.0 or max(times) > longest:
        raise RoboTSError(
            f"times within an episode of {longest:g} s", f"{list(times)}", "give others"
        )
    width = sum(part.shape[0] * part.shape[2] for part in policy.initial_state(1))
    if env.num_envs < 2 * _WORLDS_PER_NUMBER * width:
        raise RoboTSError(
            f"at least {2 * _WORLDS_PER_NUMBER * width} worlds for a memory of {width} numbers",
            str(env.num_envs),
            "raise --num-envs",
        )
    return width
