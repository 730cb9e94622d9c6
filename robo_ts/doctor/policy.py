"""Checks of a policy in the worlds it was made for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.doctor.finding import Finding
from robo_ts.doctor.sample import Sample, copied
from robo_ts.env import TaskEnv
from robo_ts.evaluate.statistics import wilson
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.policies.normalizer import Normalizer

# Inputs this many standard deviations off, on average, are not what a policy was trained with.
_FAR = 6.0
# Without a normaliser, inputs of this size leave the layers' working range.
_LARGE = 20.0
# Standard deviations of two inputs apart by more than this drown the smaller one.
_UNEQUAL = 1000.0
_CONSTANT = 1e-6


def contract(bundle: PolicyBundle, env: TaskEnv) -> list[Finding]:
    """The groups, their order and the actions are those of the task as it is now."""
    found, mine = [], bundle.policy.spec
    for name in mine:
        if name not in env.spec:
            found.append(
                Finding(
                    "observation order",
                    name,
                    f"the group {name!r}, which the policy reads",
                    f"a task that emits {', '.join(env.spec)}",
                    "use the version of the task the policy was made with, or train anew",
                )
            )
        elif mine[name] != env.spec[name]:
            found.append(_drift(name, mine[name], env.spec[name]))
    if bundle.policy.num_actions != env.num_actions:
        found.append(
            Finding(
                "action",
                "number of actions",
                f"{env.num_actions}, as the task has",
                str(bundle.policy.num_actions),
                "give a policy of this task",
            )
        )
        return found
    now = env.action_contract()
    for key in ("names", "low", "high", "rate_hz"):
        if key in bundle.action and bundle.action[key] != now.get(key):
            found.append(
                Finding(
                    "action",
                    key,
                    f"{bundle.action[key]}, as the policy was trained with",
                    f"{now.get(key)}",
                    "use the settings of the policy's task, or train anew",
                )
            )
    return found


def _drift(name: str, mine: Any, theirs: Any) -> Finding:
    was, now = [t.name for t in mine.terms], [t.name for t in theirs.terms]
    same = sorted(was) == sorted(now)
    what = "the same terms in another order" if same and was != now else "other terms"
    if was == now:
        what = "the same names with other sizes, units, frames or sensors"
    return Finding(
        "observation order",
        name,
        f"the terms the policy was trained with: {', '.join(was)}",
        f"{what}: {', '.join(now)}",
        "emit the terms as they were, or train anew; shapes may agree where meanings do not",
    )


def numbers(bundle: PolicyBundle) -> list[Finding]:
    """All weights are finite."""
    bad = [
        name
        for name, value in bundle.policy.state_dict().items()
        if value.is_floating_point() and not bool(torch.isfinite(value).all())
    ]
    if not bad:
        return []
    return [
        Finding(
            "finite",
            ", ".join(bad[:4]),
            "finite weights",
            f"NaN or Inf in {len(bad)} tensors",
            "take an earlier checkpoint; lower the learning rate or max_grad_norm",
        )
    ]


def leak(policy: Policy, sample: Sample) -> list[Finding]:
    """What is not in the contract never changes an action; a student reads sensors only."""
    env, obs = sample.env, sample.first
    unread = [name for name in env.spec if name not in policy.spec]
    if not unread:
        return []
    draw = torch.Generator(device=env.device).manual_seed(0)
    changed = copied(obs)
    for name in unread:
        noise = torch.rand(obs[name].shape, generator=draw, device=env.device)
        other = obs[name].roll(1, 0).float() + (255 * noise if env.spec[name].image else noise)
        changed[name] = other.to(obs[name].dtype)
    state = policy.initial_state(env.num_envs)
    with torch.no_grad():
        one, other = (policy.run(o, state)[0].action for o in (obs, changed))
    if torch.equal(one, other):
        return []
    return [
        Finding(
            "leak",
            ", ".join(unread),
            "actions that depend on the groups of the contract only",
            f"actions that move by up to {float((one - other).abs().max()):.2g} when other groups "
            "change and its sensors do not",
            "find where the network reads them; it will fail where they are missing",
        )
    ]


def reads_sensors(bundle: PolicyBundle) -> list[Finding]:
    """A student's contract holds deployable groups only."""
    privileged = bundle.policy.spec.privileged()
    if bundle.lineage.get("kind") != "student" or not privileged:
        return []
    return [
        Finding(
            "leak",
            ", ".join(privileged),
            "a student that reads deployable groups only",
            f"one that reads {', '.join(privileged)}",
            "distil with distill.privileged_student=false; no robot can feed this policy",
        )
    ]


def inputs(policy: Policy, sample: Sample) -> list[Finding]:
    """Inputs are normalised, by statistics that fit what comes in, and none has died."""
    vectors = {n: sample.vectors[n] for n in policy.spec.vectors() if n in sample.vectors}
    if not vectors or len(vectors) != len(policy.spec.vectors()):
        return []
    x = torch.cat([v.flatten(0, 1) for v in vectors.values()], dim=-1).float()
    names = _columns(policy)
    if not isinstance(policy.normalizer, Normalizer):
        return _plain_inputs(x, names)
    untouched = bool((policy.normalizer.mean == 0).all() and (policy.normalizer.scale == 1).all())
    if untouched:
        return [
            Finding(
                "normaliser",
                "normalizer",
                "a normaliser that has seen data",
                "one that was never updated (mean 0, scale 1)",
                "gather statistics while training (distill.normalizer_iterations >= 1), and save "
                "the normaliser with the weights",
            )
        ]
    return _normalised_inputs(policy.normalizer, x, names)


def _columns(policy: Policy) -> list[str]:
    """The term of every column of the concatenated vectors."""
    return [
        f"{name}.{term}"
        for name in policy.spec.vectors()
        for term, where in policy.spec[name].slices().items()
        for _ in range(where.stop - where.start)
    ]


def _plain_inputs(x: Tensor, names: list[str]) -> list[Finding]:
    size, spread = x.abs().mean(dim=0), x.std(dim=0)
    large = sorted({n for n, s in zip(names, size, strict=True) if float(s) > _LARGE})
    moving = spread[spread > _CONSTANT]
    found = []
    if large:
        found.append(
            Finding(
                "unnormalised",
                ", ".join(large),
                f"inputs of a size within {_LARGE:g}, or a normaliser",
                f"mean sizes up to {float(size.max()):.3g} and no normaliser",
                "set student.normalize=true, or scale the terms in the task",
            )
        )
    elif len(moving) > 1 and float(moving.max() / moving.min()) > _UNEQUAL:
        small = names[int((spread + (spread <= _CONSTANT) * 1e9).argmin())]
        found.append(
            Finding(
                "unnormalised",
                small,
                f"inputs whose spreads are within {_UNEQUAL:g} of each other, or a normaliser",
                f"spreads from {float(moving.min()):.2g} to {float(moving.max()):.2g}",
                "set student.normalize=true: the small ones are drowned",
                "warning",
            )
        )
    return found


def _normalised_inputs(normalizer: Normalizer, x: Tensor, names: list[str]) -> list[Finding]:
    z = (x - normalizer.mean) / normalizer.scale
    size = z.abs().mean(dim=0)
    far: dict[str, float] = {}
    for name, value in zip(names, size, strict=True):
        if float(value) > _FAR:
            far[name] = max(far.get(name, 0.0), float(value))
    found = [
        Finding(
            "normaliser",
            name,
            f"inputs within {_FAR:g} standard deviations of what the policy was trained with",
            f"{value:.3g} on average",
            "use the normaliser the policy was trained with; look at units, order and offsets of "
            "the term",
        )
        for name, value in far.items()
    ]
    now = x.amax(dim=0) - x.amin(dim=0)
    # From the scale, not the variance: converted teachers bring the former alone.
    then = normalizer.scale - normalizer.eps
    dead = sorted(
        {n for n, a, b in zip(names, now, then, strict=True) if a <= _CONSTANT and b > 1e-3}
    )
    for name in dead:
        if name not in far:
            found.append(
                Finding(
                    "constant input",
                    name,
                    "an input that varies, as it did in training",
                    "a constant",
                    "look whether the sensor still writes it, or whether the settings differ from "
                    "those of the training",
                    "warning",
                )
            )
    return found


def acting(policy: Policy, sample: Sample) -> list[Finding]:
    """Actions are finite, move, and are not pressed against their limits."""
    raw, clip = sample.raw, policy.config.action_clip
    if not bool(torch.isfinite(raw).all()):
        return [
            Finding(
                "finite",
                "actions",
                "finite actions",
                "NaN or Inf",
                "look at the inputs and the weights; the update diverged",
            )
        ]
    names, found = sample.env.action_contract()["names"], []
    spread = raw.flatten(0, 1).amax(dim=0) - raw.flatten(0, 1).amin(dim=0)
    if bool((spread <= _CONSTANT).all()):
        found.append(
            Finding(
                "action scale",
                "all actions",
                "actions that depend on what is seen",
                "the same in every world and step",
                "look at dead units and dead inputs; the network may have collapsed in training",
            )
        )
    if clip:
        outside = (raw.abs() >= clip).float().mean(dim=(0, 1))
        size = raw.abs().mean(dim=(0, 1))
        for name, share, mean in zip(names, outside, size, strict=True):
            if float(share) > 0.8 or float(mean) > 4.0 * clip:
                found.append(
                    Finding(
                        "saturation",
                        str(name),
                        f"actions mostly within their limits of {clip:g}",
                        f"{float(share):.0%} at or beyond them, mean size {float(mean):.3g}",
                        "look at the labels' scale (radians or shares?), at the teacher's clipping "
                        "and at the reward for saturation",
                        "warning",
                    )
                )
    return found


@torch.no_grad()
def ignored(policy: Policy, sample: Sample) -> list[Finding]:
    """Every group, a camera above all, changes what the policy does."""
    if len(policy.spec) < 2 or sample.env.num_envs < 2:
        return []
    obs = TensorDict(
        {n: sample.first[n] for n in policy.spec},  # type: ignore[arg-type]
        batch_size=[sample.env.num_envs],
    )
    state = policy.initial_state(sample.env.num_envs)
    base = policy.run(obs, state)[0].action
    moved = {}
    for name in policy.spec:
        other = copied(obs)
        other[name] = obs[name].roll(1, 0)
        moved[name] = float((policy.run(other, state)[0].action - base).abs().mean())
    greatest = max(moved.values())
    return [
        Finding(
            "ignored group",
            name,
            "actions that change with every group the policy reads",
            f"a change of {value:.1e} when worlds exchange it (other groups: {greatest:.1e})",
            "the student may get by without it: distil longer, in more worlds, and measure a "
            "student without this group as a control",
            "warning",
        )
        for name, value in moved.items()
        if value < 1e-3 * greatest
    ]


def memory(policy: Policy, sample: Sample) -> list[Finding]:
    """The memory stays bounded and finite."""
    norms = sample.hidden_norm
    if len(norms) < 8:
        return []
    middle, last = norms[len(norms) // 2], norms[-1]
    if last == last and last < 1e3 and last <= 10.0 * max(middle, 1.0):
        return []
    return [
        Finding(
            "memory",
            policy.config.memory,
            "a memory whose norm settles",
            f"{middle:.3g} half way, {last:.3g} after {len(norms)} steps",
            "clear it at episode ends (reset_state with the done mask), and train with sequences "
            "as long as episodes",
            "warning",
        )
    ]


def as_recorded(bundle: PolicyBundle, sample: Sample) -> list[Finding]:
    """A teacher does as well as its gate recorded, in the worlds of its own settings."""
    gate, done = bundle.lineage.get("gate"), sample.episodes.get("success")
    if not isinstance(gate, dict) or done is None or len(done) < 20:
        return []
    mean = float(done.float().mean())
    _, high = wilson(int(done.sum()), len(done), z=3.3)
    if high >= gate["ci95"][0]:
        return []
    return [
        Finding(
            "as recorded",
            "success",
            f"about {gate['mean']:.1%}, which the bundle recorded",
            f"{mean:.1%} of {len(done)} episodes",
            "the task, its settings or its sensors have changed since: use the version that made "
            "the bundle (lineage.commit), or train anew",
        )
    ]


def examine(bundle: PolicyBundle, sample: Sample) -> list[Finding]:
    """Every check of a policy that fits its worlds."""
    policy = bundle.policy
    found = leak(policy, sample) + reads_sensors(bundle) + inputs(policy, sample)
    found += acting(policy, sample) + ignored(policy, sample) + memory(policy, sample)
    return found + as_recorded(bundle, sample)


def named(findings: list[Finding], who: str) -> list[Finding]:
    """The same findings, saying whose they are."""
    return [replace(f, where=f"{who}: {f.where}") for f in findings]


CHECKS = (
    "finite",
    "observation order",
    "action",
    "leak",
    "unnormalised",
    "normaliser",
    "constant input",
    "action scale",
    "saturation",
    "ignored group",
    "memory",
    "as recorded",
)
