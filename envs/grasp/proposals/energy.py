"""What makes a hand's pose a grasp, as a number to be minimised.

The terms are those of DexGraspNet (Wang et al. 2022, arXiv 2210.02697), whose first is the
differentiable force closure of Liu et al. (2021, arXiv 2104.09194): with the contacts' inward
normals c as forces of one size, a grasp without friction is in balance when G c is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.grasp.proposals.config import EnergyConfig
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.kinematics import Frames


@dataclass
class Lying:
    """Objects as they lie, one row per grasp, all in the object's frame.

    Attributes:
        ids: rows of the fields, ``(n,)``.
        up: away from the table, ``(n, 3)``.
        height: of the frame's origin above the table, ``(n,)`` m.
    """

    ids: Tensor
    up: Tensor
    height: Tensor

    def rows(self, which: Tensor | slice) -> Lying:
        """Some rows only."""
        return Lying(self.ids[which], self.up[which], self.height[which])


def force_closure(points: Tensor, normals: Tensor, torque_arm: float) -> Tensor:
    """``|G c|^2`` of contacts ``(n, k, 3)`` with unit normals ``(n, k, 3)``, ``(n,)``.

    Args:
        points: m, from the object's centre of mass.
        normals: all outward or all inward.
        torque_arm: 1/m; what a torque counts against a force.
    """
    force = normals.sum(dim=1)
    torque = torque_arm * torch.linalg.cross(points, normals).sum(dim=1)
    return force.square().sum(dim=-1) + torque.square().sum(dim=-1)


def penetration(shape: HandShape, frames: Frames, fields: Fields, ids: Tensor) -> Tensor:
    """How deep probes of the hand are in the object, and its corners in the hand, summed, ``(n,)``
    m."""
    centres, radii = shape.probes(frames)
    probes = (radii - fields.distance(ids, centres)).clamp_min(0.0).sum(dim=-1)
    corners = shape.distance(frames, fields.corners[ids])
    return probes + (-corners).clamp_min(0.0).amax(dim=-1).sum(dim=-1)


def table_penetration(shape: HandShape, frames: Frames, lying: Lying) -> Tensor:
    """How deep probes of the hand are in the table, summed, ``(n,)`` m."""
    centres, radii = shape.probes(frames)
    above = (centres @ lying.up[..., None])[..., 0] + lying.height[:, None]
    return (radii - above).clamp_min(0.0).sum(dim=-1)


def beyond_limits(shape: HandShape, lengths: Tensor) -> Tensor:
    """By how much joints and actuators are out of their ranges, summed, ``(n,)`` rad."""
    kinematics = shape.kinematics
    total = torch.zeros(len(lengths))
    for value, limits in (
        (lengths, kinematics.length_range),
        (kinematics.joints(lengths), kinematics.joint_range),
    ):
        low, high = limits.T
        total = total + ((low - value).clamp_min(0.0) + (value - high).clamp_min(0.0)).sum(dim=-1)
    return total


def energy_terms(
    shape: HandShape,
    fields: Fields,
    lying: Lying,
    frames: Frames,
    lengths: Tensor,
    contacts: Tensor,
    config: EnergyConfig,
) -> dict[str, Tensor]:
    """The weighted terms by name, ``(n,)`` each; their sum is the energy.

    Args:
        shape: the hand.
        fields: the objects.
        lying: which object each grasp is of, and how it lies.
        frames: of the hand's geoms in the object's frame.
        lengths: of the actuators, ``(n, u)``.
        contacts: which of ``shape.candidates`` are to touch, ``(n, contacts)``.
        config: the weights.
    """
    points = shape.chosen(frames, contacts)
    distance, direction = fields.look(lying.ids, points)
    normals = torch.nn.functional.normalize(direction, dim=-1)
    return {
        "force_closure": force_closure(points, normals, config.torque_arm),
        "distance": config.distance * distance.abs().sum(dim=-1),
        "penetration": config.penetration * penetration(shape, frames, fields, lying.ids),
        "table": config.table * table_penetration(shape, frames, lying),
        "self_penetration": config.self_penetration * shape.self_penetration(frames),
        "limits": config.limits * beyond_limits(shape, lengths),
    }
