"""What a policy does when its eyes lie: blank images, a frozen first one, or another world's.

A policy that really looks fails under all three. A blank image is unlike anything seen in training,
so it alone shows little; another world's images look like good ones and are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.checks import check_one_of
from robo_ts.env.base import TaskEnv
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.actors import Actor, PolicyActor
from robo_ts.evaluate.protocol import run_episodes
from robo_ts.evaluate.report import summarise
from robo_ts.policies import Policy

ABLATIONS = ("blank", "frozen", "other")


class AblatedActor:
    """An actor that is shown something else in some observation groups, most often its images.

    Args:
        actor: who acts.
        groups: the groups that lie.
        kind: ``blank`` (zeros), ``frozen`` (what was seen when the episode began) or ``other``
            (what the next world sees now).

    Raises:
        RoboTSError: for another kind, or no groups.
    """

    def __init__(self, actor: Actor, groups: Sequence[str], kind: str) -> None:
        check_one_of("an ablation", kind, ABLATIONS)
        if not groups:
            raise RoboTSError("observation groups to ablate", "none", "name the image groups")
        self.actor, self.lying, self.kind = actor, list(groups), kind
        read = getattr(actor, "groups", None)
        if read is not None:
            self.groups: list[str] = list(read)
        self._kept: dict[str, Tensor] = {}
        self._fresh = torch.zeros(0, dtype=torch.bool)

    def begin(self, num: int) -> None:
        if self.kind == "other" and num < 2:
            raise RoboTSError(
                "two worlds or more, one of which sees the other's images",
                str(num),
                "raise evaluate.num_envs and episodes",
            )
        self._kept = {}
        self._fresh = torch.ones(num, dtype=torch.bool)
        self.actor.begin(num)

    def act(self, obs: TensorDict) -> Tensor:
        shown = obs.copy()  # the tensors are shared: what is changed is made anew below
        for name in self.lying:
            shown[name] = self._shown(name, obs[name])
        self._fresh = torch.zeros_like(self._fresh)
        return self.actor.act(shown)

    def clear(self, done: Tensor) -> None:
        self._fresh = self._fresh | done.to(self._fresh.device)
        self.actor.clear(done)

    def _shown(self, name: str, now: Tensor) -> Tensor:
        if self.kind == "blank":
            return torch.zeros_like(now)
        images = _signed(now)
        if self.kind == "other":
            return images.roll(1, 0).view(now.dtype)
        kept = self._kept.get(name)
        if kept is None:
            kept = images.clone()
        else:
            fresh = self._fresh.to(now.device).reshape(-1, *[1] * (now.dim() - 1))
            kept = torch.where(fresh, images, kept)
        self._kept[name] = kept
        return kept.view(now.dtype)


def _signed(images: Tensor) -> Tensor:
    """The same memory in a kind that torch can work on: uint16 is not everywhere."""
    return images.view(torch.int16) if images.dtype == torch.uint16 else images


def image_ablation(
    policy: Policy,
    make_env: Callable[[int, int], TaskEnv],
    episodes: int,
    num_envs: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    ablated: Sequence[str] = (),
) -> dict[str, Any]:
    """Success with true images (``seen``) and with each lie in all of them, on the same worlds.

    Where there are several cameras each is also taken away alone (``without <group>``).

    Args:
        policy: who is measured.
        make_env: ``(num_envs, seed) -> env``.
        episodes: whole episodes per lie.
        num_envs: worlds at once.
        seed: of the worlds.
        progress: told how many episodes have ended.
        ablated: the groups that lie, such as point clouds; the policy's images when empty.

    Returns:
        What :func:`summarise` says, by name; empty for a policy that reads none of them.
    """
    groups = ablated_groups(policy, ablated)
    if not groups:
        return {}
    # No batch may hold a single world, which would have no other one to look at.
    num_envs = min(num_envs, episodes)
    while num_envs > 2 and episodes % num_envs == 1:
        num_envs -= 1
    actors: dict[str, Actor] = {"seen": PolicyActor(policy)}
    actors |= {kind: AblatedActor(PolicyActor(policy), groups, kind) for kind in ABLATIONS}
    if len(groups) > 1:
        for group in groups:
            actors[f"without {group}"] = AblatedActor(PolicyActor(policy), [group], "blank")
    return {
        name: summarise(run_episodes(actor, make_env, episodes, num_envs, seed, progress))
        for name, actor in actors.items()
    }


def ablated_groups(policy: Policy, ablated: Sequence[str] = ()) -> list[str]:
    """Those of ``ablated`` that a policy reads; its images when none are named."""
    return [name for name in ablated if name in policy.spec] or policy.spec.images()


def count_image_ablations(policy: Policy, ablated: Sequence[str] = ()) -> int:
    """How many runs :func:`image_ablation` makes."""
    groups = ablated_groups(policy, ablated)
    return (len(ABLATIONS) + 1 + (len(groups) if len(groups) > 1 else 0)) if groups else 0
