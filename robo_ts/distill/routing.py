"""Several teachers: each world's label comes from the one that is in charge there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill.labels import Label
from robo_ts.distill.teachers import Teacher
from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.policies.policy import Output

# (observation, the student's word, every teacher's label) -> index of the teacher, (num_envs,)
Route = Callable[[TensorDict, Output, list[Label]], Tensor]


class RoutedTeacher:
    """Asks all teachers, so that their memories live on, and passes on one label per world.

    Args:
        teachers: at least one; all give actions of one size.
        route: who is in charge; see the functions below.
    """

    def __init__(self, teachers: Sequence[Teacher], route: Route) -> None:
        if not teachers:
            raise RoboTSError("at least one teacher", "none", "give a teacher")
        self.teachers, self.route = list(teachers), route

    @torch.no_grad()
    def label(self, obs: TensorDict, student: Output) -> Label:
        labels = [teacher.label(obs, student) for teacher in self.teachers]
        index = self.route(obs, student, labels)
        if bool(((index < 0) | (index >= len(labels))).any()):
            raise RoboTSError(
                f"teacher numbers from 0 to {len(labels) - 1}",
                f"{index.unique().tolist()}",
                "give as many teachers as the route knows",
            )
        return Label(
            _pick([label.action for label in labels], index),
            _pick([label.known for label in labels], index),
            _pick_all([label.std for label in labels], index),
            _pick_all([label.latent for label in labels], index),
        )

    def reset(self, done: Tensor) -> None:
        for teacher in self.teachers:
            teacher.reset(done)

    def state_dict(self) -> dict[str, Any]:
        return {"teachers": [teacher.state_dict() for teacher in self.teachers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for teacher, mine in zip(self.teachers, state["teachers"], strict=True):
            teacher.load_state_dict(mine)


def by_env(index: Tensor) -> Route:
    """A fixed teacher per world: ``index (num_envs,)``."""
    return lambda obs, student, labels: index


def by_group(group: str) -> Route:
    """The teacher that an integer observation group ``(num_envs, 1)`` names."""
    return lambda obs, student, labels: obs[group].reshape(len(obs[group])).long()


def by_observation(spec: ObservationSpec, term: str, edges: Sequence[float]) -> Route:
    """The teacher whose interval the (one-number) term ``group.term`` lies in.

    Args:
        spec: the environment's groups.
        term: such as ``proprioception.uprightness``.
        edges: ascending; teacher i has charge from ``edges[i - 1]`` up to ``edges[i]``.

    Raises:
        RoboTSError: when there is no such term or it has several numbers.
    """
    group, _, name = term.partition(".")
    slices = spec[group].slices()
    if name not in slices:
        raise RoboTSError(
            f"a term of group {group!r}", repr(name), did_you_mean(name, list(slices))
        )
    where = slices[name]
    if where.stop - where.start != 1:
        raise RoboTSError(
            "a term of one number to route by", f"{term} with {where.stop - where.start}", "choose"
        )
    bounds = torch.tensor(list(edges))

    def route(obs: TensorDict, student: Output, labels: list[Label]) -> Tensor:
        value = obs[group][:, where.start].contiguous()
        return torch.bucketize(value, bounds.to(value.device), right=True)

    return route


def most_probable(obs: TensorDict, student: Output, labels: list[Label]) -> Tensor:
    """The teacher whose action the student finds most probable (AMPO): nearest to its mean, in
    units of its standard deviation where it has one."""
    std = 1.0 if student.std is None else student.std
    distance = [((label.action - student.action) / std).square().sum(dim=-1) for label in labels]
    return torch.stack(distance).argmin(dim=0)


def _pick(values: list[Tensor], index: Tensor) -> Tensor:
    stacked = torch.stack(values)
    return stacked[index, torch.arange(stacked.shape[1], device=stacked.device)]


def _pick_all(values: list[Tensor | None], index: Tensor) -> Tensor | None:
    """As :func:`_pick`; None unless every teacher gives it."""
    found = [value for value in values if value is not None]
    same = len({value.shape for value in found}) == 1
    return _pick(found, index) if len(found) == len(values) and same else None
