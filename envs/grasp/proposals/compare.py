"""The kinds of grasps that are compared on objects nobody trained on."""

from __future__ import annotations

from collections.abc import Callable

import torch

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import ProposalsConfig
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.model import ProposalModel
from robo_ts.envs.grasp.proposals.refine import refine
from robo_ts.envs.grasp.proposals.rotations import uniform
from robo_ts.envs.grasp.proposals.synthesis import draw_lying


def kinds_compared(
    model: ProposalModel,
    shape: HandShape,
    fields: Fields,
    objects: ObjectSet,
    good: Grasps,
    config: ProposalsConfig,
    rng: torch.Generator,
) -> dict[str, Callable[[], Grasps]]:
    """What makes each kind, by name.

    - ``random``: a grasp that held some other object, turned anyhow about the new one. Its palm is
      as near and its fingers are as bent as those of grasps are; that it fits would be chance.
    - ``proposed``: drawn from the model.
    - ``..._refined``: after refinement.
    """
    ids, pose = draw_lying(objects, config.samples, rng)
    n = len(ids)
    other = good.rows(torch.randint(len(good), (n,), generator=rng))
    turn = uniform(n, rng)
    at_random = Grasps(
        ids,
        pose,
        turn @ other.rotation,
        (turn @ other.translation[..., None])[..., 0],
        other.lengths,
    )
    proposed = model.sample(objects, ids, pose, rng)
    kinds = {"random": at_random, "proposed": proposed}

    def refined(grasps: Grasps) -> Callable[[], Grasps]:
        return lambda: refine(model, shape, fields, objects, grasps, config.refine)

    def plain(grasps: Grasps) -> Callable[[], Grasps]:
        return lambda: grasps

    return {name: plain(grasps) for name, grasps in kinds.items()} | {
        f"{name}_refined": refined(grasps) for name, grasps in kinds.items()
    }
