"""What an environment says while somebody acts in it: the material of most checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import TaskEnv, TaskSpec
from robo_ts.policies import Policy

# Steps whose images are kept; they are large.
_IMAGE_STEPS = 8


@dataclass
class Sample:
    """Some steps of many worlds.

    Attributes:
        env: the worlds, still open.
        spec: what the registry knows of the task.
        first: the observation at the start, all groups, cloned.
        vectors: every vector group, ``(steps, num_envs, size)``.
        images: every image group, ``(a few steps, num_envs, channels, height, width)``.
        actions: what was done, ``(steps, num_envs, num_actions)``, clipped.
        raw: what the policy wanted to do before clipping; empty without one.
        rewards: ``(steps, num_envs)`` as the environment gave them, any shape per step.
        ended: worlds that terminated at each step, ``(steps, num_envs)`` bool.
        episodes: ``evaluate()`` of every episode that ended, one tensor per metric.
        hidden_norm: norm of the policy's memory at each step; empty without one.
    """

    env: TaskEnv
    spec: TaskSpec
    first: TensorDict
    vectors: dict[str, Tensor] = field(default_factory=dict)
    images: dict[str, Tensor] = field(default_factory=dict)
    actions: Tensor = field(default_factory=lambda: torch.zeros(0))
    raw: Tensor = field(default_factory=lambda: torch.zeros(0))
    rewards: list[Tensor] = field(default_factory=list)
    ended: Tensor = field(default_factory=lambda: torch.zeros(0))
    episodes: dict[str, Tensor] = field(default_factory=dict)
    hidden_norm: list[float] = field(default_factory=list)

    @property
    def last(self) -> TensorDict:
        """The groups at the last step kept, rebuilt from what was kept."""
        groups = {n: v[-1] for n, v in (self.vectors | self.images).items()}
        return TensorDict(groups, batch_size=[self.env.num_envs])  # type: ignore[arg-type]


def copied(obs: TensorDict) -> TensorDict:
    """A copy that the environment will not write to.

    ``TensorDict.clone`` adds zero to many tensors at once, which torch cannot do with the uint16 of
    depth images.
    """
    groups = {str(name): value.clone() for name, value in obs.items()}
    return TensorDict(groups, batch_size=obs.batch_size)  # type: ignore[arg-type]


@torch.no_grad()
def take(env: TaskEnv, spec: TaskSpec, policy: Policy | None, steps: int, seed: int) -> Sample:
    """Let a policy act, or chance where there is none, and keep what is seen."""
    obs = env.reset(seed=seed)
    sample = Sample(env, spec, copied(obs))
    act: Callable[[TensorDict], Tensor]
    act = _chance(env, spec, seed) if policy is None else _Driver(policy, env, sample)
    kept: dict[str, list[Tensor]] = {}
    actions, raw, ended = [], [], []
    ends: list[dict[str, Tensor]] = []
    for step in range(steps):
        for name in map(str, obs.keys()):
            image = name in env.spec and env.spec[name].image
            if not image or step % max(1, steps // _IMAGE_STEPS) == 0:
                kept.setdefault(name, []).append(obs[name].clone())
        wanted = act(obs)
        action = wanted if policy is None else policy.clip(wanted)
        result = env.step(action)
        actions.append(action)
        raw.append(wanted)
        ended.append(result.terminated.clone())
        sample.rewards.append(result.reward.clone())
        if "episode" in result.info:
            ends.append(result.info["episode"])
        obs = result.obs
        if isinstance(act, _Driver):
            act.clear(result.done)
    stacked = {name: torch.stack(values) for name, values in kept.items()}
    for name, value in stacked.items():
        image = name in env.spec and env.spec[name].image
        (sample.images if image else sample.vectors)[name] = value
    sample.actions, sample.ended = torch.stack(actions), torch.stack(ended)
    if policy is not None:
        sample.raw = torch.stack(raw)
    if ends:
        sample.episodes = {k: torch.cat([e[k] for e in ends]) for k in ends[0]}
    return sample


def _chance(env: TaskEnv, spec: TaskSpec, seed: int) -> Callable[[TensorDict], Tensor]:
    """Small noise about what the task does untrained, so that worlds live for a while."""
    draw = torch.Generator(device=env.device).manual_seed(seed)

    def act(obs: TensorDict) -> Tensor:
        shape = (env.num_envs, env.num_actions)
        noise = 2.0 * torch.rand(shape, generator=draw, device=env.device) - 1.0
        if spec.plain_action is None:
            return noise
        return (spec.plain_action(env, obs) + 0.3 * noise).clamp(-1.0, 1.0)

    return act


class _Driver:
    """A policy with its memory."""

    def __init__(self, policy: Policy, env: TaskEnv, sample: Sample) -> None:
        self.policy, self.sample = policy, sample
        self.hidden: Any = policy.initial_state(env.num_envs)

    def __call__(self, obs: TensorDict) -> Tensor:
        output, self.hidden = self.policy.run(obs, self.hidden)
        if self.hidden:
            norm = float(self.hidden[0].norm(dim=-1).mean())
            self.sample.hidden_norm.append(norm)
        return output.action

    def clear(self, done: Tensor) -> None:
        self.hidden = self.policy.reset_state(self.hidden, done)
