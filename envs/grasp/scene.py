"""What is where in every world: read from the engine once per step, used by all else."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from robo_ts.envs.grasp.geometry import quat_to_matrix, to_heading, to_surface
from robo_ts.envs.grasp.layout import Layout
from robo_ts.sim import BatchSim

TOUCH = 0.02  # N: less is no contact


@dataclass
class Surfaces:
    """The objects' surfaces, for all worlds to look up.

    Attributes:
        points: ``(V, P, 3)`` m, in the object's frame.
        normals: ``(V, P, 3)``.
        spacing: between points, ``(V,)`` m.
    """

    points: Tensor
    normals: Tensor
    spacing: Tensor


@dataclass
class Scene:
    """The worlds as they are, one row each. Vectors in the world's frame unless they say otherwise.

    Attributes:
        joints: finger joints, ``(n, j)`` rad.
        joint_velocity: ``(n, j)`` rad/s.
        wrist: x, y, z, yaw, pitch, roll, ``(n, 6)`` m and rad.
        wrist_velocity: their rates, ``(n, 6)``.
        position: the object's middle, ``(n, 3)`` m.
        rotation: the object's orientation, ``(n, 3, 3)``.
        velocity: of the object, linear then angular, ``(n, 6)`` m/s and rad/s.
        grasp_point: ``(n, 3)`` m.
        to_surface: from tips, links, palm and grasp point to the object, in the heading frame,
            ``(n, k, 3)`` m.
        distance: their lengths, negative inside, ``(n, k)`` m.
        box: lowest and highest corner of the object relative to its middle, in the heading frame,
            ``(n, 6)`` m.
        force: of fingers and palm on the object, then of the hand on the table, ``(n, f + 2, 3)``
            N.
        fastest: greatest speed of any joint, ``(n,)``.
    """

    joints: Tensor
    joint_velocity: Tensor
    wrist: Tensor
    wrist_velocity: Tensor
    position: Tensor
    rotation: Tensor
    velocity: Tensor
    grasp_point: Tensor
    to_surface: Tensor
    distance: Tensor
    box: Tensor
    force: Tensor
    fastest: Tensor

    def rows(self, env_ids: Tensor | None) -> Scene:
        """Some worlds only."""
        if env_ids is None:
            return self
        return Scene(**{f.name: getattr(self, f.name)[env_ids] for f in fields(self)})

    def replace(self, env_ids: Tensor, part: Scene) -> None:
        """Take over ``part`` for some worlds."""
        for f in fields(self):
            getattr(self, f.name)[env_ids] = getattr(part, f.name)

    @property
    def yaw(self) -> Tensor:
        """Of the hand, ``(n,)`` rad."""
        return self.wrist[:, 3]

    @property
    def touching(self) -> Tensor:
        """Whether each finger, and last the palm, touches the object, ``(n, f + 1)`` bool."""
        return torch.linalg.vector_norm(self.force[:, :-1], dim=-1) > TOUCH

    @property
    def held(self) -> Tensor:
        """Thumb or palm on one side, a finger on another, ``(n,)`` bool."""
        touch = self.touching
        return (touch[:, 0] | touch[:, -1]) & touch[:, 1:-1].any(dim=-1)


def look(
    sim: BatchSim,
    layout: Layout,
    surfaces: Surfaces,
    object_ids: Tensor,
    env_ids: Tensor | None = None,
) -> Scene:
    """Read all worlds, or ``env_ids``; ``object_ids`` has one entry per row."""

    def read(name: str) -> Tensor:
        value = sim.read(name)
        return value.clone() if env_ids is None else value[env_ids]

    qpos, qvel = read("qpos"), read("qvel")
    sites, sensors = read("site_xpos"), read("sensordata")
    at, moving = layout.object_qpos, layout.object_qvel
    position, rotation = qpos[:, at : at + 3], quat_to_matrix(qpos[:, at + 3 : at + 7])
    velocity = qvel[:, moving : moving + 6].clone()
    # A free joint's angular velocity is given in the body's frame.
    velocity[:, 3:] = (rotation @ velocity[:, 3:, None])[..., 0]
    keypoints = sites[:, layout.keypoints]
    points, yaw = surfaces.points[object_ids], qpos[:, 3]
    inside = (keypoints - position[:, None]) @ rotation  # in the object's frame
    vector, distance = to_surface(
        inside, points, surfaces.normals[object_ids], surfaces.spacing[object_ids]
    )
    cloud = to_heading(points @ rotation.transpose(1, 2), yaw)
    return Scene(
        joints=qpos[:, layout.finger_qpos],
        joint_velocity=qvel[:, layout.finger_qvel],
        wrist=qpos[:, :6].clone(),
        wrist_velocity=qvel[:, :6].clone(),
        position=position.clone(),
        rotation=rotation,
        velocity=velocity,
        grasp_point=keypoints[:, -1].clone(),
        to_surface=to_heading(vector @ rotation.transpose(1, 2), yaw),
        distance=distance,
        box=torch.cat([cloud.amin(dim=1), cloud.amax(dim=1)], dim=-1),
        force=sensors[:, layout.forces],
        fastest=qvel.abs().amax(dim=-1),
    )
