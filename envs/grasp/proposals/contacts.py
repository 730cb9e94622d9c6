"""Where a hand touches an object, and how its fingers press there.

Everything follows from the pose, so it is the same for grasps of any origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.grasp.proposals.energy import Lying
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.kinematics import Frames

TOUCH = 0.01  # m: a link nearer than this counts as in contact (UniDexGrasp's evaluation)


@dataclass
class Contacts:
    """The nearest point of every link, one column per geom, in the object's frame.

    Attributes:
        hand: on the hand, ``(n, G, 3)`` m.
        surface: on the object, ``(n, G, 3)`` m.
        outward: the object's normal there, ``(n, G, 3)``.
        distance: between them, ``(n, G)`` m.
        touching: whether it counts, ``(n, G)``.
    """

    hand: Tensor
    surface: Tensor
    outward: Tensor
    distance: Tensor
    touching: Tensor


def find_contacts(
    shape: HandShape, frames: Frames, fields: Fields, ids: Tensor, touch: float = TOUCH
) -> Contacts:
    """The contacts of poses whose geoms are at ``frames``."""
    patch = shape.candidates
    points = shape.points(frames, patch)[0]
    distance, direction = fields.look(ids, points)
    geoms = len(shape.radius)
    own = patch.geom[None, None] == torch.arange(geoms)[None, :, None]
    nearest = torch.where(own, distance[:, None], torch.inf).min(dim=-1)
    pick = nearest.indices[..., None].expand(-1, -1, 3)
    hand = points.gather(1, pick)
    outward = torch.nn.functional.normalize(direction.gather(1, pick), dim=-1)
    surface = hand - nearest.values[..., None] * outward
    return Contacts(hand, surface, outward, nearest.values, nearest.values < touch)


def squeeze(
    shape: HandShape,
    fields: Fields,
    grasps: Grasps,
    force: float,
    touch: float = TOUCH,
    rows: int = 256,
) -> Tensor:
    """Targets of the actuators with which every finger that touches presses, ``(n, u)`` rad.

    DexGraspNet moves targets down the slope of the contacts' distance. Here a target is as far
    beyond the pose as the actuator's spring needs for its share of the force: ``J^T f / kp``.

    Args:
        shape: the hand.
        fields: the objects.
        grasps: the poses.
        force: of each finger along the inward normals of its contacts, N.
        touch: links nearer than this count as touching, m.
        rows: at once.
    """
    parts = torch.arange(len(grasps)).split(rows)
    return torch.cat([_squeeze(shape, fields, grasps.rows(p), force, touch) for p in parts])


def _squeeze(
    shape: HandShape, fields: Fields, grasps: Grasps, force: float, touch: float
) -> Tensor:
    lengths = grasps.lengths.clone().requires_grad_()
    frames = shape.frames(grasps.rotation, grasps.translation, lengths)
    found = find_contacts(shape, frames, fields, grasps.ids, touch)
    finger = shape.finger
    fingers = torch.nn.functional.one_hot(finger.clamp_min(0), int(finger.max()) + 1).float()
    fingers = fingers * (finger >= 0)[:, None]
    touching = found.touching.float()
    share = touching / ((touching @ fingers) @ fingers.T).clamp_min(1.0) * (finger >= 0)
    push = -force * share[..., None] * found.outward.detach()
    (torque,) = torch.autograd.grad((push * found.hand).sum(), lengths)
    kinematics = shape.kinematics
    low, high = kinematics.length_range.T
    return (grasps.lengths + torque / kinematics.stiffness).clamp(low, high)


def table_depth(shape: HandShape, grasps: Grasps, lying: Lying) -> Tensor:
    """How deep the hand's lowest probe is in the table, ``(n,)`` m."""
    frames = shape.frames(grasps.rotation, grasps.translation, grasps.lengths)
    centres, radii = shape.probes(frames)
    above = (centres @ lying.up[..., None])[..., 0] + lying.height[:, None]
    return (radii - above).amax(dim=-1).clamp_min(0.0)
