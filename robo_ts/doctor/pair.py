"""Checks of a teacher and a student that are to learn from each other."""

from __future__ import annotations

from typing import Any

import torch

from robo_ts.distill import PolicyTeacher
from robo_ts.distill.teachers import Teacher
from robo_ts.doctor.finding import Finding
from robo_ts.doctor.sample import Sample
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Output

# A teacher's standard deviation beyond this share of the action's half range is noise, not skill.
_WIDE = 0.7
# Means of two normalisers this many scales apart were not gathered in the same task.
_APART = 5.0
CHECKS = (
    "task",
    "lineage",
    "labels in reach",
    "teacher std",
    "normaliser mismatch",
    "recurrent teacher",
    "teacher memory",
)


def examine(teacher: PolicyBundle, student: PolicyBundle, sample: Sample) -> list[Finding]:
    """What only shows when the two are side by side in the teacher's worlds.

    Args:
        teacher: who labels.
        student: who learns.
        sample: worlds in which the teacher acted.
    """
    found = reach(teacher.policy, student.policy, sample)
    found += spread(teacher.policy, sample)
    found += normalisers(teacher.policy, student.policy)
    found += recurrence(teacher.policy)
    return found + memory(PolicyTeacher(teacher.policy, sample.env.num_envs), sample)


def tasks(teacher: PolicyBundle, student: PolicyBundle) -> list[Finding]:
    """Both were made for one task with one meaning of actions."""
    if teacher.task != student.task:
        return [
            Finding(
                "task",
                "task",
                f"a student of the teacher's task {teacher.task!r}",
                repr(student.task),
                "give two policies of one task",
            )
        ]
    found = [
        Finding(
            "task",
            f"action {key}",
            f"{teacher.action[key]}, as the teacher means it",
            f"{student.action[key]}",
            "distil in the task the teacher was made for: a label in other units teaches nothing",
        )
        for key in ("names", "meaning", "low", "high", "rate_hz")
        if key in teacher.action
        and key in student.action
        and teacher.action[key] != student.action[key]
    ]
    changed = _differences(teacher.task_config, student.task_config)
    if changed:
        found.append(
            Finding(
                "task",
                "settings",
                "a student measured in the worlds its teacher was measured in",
                f"other settings: {', '.join(changed[:6])}",
                "fine if it is meant so; measure the teacher in the student's worlds too",
                "note",
            )
        )
    return found


def _differences(one: Any, other: Any, prefix: str = "") -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        names = []
        for key in sorted({*one, *other}):
            names += _differences(one.get(key), other.get(key), f"{prefix}{key}.")
        return names
    return [prefix.rstrip(".")] if one != other else []


def lineage(teacher: PolicyBundle, student: PolicyBundle) -> list[Finding]:
    """The student was made of this teacher."""
    parent = student.lineage.get("teacher")
    if not isinstance(parent, str) or parent == teacher.digest():
        return []
    return [
        Finding(
            "lineage",
            "teacher",
            f"the teacher {parent[:12]} that the student was made of",
            f"another one, {teacher.digest()[:12]}",
            "compare the student with its own teacher",
            "warning",
        )
    ]


def reach(teacher: Policy, student: Policy, sample: Sample) -> list[Finding]:
    """The student can give every label."""
    bound, said = student.config.action_clip, teacher.clip(sample.raw)
    if not bound:
        return []
    beyond = (said.abs() > bound * 1.001).float().mean(dim=(0, 1))
    names = sample.env.action_contract()["names"]
    return [
        Finding(
            "labels in reach",
            str(name),
            f"labels within the student's limits of {bound:g}",
            f"{float(share):.0%} beyond them, up to {float(said[..., i].abs().max()):.3g}",
            "give both the same action_clip and units, or scale the teacher's actions",
        )
        for i, (name, share) in enumerate(zip(names, beyond, strict=True))
        if float(share) > 0.01
    ]


@torch.no_grad()
def spread(teacher: Policy, sample: Sample) -> list[Finding]:
    """A teacher's standard deviation is positive and of a size that says something."""
    state = teacher.initial_state(sample.env.num_envs)
    std = teacher.run(sample.first, state)[0].std
    if std is None:
        return []
    bound = teacher.config.action_clip or 1.0
    if not bool((std > 0).all()) or not bool(torch.isfinite(std).all()):
        return [
            Finding(
                "teacher std",
                "std",
                "positive, finite standard deviations",
                f"as small as {float(std.min()):.2g}",
                "mend the teacher's head; KL losses divide by it",
            )
        ]
    if float(std.mean()) <= _WIDE * bound:
        return []
    return [
        Finding(
            "teacher std",
            "std",
            f"a standard deviation below {_WIDE * bound:g} (actions reach {bound:g})",
            f"{float(std.mean()):.2g} on average",
            "learn from its mean (distill.label=mean, loss=mse), or let PPO lower its entropy "
            "before it teaches; never let it act with this noise",
            "warning",
        )
    ]


def normalisers(teacher: Policy, student: Policy) -> list[Finding]:
    """What both read is normalised alike."""
    one, other = teacher.normalizer, student.normalizer
    if not isinstance(one, Normalizer) or not isinstance(other, Normalizer):
        return []
    mine, theirs = _terms(teacher), _terms(student)
    found = []
    for name in mine.keys() & theirs.keys():
        a, b = mine[name], theirs[name]
        if a.stop - a.start != b.stop - b.start:
            continue
        scale = torch.maximum(one.scale[a], other.scale[b])
        apart = float(((one.mean[a] - other.mean[b]).abs() / scale).max())
        ratio = float((one.scale[a] / other.scale[b]).log().abs().max().exp())
        if apart > _APART or ratio > 30.0:
            found.append(
                Finding(
                    "normaliser mismatch",
                    name,
                    "the same statistics of a term that both read",
                    f"means {apart:.3g} scales apart, scales {ratio:.3g} to 1",
                    "look whether one was trained with another unit, or without its normaliser "
                    "(rsl_rl and SB3 keep it apart from the weights)",
                )
            )
    return found


def _terms(policy: Policy) -> dict[str, slice]:
    """Where each term lies in the concatenated vectors."""
    begin, found = 0, {}
    for name in policy.spec.vectors():
        for term, where in policy.spec[name].slices().items():
            found[f"{name}.{term}"] = slice(begin + where.start, begin + where.stop)
        begin += policy.spec[name].size
    return found


def recurrence(teacher: Policy) -> list[Finding]:
    """A teacher with memory is something to know about."""
    if not teacher.is_recurrent:
        return []
    return [
        Finding(
            "recurrent teacher",
            f"memory {teacher.config.memory}",
            "a teacher without memory, whose label depends on the state alone",
            f"one with a memory of {teacher.config.memory_size}",
            "distil with robo_ts, which keeps its memory across updates (rsl_rl 5.5.1 loses it), "
            "not with distiller=windows; the teacher remembers what the student did, so measure "
            "it with the student acting",
            "warning",
        )
    ]


@torch.no_grad()
def memory(teacher: Teacher, sample: Sample) -> list[Finding]:
    """A teacher's word at an episode's start does not depend on the episode before; and its state
    survives being saved."""
    num = sample.env.num_envs
    student = Output(sample.actions[0], None, torch.zeros(num, 1))
    first = teacher.label(sample.first, student).action.clone()
    for _ in range(4):
        teacher.label(sample.first, student)
    saved = teacher.state_dict()
    here = teacher.label(sample.first, student).action.clone()
    found = []
    teacher.load_state_dict(saved)
    if not torch.equal(here, teacher.label(sample.first, student).action):
        found.append(
            Finding(
                "teacher memory",
                "state_dict",
                "the same label after its state was saved and loaded",
                "another one",
                "put the whole memory into state_dict(), as copies",
            )
        )
    teacher.reset(torch.ones(num, dtype=torch.bool, device=sample.env.device))
    if not torch.allclose(first, teacher.label(sample.first, student).action, atol=1e-6):
        found.append(
            Finding(
                "teacher memory",
                "reset",
                "a memory that is cleared where an episode ends",
                "a label at the start that depends on the episode before",
                "clear the memory of the worlds that reset(done) names",
            )
        )
    return found
