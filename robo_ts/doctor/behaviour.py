"""Checks of how an environment behaves: rewards, resets, chance, actions, success."""

from __future__ import annotations

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.doctor.finding import Finding
from robo_ts.doctor.sample import Sample, copied
from robo_ts.env import TaskEnv

# Control steps in which an action may still show nothing, for delays and slow actuators.
_REACTS_WITHIN = 8
_SEED = 12345


def rewards(sample: Sample) -> list[Finding]:
    """Rewards have one number per world, are finite and vary."""
    shape = (sample.env.num_envs,)
    wrong = next((r for r in sample.rewards if tuple(r.shape) != shape), None)
    if wrong is not None:
        return [
            Finding(
                "reward",
                "reward",
                f"a reward of shape {shape}",
                f"shape {tuple(wrong.shape)}",
                "reduce it to one number per world; (N, 1) and (N,) multiply to (N, N)",
            )
        ]
    every = torch.stack(sample.rewards)
    if not bool(torch.isfinite(every).all()):
        return [
            Finding(
                "reward", "reward", "finite rewards", "NaN or Inf", "look at logs and divisions"
            )
        ]
    if len(every) > 1 and float(every.max() - every.min()) == 0.0:
        return [
            Finding(
                "reward",
                "reward",
                "a reward that varies",
                f"{float(every[0, 0]):g} in every world and step",
                "look at the weights; all may be zero",
                "warning",
            )
        ]
    return []


def births(sample: Sample) -> list[Finding]:
    """Episodes do not end as they begin."""
    early = float(sample.ended[0].float().mean())
    if early <= 0.2:
        return []
    return [
        Finding(
            "births",
            "termination",
            "episodes that live for more than one step",
            f"{early:.0%} that terminate in their first step",
            "look at the start states (inside the ground, beyond a limit) and at _terminated()",
        )
    ]


def success(sample: Sample) -> list[Finding]:
    """Success is not given away to somebody who acts at random."""
    done = sample.episodes.get("success")
    if done is None or len(done) < 20 or float(done.float().mean()) <= 0.5:
        return []
    return [
        Finding(
            "success",
            "evaluate()['success']",
            "a task that nobody solves by chance",
            f"success in {float(done.float().mean()):.0%} of {len(done)} episodes of random acting",
            "tighten the rule of success; no policy can be told from chance by it",
            "warning",
        )
    ]


def metrics(sample: Sample) -> list[Finding]:
    """``evaluate()`` says what it must."""
    got, found = sample.env.evaluate(), []
    for name in ("success", "success_ever", "failure"):
        value = got.get(name)
        shape = (sample.env.num_envs,)
        if value is None or tuple(value.shape) != shape:
            found.append(
                Finding(
                    "metrics",
                    name,
                    f"evaluate() with {name!r} of shape {shape}",
                    "none" if value is None else f"shape {tuple(value.shape)}",
                    "return one value per world",
                )
            )
    names = sample.env.failure_names
    failure = got.get("failure")
    if failure is not None and int(failure.max()) >= len(names):
        found.append(
            Finding(
                "metrics",
                "failure",
                f"an index into failure_names, 0 to {len(names) - 1}",
                str(int(failure.max())),
                "name every class of failure in failure_names",
            )
        )
    error = sample.spec.error_metric
    if error and error not in got:
        found.append(
            Finding(
                "metrics",
                error,
                f"evaluate() with the error_metric {error!r} of the task",
                f"{', '.join(got)}",
                "correct error_metric, or measure it",
            )
        )
    return found


def actions(sample: Sample) -> list[Finding]:
    """The action contract fits, and every action does something."""
    env, found = sample.env, []
    contract = env.action_contract()
    for key in ("names", "low", "high"):
        if len(contract.get(key, [])) != env.num_actions:
            found.append(
                Finding(
                    "action",
                    key,
                    f"an action contract with {env.num_actions} {key}",
                    f"{len(contract.get(key, []))}",
                    "name every action, with its range",
                )
            )
    if found:
        return found
    rest = torch.zeros(env.num_envs, env.num_actions, device=env.device)
    still = _after(env, rest)
    for i, name in enumerate(contract["names"]):
        one = rest.clone()
        one[:, i] = 0.5
        if _same(still, _after(env, one)):
            found.append(
                Finding(
                    "action",
                    str(name),
                    "an action that changes what is seen",
                    f"none in {_REACTS_WITHIN} steps",
                    "write it to the controls in _apply_action(); look at gear and actuator order",
                )
            )
    return found


def _after(env: TaskEnv, action: Tensor) -> TensorDict:
    """What is seen some steps after the same start."""
    obs = env.reset(seed=_SEED)
    for _ in range(min(_REACTS_WITHIN, env.max_episode_steps - 1) or 1):
        obs = env.step(action).obs
    return copied(obs)


def saturation_at_rest(sample: Sample) -> list[Finding]:
    """Actions in [-1, 1] reach the actuators with some of their range."""
    env, model = sample.env, sample.env.sim.model
    if not model.nu or not model.actuator_ctrllimited.all():
        return []
    env.reset(seed=_SEED)
    draw = torch.Generator(device=env.device).manual_seed(_SEED)
    shape = (env.num_envs, env.num_actions)
    low, high = (torch.tensor(model.actuator_ctrlrange[:, k]).float() for k in (0, 1))
    at_limit, seen = torch.zeros(model.nu), 0
    for _ in range(10):
        env.step(torch.rand(shape, generator=draw, device=env.device) - 0.5)
        ctrl = env.sim.read("ctrl").cpu()
        room = 1e-3 * (high - low)
        at_limit += ((ctrl <= low + room) | (ctrl >= high - room)).float().mean(dim=0)
        seen += 1
    share = at_limit / seen
    worst = int(share.argmax())
    if float(share[worst]) <= 0.5:
        return []
    return [
        Finding(
            "action scale",
            model.actuator(worst).name or f"actuator {worst}",
            "half of the action's range to stay within the actuator's",
            f"{float(share[worst]):.0%} of the controls at a limit for actions in [-0.5, 0.5]",
            "lower the action's scale, or widen ctrlrange",
        )
    ]


def chance(sample: Sample) -> list[Finding]:
    """The same seed is the same start, another seed another one, and worlds differ."""
    env, found = sample.env, []
    one, again, other = (copied(env.reset(seed=s)) for s in (_SEED, _SEED, _SEED + 1))
    if not _same(one, again):
        found.append(
            Finding(
                "seed",
                "reset",
                "the same start for the same seed",
                "another one",
                "draw from reset_rng only: not from torch's, numpy's or Python's own generator",
            )
        )
    elif _same(one, other):
        found.append(
            Finding(
                "seed",
                "reset",
                "another start for another seed",
                "the same one",
                "draw starts from reset_rng; a student that sees one start learns one path",
                "warning",
            )
        )
    alike = all(bool((one[n] == one[n][:1]).all()) for n in env.spec)
    if env.num_envs > 1 and alike:
        found.append(
            Finding(
                "seed",
                "reset",
                "worlds that start apart",
                f"all {env.num_envs} worlds alike",
                "draw one start per world, of shape (len(env_ids), ...)",
                "warning",
            )
        )
    return found


def partial_reset(sample: Sample) -> list[Finding]:
    """A reset of some worlds leaves the others as they are."""
    env = sample.env
    if env.num_envs < 2:
        return []
    env.reset(seed=_SEED)
    action = torch.zeros(env.num_envs, env.num_actions, device=env.device)
    env.step(action)
    before = env.sim.read("qpos").clone()
    env.reset(env_ids=torch.tensor([0], device=env.device))
    after = env.sim.read("qpos")
    moved = (before[1:] != after[1:]).flatten(1).any(dim=1)
    if not bool(moved.any()):
        return []
    return [
        Finding(
            "partial reset",
            "reset(env_ids=[0])",
            "other worlds to stay as they are",
            f"{int(moved.sum())} other worlds that moved",
            "write states with env_ids, not to all worlds",
        )
    ]


def _same(one: TensorDict, other: TensorDict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one.keys())  # noqa: SIM118


CHECKS = {
    "reward": rewards,
    "births": births,
    "success": success,
    "metrics": metrics,
    "action": actions,
    "action scale": saturation_at_rest,
    "seed": chance,
    "partial reset": partial_reset,
}
