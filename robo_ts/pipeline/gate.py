"""Whether a teacher is good enough to learn from, as a whole and member by member."""

from __future__ import annotations

import math
from typing import Any

import torch

from robo_ts.env import get_task
from robo_ts.env.pool import POOL_MEMBER
from robo_ts.errors import GateFailed
from robo_ts.evaluate import Episodes, PolicyActor, run_episodes, summarise
from robo_ts.evaluate.report import proportion
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.worlds import env_maker, is_population
from robo_ts.policies import Policy, PopulationPolicy
from robo_ts.seeds import derive

# How many of the weakest members a result names.
NAMED = 5


def measure_gate(run: Run, policy: Policy) -> dict[str, Any]:
    """The teacher's success in worlds that neither training nor evaluation uses.

    Of a population it also judges every member (``members``) and marks in the policy which of them
    are kept; success is then that of these.
    """
    gate, evaluate = run.config.gate, run.config.evaluate
    episodes = run_episodes(
        PolicyActor(policy),
        env_maker(run, training=False, pooled=is_population(policy)),
        gate.episodes,
        min(gate.episodes, evaluate.num_envs),
        derive(run.config.seed, "gate"),
    )
    outcomes = get_task(run.task).outcomes
    if not isinstance(policy, PopulationPolicy):
        return summarise(episodes, outcomes=outcomes)
    members = judge_members(run, policy, episodes)
    kept = policy.kept.cpu()[episodes.metrics[POOL_MEMBER]]
    found = summarise(episodes, outcomes=outcomes) | {"members": members}
    if bool(kept.any()):
        found["success"] = proportion(episodes.metrics["success"][kept])
    return found


def judge_members(run: Run, policy: PopulationPolicy, episodes: Episodes) -> list[dict[str, Any]]:
    """Every member's figures, the weakest first; those under ``gate.member_success`` are dropped.

    Returns:
        Per member its number, ``success``, ``return``, ``episodes``, whether it is ``kept``, and
        its mean of every metric the task's results are binned by.
    """
    who, count = episodes.metrics[POOL_MEMBER], policy.members
    flown = torch.bincount(who, minlength=count)
    known = {"success": episodes.metrics["success"], "return": episodes.reward}
    known |= {name: episodes.metrics[name] for name in get_task(run.task).bins}
    means = {
        name: torch.bincount(who, value.double(), minlength=count) / flown
        for name, value in known.items()
    }
    good = (means["success"] >= run.config.gate.member_success).to(policy.kept.device)
    policy.kept.logical_and_(good)
    rows = [
        {
            "member": k,
            "episodes": int(flown[k]),
            "kept": bool(policy.kept[k]),
            **{name: float(value[k]) for name, value in means.items()},
        }
        for k in range(count)
    ]
    return sorted(rows, key=lambda row: (row["success"], row["return"]))


def brief(members: list[dict[str, Any]]) -> dict[str, Any]:
    """What a result says about the members: how many, how many are kept, who is weakest."""
    kept = sum(row["kept"] for row in members)
    return {"count": len(members), "kept": kept, "worst": members[:NAMED]}


def check_gate(run: Run, success: dict[str, Any], folder: RunDir) -> None:
    """Stop when the teacher is too weak.

    Raises:
        GateFailed: saying by how much and what to try.
    """
    needed, got = run.config.gate.success, success["mean"]
    if got < needed:
        better = (
            "train longer (teacher.iterations), look at teacher/metrics.jsonl or mend the reward"
        )
        if run.config.teacher_bundle:
            better = "give a better teacher_bundle"
        reached = math.floor(1000.0 * got) / 1000.0
        bundle = folder.stage("teacher") / "bundle"
        raise GateFailed(
            f"a teacher that succeeds in at least {needed:.1%} of the episodes (gate.success)",
            f"{got:.1%} of {success['episodes']} "
            f"(95% interval {success['ci95'][0]:.1%} to {success['ci95'][1]:.1%}), "
            f"{needed - got:.1%} too few; it is kept in {bundle}",
            f"{better}, in another run_dir; or go on with this one: "
            f"teacher_bundle={bundle} "
            f"gate.success={reached:.3f} run_dir=...",
        )


def check_members(run: Run, policy: Policy) -> None:
    """Stop when no member of a population is left to learn from.

    Raises:
        GateFailed: naming the setting.
    """
    if isinstance(policy, PopulationPolicy) and not bool(policy.kept.any()):
        raise GateFailed(
            f"members that succeed in at least {run.config.gate.member_success:.1%} of their "
            "episodes (gate.member_success)",
            f"none of {policy.members}",
            "train longer (apg.iterations) or lower gate.member_success, in another run_dir",
        )
