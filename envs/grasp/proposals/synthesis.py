"""Grasps by optimisation: random steps down the energy's slope, accepted as in annealing.

The scheme of Liu et al. (2021) in DexGraspNet's form (Wang et al. 2022): before each step some
contacts move to other points of the hand; a step is kept when the energy falls, or now and then
when it rises; steps and tolerance shrink.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import EnergyConfig, SynthesisConfig
from robo_ts.envs.grasp.proposals.energy import Lying, energy_terms
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.rotations import about_z, exponential, orthonormal, times
from robo_ts.progress import Progress

_FIRM = ("penetration", "table", "self_penetration", "limits")


def draw_lying(objects: ObjectSet, each: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ids and ways to lie for ``each`` grasps of every object."""
    ids = torch.arange(len(objects)).repeat_interleave(each)
    likely = torch.as_tensor(objects.pose_probability, dtype=torch.float32)[ids]
    return ids, torch.multinomial(likely, 1, generator=rng)[:, 0]


def begin(
    shape: HandShape,
    objects: ObjectSet,
    ids: Tensor,
    pose: Tensor,
    config: SynthesisConfig,
    rng: torch.Generator,
) -> Grasps:
    """Open hands around the objects, palms facing them from above the table, turned at random.

    A random point of the object's surface looks up or aside; the palm faces it from outside.
    """
    n = len(ids)
    points = torch.as_tensor(objects.points, dtype=torch.float32)[ids]
    normals = torch.as_tensor(objects.normals, dtype=torch.float32)[ids]
    grasps = Grasps(ids, pose, torch.eye(3).repeat(n, 1, 1), torch.zeros(n, 3), torch.zeros(n, 0))
    up = grasps.lying(objects).up
    # What looks at the table cannot be faced.
    free = ((normals * up[:, None]).sum(dim=-1) > -0.2).float() + 1e-6
    chosen = torch.multinomial(free, 1, generator=rng)[:, 0]
    rows = torch.arange(n)
    place, outward = points[rows, chosen], normals[rows, chosen]
    near = config.near[0] + (config.near[1] - config.near[0]) * torch.rand(n, generator=rng)
    tilt = config.jitter * (2.0 * torch.rand(n, 3, generator=rng) - 1.0)
    turn = about_z(2.0 * math.pi * torch.rand(n, generator=rng))
    # The palm looks along +x of the hand's model: bring x to -outward, then turn about it.
    facing = _frame(-outward) @ turn
    rotation = exponential(tilt) @ facing @ torch.tensor([[0.0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]])
    kinematics = shape.kinematics
    usual = torch.as_tensor(
        kinematics.hand.pose(kinematics.hand.open, kinematics.actuators), dtype=torch.float32
    )
    noise = config.spread * torch.randn(n, len(usual), generator=rng)
    low, high = kinematics.length_range.T
    # The point lies before the place where hands hold things, at its usual share of the way.
    aside = kinematics.grasp - kinematics.palm
    aside = rotation @ (aside * torch.tensor([0.0, 1.0, 1.0]))
    return Grasps(
        ids,
        pose,
        rotation,
        place + near[:, None] * outward - aside,
        (usual + noise).clamp(low, high),
    )


def _frame(z: Tensor) -> Tensor:
    """Some rotations ``(n, 3, 3)`` that bring +z to the unit vectors ``z (n, 3)``."""
    helper = torch.zeros_like(z)
    helper[torch.arange(len(z)), z.abs().argmin(dim=-1)] = 1.0
    x = torch.nn.functional.normalize(torch.linalg.cross(helper, z), dim=-1)
    return torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)


def _first_contacts(shape: HandShape, n: int, count: int, rng: torch.Generator) -> Tensor:
    """Candidates of ``count`` different fingers where there are as many, the thumb's first."""
    finger = shape.finger[shape.candidates.geom]
    fingers = len(shape.kinematics.hand.fingers)
    order = torch.rand(n, fingers, generator=rng)
    order[:, 0] = -1.0
    chosen = order.argsort(dim=1)[:, torch.arange(count) % fingers]
    likely = (finger == chosen[..., None]).float()  # (n, count, candidates)
    return torch.multinomial(likely.flatten(0, 1), 1, generator=rng).reshape(n, count)


class Annealing:
    """One run of the optimisation, a step at a time.

    Args:
        shape: the hand.
        fields: the objects' distances.
        objects: the objects.
        grasps: where to begin.
        config: settings.
        rng: of all chance.
    """

    def __init__(
        self,
        shape: HandShape,
        fields: Fields,
        objects: ObjectSet,
        grasps: Grasps,
        config: SynthesisConfig,
        rng: torch.Generator,
    ) -> None:
        self._shape, self._fields, self._config, self._rng = shape, fields, config, rng
        self._lying: Lying = grasps.lying(objects)
        self.grasps = grasps
        self.contacts = _first_contacts(shape, len(grasps), config.energy.contacts, rng)
        self.energy, self._slope, self.terms = self._measure(grasps, self.contacts)
        self._square = torch.zeros(self._slope.shape[1])
        self._done = 0

    def step(self) -> None:
        """Try one step for every grasp."""
        config, rng, n = self._config, self._rng, len(self.grasps)
        share = self._done / max(config.iterations - 1, 1)
        size = config.step * (config.last_step / config.step) ** share
        temperature = config.temperature * (config.last_temperature / config.temperature) ** share
        self._square.mul_(config.memory)
        self._square.add_((1.0 - config.memory) * self._slope.square().mean(dim=0))
        usual = (self._square / (1.0 - config.memory ** (self._done + 1))).sqrt()
        move = -size * self._slope / (usual + 1e-6)
        tried = moved(self.grasps, move)
        contacts = self._switched()
        energy, slope, terms = self._measure(tried, contacts)
        chance = torch.rand(n, generator=rng)
        # Above a certain rise the exponential is zero anyway; clamped, it cannot overflow.
        keep = chance < ((self.energy - energy) / temperature).clamp(max=0.0).exp()
        self.contacts = torch.where(keep[:, None], contacts, self.contacts)
        self.energy = torch.where(keep, energy, self.energy)
        self._slope = torch.where(keep[:, None], slope, self._slope)
        self.terms = {k: torch.where(keep, terms[k], self.terms[k]) for k in terms}
        old = self.grasps
        self.grasps = Grasps(
            old.ids,
            old.pose,
            torch.where(keep[:, None, None], tried.rotation, old.rotation),
            torch.where(keep[:, None], tried.translation, old.translation),
            torch.where(keep[:, None], tried.lengths, old.lengths),
        )
        self._done += 1
        if self._done % 100 == 0:
            self.grasps.rotation = orthonormal(self.grasps.rotation)

    def _switched(self) -> Tensor:
        shape, rng = self.contacts.shape, self._rng
        other = torch.randint(len(self._shape.candidates.geom), shape, generator=rng)
        switch = torch.rand(shape, generator=rng) < self._config.switch
        return torch.where(switch, other, self.contacts)

    def _measure(self, grasps: Grasps, contacts: Tensor) -> tuple[Tensor, Tensor, dict]:
        """Energies, their slopes, and the terms."""
        n, width = len(grasps), 6 + grasps.lengths.shape[1]
        nudge = torch.zeros(n, width, requires_grad=True)
        here = moved(grasps, nudge)
        frames = self._shape.frames(here.rotation, here.translation, here.lengths)
        terms = energy_terms(
            self._shape,
            self._fields,
            self._lying,
            frames,
            here.lengths,
            contacts,
            self._config.energy,
        )
        energy = torch.stack(list(terms.values())).sum(dim=0)
        (slope,) = torch.autograd.grad(energy.sum(), nudge)
        return energy.detach(), slope, {name: value.detach() for name, value in terms.items()}


def polish(
    shape: HandShape,
    fields: Fields,
    objects: ObjectSet,
    grasps: Grasps,
    contacts: Tensor,
    config: SynthesisConfig,
    label: str = "polish",
) -> tuple[Grasps, dict[str, Tensor]]:
    """Bring the chosen contacts ``(n, k)`` to the surface and all else out of it; annealing's steps
    have one size for all grasps, and leave millimetres.

    Returns:
        The grasps, and the terms of their energy at its usual weights.
    """
    firm = {k: config.firmness * getattr(config.energy, k) for k in _FIRM}
    lying, weights = grasps.lying(objects), replace(config.energy, **firm)
    nudge = torch.zeros(len(grasps), 6 + grasps.lengths.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([nudge], config.polish_step, betas=(0.8, 0.95))
    bar = Progress(label, config.polish, shown=config.polish > 0)

    def terms_of(here: Grasps, energy: EnergyConfig) -> dict[str, Tensor]:
        frames = shape.frames(here.rotation, here.translation, here.lengths)
        return energy_terms(shape, fields, lying, frames, here.lengths, contacts, energy)

    for done in range(config.polish):
        share = done / config.polish
        optimizer.param_groups[0]["lr"] = (
            0.5 * config.polish_step * (1.0 + math.cos(math.pi * share))
        )
        terms = terms_of(moved(grasps, nudge), weights)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        bar.update(1)
    bar.close()
    with torch.no_grad():
        best = moved(grasps, nudge)
        return best, terms_of(best, config.energy)


def moved(grasps: Grasps, move: Tensor) -> Grasps:
    """Grasps after a small change ``(n, 6 + u)``: translation m, turn in the hand's frame rad,
    lengths."""
    return Grasps(
        grasps.ids,
        grasps.pose,
        times(grasps.rotation, exponential(move[:, 3:6])),
        grasps.translation + move[:, :3],
        grasps.lengths + move[:, 6:],
    )


def synthesise(
    shape: HandShape,
    fields: Fields,
    objects: ObjectSet,
    each: int,
    config: SynthesisConfig,
    rng: torch.Generator,
    label: str = "synthesise",
) -> tuple[Grasps, dict[str, Tensor]]:
    """``each`` grasps of every object, good or not, and the terms of their energy."""
    ids, pose = draw_lying(objects, each, rng)
    run = Annealing(
        shape, fields, objects, begin(shape, objects, ids, pose, config, rng), config, rng
    )
    bar = Progress(label, config.iterations)
    for step in range(config.iterations):
        run.step()
        bar.update(1, **({} if step % 20 else {"energy": float(run.energy.median())}))
    bar.close()
    done, terms = polish(shape, fields, objects, run.grasps, run.contacts, config)
    low, high = shape.kinematics.length_range.T
    done.lengths = done.lengths.clamp(low, high)
    return done, terms
