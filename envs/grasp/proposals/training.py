"""Trains the proposal model on grasps that held."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import ModelConfig
from robo_ts.envs.grasp.proposals.contact_map import contact_loss, contact_map
from robo_ts.envs.grasp.proposals.grasps import Grasps, rest_rotation
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.model import ProposalModel
from robo_ts.envs.grasp.proposals.rotations import about_z
from robo_ts.envs.grasp.proposals.synthesis import moved
from robo_ts.errors import RoboTSError
from robo_ts.progress import Progress

# By how much a grasp is disturbed before the contact net has to say where it should touch.
_DISTURBED = (0.01, 0.1, 0.1)  # m, rad, rad


def train(
    shape: HandShape,
    objects: ObjectSet,
    grasps: Grasps,
    config: ModelConfig,
    rng: torch.Generator,
) -> ProposalModel:
    """Fit all parts at once; they share no weights, only the batches.

    Args:
        shape: the hand.
        objects: the objects.
        grasps: those that held.
        config: sizes and training.
        rng: of batches, turns and disturbances.

    Raises:
        RoboTSError: for fewer grasps than two.
    """
    if len(grasps) < 2:
        raise RoboTSError(
            "grasps that held, to learn from", str(len(grasps)), "synthesise more or longer"
        )
    kinematics = shape.kinematics
    # Weights are drawn from torch's own generator; it is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        model = ProposalModel(kinematics.hand.name, len(kinematics.actuators), config)
    # Turning hand and object together changes nothing here: the objects' frames will do.
    model.pose.standardise(
        ProposalModel.values(grasps.rotation, grasps.translation, grasps.lengths)
    )
    optimizer = torch.optim.AdamW(model.parameters(), config.rate, weight_decay=1e-4)
    points = torch.as_tensor(objects.points, dtype=torch.float32)
    bar = Progress("train", config.iterations)
    model.train()
    for step in range(config.iterations):
        share = step / config.iterations
        optimizer.param_groups[0]["lr"] = 0.5 * config.rate * (1.0 + math.cos(math.pi * share))
        exact = grasps.rows(torch.randint(len(grasps), (config.batch,), generator=rng))
        some = _disturbed(exact, config.blur, rng)
        turn, cloud = _turned_scene(objects, points, some, config.points, rng)
        height = some.lying(objects).height
        rotation = turn @ some.rotation
        translation = (turn @ some.translation[..., None])[..., 0]
        first, second = model.log_prob(cloud, height, rotation, translation, some.lengths)
        touch = _contact_loss(model, shape, exact, cloud @ turn, rng)
        loss = touch - first.mean() - second.mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        shown = {"R": first, "tq": second, "touch": touch}
        bar.update(
            1, **({} if step % 20 else {k: float(v.detach().mean()) for k, v in shown.items()})
        )
    bar.close()
    return model.eval()


@torch.no_grad()
def densities(model: ProposalModel, objects: ObjectSet, grasps: Grasps) -> dict[str, float]:
    """Mean logarithms of p(R|X) and p(t,q|X,R) of grasps, and their number.

    The uniform density of rotations has a logarithm of -2.29. Translations are in decimetres.
    """
    if not len(grasps):
        return {"count": 0}
    turn = rest_rotation(objects, grasps.ids, grasps.pose)
    points = torch.as_tensor(objects.points, dtype=torch.float32)
    first, second = model.log_prob(
        points[grasps.ids] @ turn.transpose(1, 2),
        grasps.lying(objects).height,
        turn @ grasps.rotation,
        (turn @ grasps.translation[..., None])[..., 0],
        grasps.lengths,
    )
    return {"count": len(grasps), "rotation": float(first.mean()), "pose": float(second.mean())}


def _turned_scene(
    objects: ObjectSet, points: Tensor, grasps: Grasps, count: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """From objects' frames to the world with the object at a random yaw, ``(n, 3, 3)``, and some of
    the objects' points there, ``(n, count, 3)`` m."""
    n = len(grasps)
    yaw = about_z(2.0 * math.pi * torch.rand(n, generator=rng))
    turn = yaw @ rest_rotation(objects, grasps.ids, grasps.pose)
    some = torch.randperm(points.shape[1], generator=rng)[:count]
    return turn, points[:, some][grasps.ids] @ turn.transpose(1, 2)


def _contact_loss(
    model: ProposalModel, shape: HandShape, grasps: Grasps, cloud: Tensor, rng: torch.Generator
) -> Tensor:
    """What the contact net says of disturbed grasps against the maps of the grasps themselves.

    ``cloud`` is in the objects' frames.
    """
    frames = shape.frames(grasps.rotation, grasps.translation, grasps.lengths)
    wanted = contact_map(shape, frames, cloud)
    tried = _disturbed(grasps, _DISTURBED, rng)
    hand, seen = hand_points(shape, tried), cloud @ tried.rotation
    return contact_loss(model.contact(seen, hand), wanted)


def _disturbed(grasps: Grasps, size: Sequence[float], rng: torch.Generator) -> Grasps:
    """Normal disturbances of translation, rotation and fingers, of these standard deviations."""
    wide = [size[0]] * 3 + [size[1]] * 3 + [size[2]] * grasps.lengths.shape[1]
    return moved(grasps, torch.tensor(wide) * torch.randn(len(grasps), len(wide), generator=rng))


def hand_points(shape: HandShape, grasps: Grasps) -> Tensor:
    """Points on the hand's skin in the hand's orientation, ``(n, h, 3)`` m."""
    frames = shape.frames(grasps.rotation, grasps.translation, grasps.lengths)
    return shape.points(frames, shape.skin)[0] @ grasps.rotation
