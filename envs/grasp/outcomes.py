"""What became of an episode: success, how it failed, what else is worth knowing."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from robo_ts.envs.grasp.scene import Scene

FAILURES = ("none", "missed", "slipped", "knocked", "timed out", "unstable")
_NONE, _MISSED, _SLIPPED, _KNOCKED, _TIMED_OUT, _UNSTABLE = range(6)

LIFTED = 0.03  # m above the start: it is in the air
_DOWN = 0.015  # m above the start: it is down again
_TOO_FAST = 80.0  # m/s or rad/s of any joint: the simulation is no longer to be trusted
_FALLEN = -0.03  # m below the start


@dataclass
class Record:
    """What is kept of every running episode, one row per world.

    Attributes:
        distance: from the goal, ``(n,)`` m.
        height: above the start, ``(n,)`` m.
        highest: so far, ``(n,)`` m.
        pushed: greatest sideways distance from the start while not lifted, ``(n,)`` m.
        drops: how often it came down again after it was lifted, ``(n,)``.
        in_air: whether it is lifted now, ``(n,)`` bool.
        held: whether it is touched from two sides, ``(n,)`` bool.
        success: held within the success distance of the goal now, ``(n,)`` bool.
        success_ever: at any time, ``(n,)`` bool.
        knocked: pushed too far, or off the table, ``(n,)`` bool.
        unstable: the simulation is not to be trusted, ``(n,)`` bool.
        closest: to the goal so far while held, ``(n,)`` m.
    """

    distance: Tensor
    height: Tensor
    highest: Tensor
    pushed: Tensor
    drops: Tensor
    in_air: Tensor
    held: Tensor
    success: Tensor
    success_ever: Tensor
    knocked: Tensor
    unstable: Tensor
    closest: Tensor

    @classmethod
    def empty(cls, num: int, device: torch.device) -> Record:
        """For ``num`` worlds, to be begun before use."""
        flags = ("in_air", "held", "success", "success_ever", "knocked", "unstable")
        return cls(
            **{
                f.name: torch.zeros(
                    num, dtype=torch.bool if f.name in flags else torch.float32, device=device
                )
                for f in fields(cls)
            }
        )

    def begin(self, env_ids: Tensor, goal_height: float) -> None:
        """New episodes in ``env_ids``."""
        for f in fields(self):
            value = getattr(self, f.name)
            value[env_ids] = torch.zeros_like(value[env_ids])
        self.distance[env_ids] = self.closest[env_ids] = goal_height

    def update(
        self,
        scene: Scene,
        start: Tensor,
        goal: Tensor,
        success_distance: float,
        knocked_distance: float,
    ) -> None:
        """After a step. ``start`` and ``goal`` are the object's, ``(n, 3)`` m."""
        moved = scene.position - start
        aside = torch.linalg.vector_norm(moved[:, :2], dim=-1)
        self.height = moved[:, 2].clone()
        self.distance = torch.linalg.vector_norm(goal - scene.position, dim=-1)
        self.highest = torch.maximum(self.highest, self.height)
        low = self.height < LIFTED
        self.pushed = torch.where(low, torch.maximum(self.pushed, aside), self.pushed)
        dropped = self.in_air & (self.height < _DOWN)
        self.drops = self.drops + dropped
        self.in_air = (self.in_air & ~dropped) | ~low
        self.held = scene.held
        self.success = self.held & (self.distance < success_distance)
        self.success_ever = self.success_ever | self.success
        near = torch.minimum(self.closest, self.distance)
        self.closest = torch.where(self.held, near, self.closest)
        self.knocked = (low & (aside > knocked_distance)) | (self.height < _FALLEN)
        self.unstable = scene.fastest > _TOO_FAST

    def failure(self) -> Tensor:
        """Index into :data:`FAILURES` if the episodes ended now, ``(n,)`` long."""
        lifted = self.highest > LIFTED
        kind = torch.where(lifted, _SLIPPED, _MISSED)
        kind = torch.where(self.held & self.in_air, _TIMED_OUT, kind)
        kind = torch.where(self.success, _NONE, kind)
        kind = torch.where(self.knocked, _KNOCKED, kind)
        return torch.where(self.unstable, _UNSTABLE, kind)
