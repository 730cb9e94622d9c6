"""Refinement at test time: move a proposed grasp until it touches where it should, and only there.

UniDexGrasp's test-time adaptation: the contact net looks once, then Adam changes the pose. Its
weights (0.07, 1e4, 1e3, 10) belong to its own sums over points; ours are in ``RefineConfig``.
"""

from __future__ import annotations

import torch

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import RefineConfig
from robo_ts.envs.grasp.proposals.contact_map import contact_map
from robo_ts.envs.grasp.proposals.energy import beyond_limits, penetration, table_penetration
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.model import ProposalModel
from robo_ts.envs.grasp.proposals.synthesis import moved
from robo_ts.envs.grasp.proposals.training import hand_points
from robo_ts.progress import Progress


def refine(
    model: ProposalModel,
    shape: HandShape,
    fields: Fields,
    objects: ObjectSet,
    grasps: Grasps,
    config: RefineConfig,
) -> Grasps:
    """Grasps after refinement; each by itself, whatever else is in the batch."""
    lying = grasps.lying(objects)
    cloud = torch.as_tensor(objects.points, dtype=torch.float32)[grasps.ids]
    wanted = model.contact.expected(cloud @ grasps.rotation, hand_points(shape, grasps))
    nudge = torch.zeros(len(grasps), 6 + grasps.lengths.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([nudge], config.rate)
    bar = Progress("refine", config.iterations, shown=config.iterations >= 50)
    for _ in range(config.iterations):
        here = moved(grasps, nudge)
        frames = shape.frames(here.rotation, here.translation, here.lengths)
        off = (contact_map(shape, frames, cloud) - wanted).square().sum(dim=-1)
        loss = (
            config.contact * off
            + config.penetration * penetration(shape, frames, fields, grasps.ids)
            + config.table * table_penetration(shape, frames, lying)
            + config.self_penetration * shape.self_penetration(frames)
            + config.limits * beyond_limits(shape, here.lengths)
        )
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        bar.update(1)
    bar.close()
    done = moved(grasps, nudge.detach())
    low, high = shape.kinematics.length_range.T
    done.lengths = done.lengths.clamp(low, high)
    return done
