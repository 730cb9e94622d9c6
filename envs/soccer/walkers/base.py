"""What the game must know of a body that plays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robo_ts.env.observations import Term
from robo_ts.errors import RoboTSError
from robo_ts.paths import asset


class Planar(NamedTuple):
    """How players move over the pitch, in the world frame; tensors share their leading dimensions.

    Attributes:
        position: ``(..., 2)`` m.
        yaw: ``(...,)`` rad.
        velocity: ``(..., 2)`` m/s.
        yaw_rate: ``(...,)`` rad/s.
    """

    position: Tensor
    yaw: Tensor
    velocity: Tensor
    yaw_rate: Tensor


class Eye(NamedTuple):
    """Where a head camera is and looks, in the world frame; tensors share their leading dimensions.

    Attributes:
        position: ``(..., 3)`` m.
        yaw: of the line of sight, ``(...,)`` rad.
        pitch: of the line of sight below the horizon, ``(...,)`` rad.
    """

    position: Tensor
    yaw: Tensor
    pitch: Tensor


class Clock(NamedTuple):
    """Where players are in the scripted motions of walkers with legs.

    All tensors share their leading dimensions.

    Attributes:
        rising: whether the scripted get-up runs, bool; otherwise the gait does.
        supine: whether the player lay on its back when that began, bool.
        time: since the motion began, s.
    """

    rising: Tensor
    supine: Tensor
    time: Tensor


class Walker(ABC):
    """A body that plays. All tensors have any leading dimensions, such as worlds and players.

    Attributes:
        file: its MJCF: one root body; colliding geoms have ``contype`` 1, the geom ``torso`` gets
            the team's colour, the camera ``head`` looks where :meth:`eye` says.
        timestep: simulation step, s.
        substeps: simulation steps per control step.
        nq: numbers of ``qpos``.
        nv: numbers of ``qvel``.
        nu: numbers of ``ctrl``.
        actions: names of the actions.
        meaning: what they mean, for the action contract.
        smoothing: share of the last action kept in the next (a first-order filter).
        terms: what :meth:`proprioception` returns.
        on_the_ground: whether it stands on the floor by contact, and so may fall.
        height: of a standing one, m.
        reach: a ball whose middle is this far from :meth:`planar`'s position may touch it, m.
        fovy: vertical field of view of the head camera, rad.
        aspect: width of its picture over its height.
        camera: name of the head camera; empty for a walker that has none.
        neck: the actions that turn the head.
        get_up_s: how long its scripted get-up takes, s; 0 for a walker without scripted motions.
        stride_s: how long one stride of its scripted gait takes, s.
    """

    file: ClassVar[Path]
    timestep: ClassVar[float]
    substeps: ClassVar[int]
    nq: ClassVar[int]
    nv: ClassVar[int]
    nu: ClassVar[int]
    actions: ClassVar[tuple[str, ...]]
    meaning: ClassVar[str]
    smoothing: ClassVar[float] = 0.0
    terms: ClassVar[tuple[Term, ...]]
    on_the_ground: ClassVar[bool]
    height: ClassVar[float]
    reach: ClassVar[float]
    fovy: ClassVar[float]
    aspect: ClassVar[float] = 4.0 / 3.0
    camera: ClassVar[str] = "head"
    neck: ClassVar[tuple[str, ...]] = ("head_pan",)
    get_up_s: ClassVar[float] = 0.0
    stride_s: ClassVar[float] = 0.0

    @abstractmethod
    def stand(self, position: Tensor, yaw: Tensor) -> Tensor:
        """``qpos (..., nq)`` of standing at ``position (..., 2)`` m, turned by ``yaw (...,)``."""

    @abstractmethod
    def control(self, action: Tensor, qpos: Tensor) -> Tensor:
        """``ctrl (..., nu)`` for actions ``(..., num_actions)`` in [-1, 1]."""

    @abstractmethod
    def planar(self, qpos: Tensor, qvel: Tensor) -> Planar:
        """How it moves over the pitch."""

    @abstractmethod
    def proprioception(self, qpos: Tensor, qvel: Tensor) -> Tensor:
        """What it feels of itself, ``(..., numbers of terms)``."""

    @abstractmethod
    def eye(self, qpos: Tensor) -> Eye:
        """Where its head camera is and looks."""

    @abstractmethod
    def touches(self, qpos: Tensor, ball: Tensor, margin: float) -> Tensor:
        """Whether a ball at ``ball (..., 3)`` m is within ``margin`` m of it, ``(...,)`` bool."""

    def fallen(self, qpos: Tensor) -> Tensor:
        """Whether it has fallen, ``(...,)`` bool."""
        return torch.zeros_like(qpos[..., 0], dtype=torch.bool)

    # What follows is asked only of walkers that stand on the ground.

    def uprightness(self, qpos: Tensor) -> Tensor:
        """Cosine of the torso's tilt, ``(...,)``."""
        return torch.ones_like(qpos[..., 0])

    def rises(self, qpos: Tensor) -> Tensor:
        """Height of the shoulders over that of a standing one, ``(...,)``; 0 on the floor."""
        return torch.ones_like(qpos[..., 0])

    def supine(self, qpos: Tensor) -> Tensor:
        """Whether its front looks up rather than down, ``(...,)`` bool."""
        return torch.zeros_like(qpos[..., 0], dtype=torch.bool)

    def script(self, clock: Clock, qpos: Tensor, qvel: Tensor) -> Tensor:
        """Actions ``(..., num_actions)`` of the scripted motions, which teachers start from.

        Raises:
            RoboTSError: for a walker that has none.
        """
        raise RoboTSError("a walker with scripted motions", type(self).__name__, "take op3")

    def lying(
        self, position: Tensor, yaw: Tensor, generator: torch.Generator, unseen: bool
    ) -> Tensor:
        """``qpos (..., nq)`` of lying on the floor as after a fall, half of them on the back.

        Args:
            position: ``(..., 2)`` m.
            yaw: by which the pose is turned, ``(...,)`` rad.
            generator: what the poses are drawn with.
            unseen: take the poses kept for measuring, rather than those of training.

        Raises:
            RoboTSError: for a walker that cannot fall.
        """
        raise RoboTSError("a walker that can lie down", type(self).__name__, "take op3")

    def effort(self, control: Tensor, qpos: Tensor) -> Tensor:
        """Torque of the knees, ``(...,)`` N m, under targets ``control (..., nu)``."""
        return torch.zeros_like(qpos[..., 0])


def robot_file(name: str) -> Path:
    """The MJCF of a robot under assets/robots."""
    return asset(f"robots/{name}/{name}.xml")
