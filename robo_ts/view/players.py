"""What may act on the page: bundles, ONNX files, checkpoints, scripted teachers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import TaskEnv, TaskSpec
from robo_ts.env.viewing import ViewSpec
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.actors import Actor, OnnxActor, PolicyActor
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.policies.player import mute_constant_inputs


@dataclass(frozen=True)
class Player:
    """A policy by name.

    Attributes:
        name: what people choose it by.
        text: what it is, in a few words.
        groups: observation groups it reads, in order.
        make: builds an actor with memories of its own, for the worlds of an environment.
        version: differs from another one of the same name when the policy is another.
        is_teacher: whether others are compared with it.
    """

    name: str
    text: str
    groups: tuple[str, ...]
    make: Callable[[TaskEnv], Actor]
    version: str = ""
    is_teacher: bool = False


@dataclass
class FunctionActor:
    """A function of the observation, without memory.

    Attributes:
        env: the worlds it acts in.
        function: ``(env, obs) -> actions (num_envs, num_actions)``.
    """

    env: TaskEnv
    function: Callable[[TaskEnv, TensorDict], Tensor]

    def begin(self, num: int) -> None: ...

    def act(self, obs: TensorDict) -> Tensor:
        return self.function(self.env, obs).clamp(-1.0, 1.0)

    def clear(self, done: Tensor) -> None: ...


@dataclass
class Offer:
    """A task and who may act in it.

    Attributes:
        task: the task's name.
        config: its settings; the task's defaults when None.
        players: by name, the one to begin with first.
        newest: looks for newer versions of the players on disk and puts them into ``players``;
            returns the names of those that changed.
    """

    task: str
    config: Any
    players: dict[str, Player] = field(default_factory=dict)
    newest: Callable[[], list[str]] = list

    @property
    def teacher(self) -> str:
        """The player others are compared with; empty when there is none."""
        return next((p.name for p in self.players.values() if p.is_teacher), "")


def policy_player(name: str, policy: Policy, task: str, version: str, text: str = "") -> Player:
    """A torch policy of a task, acting deterministically."""

    def make(env: TaskEnv) -> Actor:
        PolicyBundle(policy, task).check_fits(env.name, env.spec, env.num_actions)
        # Shown in any condition, with opponents also where it learnt to play alone.
        return PolicyActor(mute_constant_inputs(copy.deepcopy(policy)).to(env.device))

    memory = "no memory"
    if policy.memory is not None:
        memory = f"{policy.memory.kind.upper()} {policy.memory.size}"
    described = f"{policy.num_parameters():,} parameters, {memory}"
    return Player(
        name,
        f"{described}, {text}" if text else described,
        tuple(policy.spec),
        make,
        version,
        name.rpartition("/")[2] == "teacher",
    )


def bundle_player(name: str, bundle: PolicyBundle) -> Player:
    """A bundle's policy."""
    return policy_player(name, bundle.policy, bundle.task, bundle.digest())


def onnx_player(name: str, path: Path) -> Player:
    """An exported file, acting through onnxruntime.

    Raises:
        PolicyRuntimeError: for a damaged or foreign file.
    """
    from robo_ts.export.runtime import load  # onnxruntime takes a while to import

    runtime = load(path)

    def make(env: TaskEnv) -> Actor:
        missing = sorted(set(runtime.groups) - set(env.spec))
        if missing or len(runtime.action_names) != env.num_actions:
            raise RoboTSError(
                f"an ONNX policy over the groups {sorted(env.spec)} with {env.num_actions} actions",
                f"{path}, which reads {', '.join(runtime.groups)} and gives "
                f"{len(runtime.action_names)}",
                f"give one of task {env.name}",
            )
        return OnnxActor(load(path), env.device)  # memories of its own

    size = path.stat().st_size / 1024
    version = f"{path.stat().st_mtime_ns}"
    return Player(name, f"ONNX file, {size:.0f} KiB", tuple(runtime.groups), make, version)


def scripted_players(spec: TaskSpec, view: ViewSpec) -> dict[str, Player]:
    """Those that need no training: a scripted policy where there is one, and actions of zero."""
    found = {}
    if view.scripted is not None:
        function = view.scripted
        name = "scripted teacher" if view.scripted_teaches else "scripted policy"
        found[name] = Player(
            name,
            "formulas, no training",
            view.sees,
            lambda env: FunctionActor(env, function),
            is_teacher=view.scripted_teaches,
        )
    plain = spec.plain_action or _zeros
    text = "no control" if spec.plain_action is None else "the task's plain action"
    found["untrained"] = Player("untrained", text, (), lambda env: FunctionActor(env, plain))
    return found


def memory_of(actor: Actor) -> tuple[Tensor, ...]:
    """An actor's memory, ``(layers, num, size)`` each; an empty tuple where there is none."""
    if isinstance(actor, PolicyActor):
        return actor.hidden
    if isinstance(actor, OnnxActor):
        return tuple(torch.from_numpy(part) for part in actor.runtime.hidden)
    return ()


def _zeros(env: TaskEnv, obs: TensorDict) -> Tensor:
    return torch.zeros(env.num_envs, env.num_actions, device=env.device)
