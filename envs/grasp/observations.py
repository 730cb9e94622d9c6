"""The observation groups: what the robot feels, where its wrist is, and what only the simulator
knows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.envs.grasp.geometry import to_heading
from robo_ts.envs.grasp.layout import Layout
from robo_ts.envs.grasp.scene import Scene

_FORCE = 5.0  # N that count as one
_LARGEST_FORCE = 4.0  # counted so


def observation_spec(
    layout: Layout,
    num_actions: int,
    seen: Sequence[ObservationGroup] = (),
    goal_grasp: Sequence[Term] = (),
) -> ObservationSpec:
    """The groups of a task with this hand, and ``seen``, those of its eyes; ``goal_grasp`` are
    further privileged terms.

    ``heading``: z up, x along the fingers' heading.
    """
    joints, motors = len(layout.finger_qpos), len(layout.actuators)
    fingers, keypoints = len(layout.fingers), len(layout.keypoints)
    proprioception = (
        Term("finger_position", joints, "1", "joint range"),
        Term("finger_error", motors, "rad", "joint"),
        Term("wrist_height", 1, "m", "world"),
        Term("wrist_tilt", 2, "rad", "heading"),
        Term("wrist_error", 6, "m, rad", "heading"),
        Term("last_action", num_actions, "1", "action"),
        Term("time", 1, "1", "episode"),
    )
    wrist = (Term("position", 2, "m", "world"), Term("heading", 2, "1", "world"))
    privileged = (
        Term("finger_velocity", joints, "10 rad/s", "joint"),
        Term("wrist_velocity", 6, "m/s, rad/s", "heading"),
        Term("object_offset", 3, "m", "heading"),
        Term("object_rotation", 6, "1", "heading"),
        Term("object_velocity", 6, "m/s, rad/s", "heading"),
        Term("object_box", 6, "m", "heading"),
        Term("goal_offset", 3, "m", "heading"),
        Term("to_surface", 3 * keypoints, "m", "heading"),
        Term("distance", keypoints, "m", "none"),
        Term("force", 3 * (fingers + 2), f"{_FORCE:g} N", "heading"),
        Term("touching", fingers + 1, "1", "none"),
        Term("mass", 1, "kg", "none"),
        Term("friction", 1, "1", "none"),
        *goal_grasp,
    )
    return ObservationSpec(
        [
            ObservationGroup("proprioception", proprioception, deployable=True),
            ObservationGroup("wrist", wrist, deployable=True),
            *seen,
            ObservationGroup("privileged", privileged, deployable=False),
        ]
    )


def proprioception(
    scene: Scene, layout: Layout, target: Tensor, last_action: Tensor, time: Tensor
) -> Tensor:
    """What encoders and the controller itself know; the wrist's place only by its height.

    Args:
        scene: the worlds.
        layout: of the model.
        target: of all actuators, ``(n, 6 + u)``.
        last_action: ``(n, a)``.
        time: share of the episode that has passed, ``(n,)``.
    """
    low, high = layout.joint_range.T
    wrist_error = target[:, :6] - scene.wrist
    return torch.cat(
        [
            2.0 * (scene.joints - low) / (high - low) - 1.0,
            target[:, 6:] - scene.joints @ layout.transmission.T,
            scene.wrist[:, 2:3],
            scene.wrist[:, 4:6],
            to_heading(wrist_error[:, :3], scene.yaw),
            wrist_error[:, 3:],
            last_action,
            time[:, None],
        ],
        dim=-1,
    )


def wrist_place(scene: Scene) -> Tensor:
    """Where the wrist is on the table, and its heading; a camera that stands still needs it."""
    yaw = scene.yaw[:, None]
    return torch.cat([scene.wrist[:, :2], torch.cos(yaw), torch.sin(yaw)], dim=-1)


def privileged(scene: Scene, goal: Tensor, mass: Tensor, friction: Tensor) -> Tensor:
    """What no sensor of the robot gives."""
    yaw = scene.yaw
    columns = scene.rotation.transpose(1, 2)[:, :2]  # the object's x and y axes
    force = to_heading(scene.force, yaw) / _FORCE
    return torch.cat(
        [
            0.1 * scene.joint_velocity,
            to_heading(scene.wrist_velocity[:, :3], yaw),
            scene.wrist_velocity[:, 3:],
            to_heading(scene.position - scene.grasp_point, yaw),
            to_heading(columns, yaw).flatten(1),
            to_heading(scene.velocity[:, :3], yaw),
            to_heading(scene.velocity[:, 3:], yaw),
            scene.box,
            to_heading(goal - scene.position, yaw),
            scene.to_surface.flatten(1),
            scene.distance,
            force.clamp(-_LARGEST_FORCE, _LARGEST_FORCE).flatten(1),
            scene.touching.float(),
            mass[:, None],
            friction[:, None],
        ],
        dim=-1,
    )
