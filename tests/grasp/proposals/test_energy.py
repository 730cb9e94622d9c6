"""The energy's terms say what they are for, and annealing lowers their sum."""

from __future__ import annotations

from dataclasses import replace

import torch

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import EnergyConfig, SynthesisConfig
from robo_ts.envs.grasp.proposals.energy import (
    Lying,
    beyond_limits,
    force_closure,
    penetration,
    table_penetration,
)
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.synthesis import (
    Annealing,
    begin,
    draw_lying,
    polish,
    synthesise,
)

SHORT = SynthesisConfig(iterations=25)


def test_opposite_pushes_balance_and_others_do_not() -> None:
    points = torch.tensor([[[0.03, 0, 0], [-0.03, 0, 0]]])
    normals = torch.tensor([[[1.0, 0, 0], [-1.0, 0, 0]]])
    assert float(force_closure(points, normals, 10.0)) == 0.0
    assert float(force_closure(points, normals.abs(), 10.0)) == 4.0
    # Pushes that pass each other by 4 cm turn the object: (10 * 0.04)^2.
    aside = points + torch.tensor([[[0, 0.02, 0], [0, -0.02, 0]]])
    torch.testing.assert_close(force_closure(aside, normals, 10.0), torch.tensor([0.16]))


def test_a_hand_in_the_object_costs_and_one_beside_it_does_not(
    shape: HandShape, fields: Fields, open_hands: Grasps
) -> None:
    frames = shape.frames(open_hands.rotation, open_hands.translation, open_hands.lengths)
    far, beside, inside = penetration(shape, frames, fields, open_hands.ids).tolist()
    assert far == 0.0
    assert beside < 0.01
    assert inside > 0.05


def test_a_corner_in_a_palm_costs_though_no_probe_is_in_the_object(
    shape: HandShape, fields: Fields, open_hands: Grasps
) -> None:
    # A cube's face 4 mm in the palm, between its middle and its edge, where it has no probes.
    hand = open_hands.rows(slice(1, 2))
    frames = shape.frames(hand.rotation, torch.tensor([[-0.021, 0.0285, 0.0]]), hand.lengths)
    centres, radii = shape.probes(frames)
    assert float((radii - fields.distance(hand.ids, centres)).max()) < 1e-3
    assert float(penetration(shape, frames, fields, hand.ids)) > 0.012


def test_a_hand_below_the_table_costs(shape: HandShape, open_hands: Grasps) -> None:
    frames = shape.frames(open_hands.rotation, open_hands.translation, open_hands.lengths)
    up = torch.tensor([0.0, 0.0, 1.0]).repeat(3, 1)
    high = Lying(open_hands.ids, up, torch.full((3,), 0.5))
    low = replace(high, height=torch.zeros(3))
    assert float(table_penetration(shape, frames, high).max()) == 0.0
    assert float(table_penetration(shape, frames, low).min()) > 0.1


def test_joints_beyond_their_range_cost_what_is_beyond(shape: HandShape) -> None:
    lengths = shape.kinematics.length_range[:, 1][None].clone()
    assert float(beyond_limits(shape, lengths)) < 1e-5
    lengths[0, 0] += 0.25
    # Counted as an actuator's and as its joint's.
    torch.testing.assert_close(
        beyond_limits(shape, lengths), torch.tensor([0.5]), atol=1e-4, rtol=0
    )


def test_hands_begin_outside_facing_the_object_from_above(
    shape: HandShape, cube: ObjectSet, fields: Fields, rng: torch.Generator
) -> None:
    ids, pose = draw_lying(cube, 64, rng)
    grasps = begin(shape, cube, ids, pose, replace(SHORT, jitter=0.0), rng)
    palm_way = grasps.rotation[:, :, 0]
    to_object = torch.nn.functional.normalize(-grasps.translation, dim=-1)
    assert float((palm_way * to_object).sum(dim=-1).median()) > 0.5
    facing = (palm_way * grasps.lying(cube).up).sum(dim=-1)
    assert float(facing.max()) < 0.3, "a palm looks up from below the table"
    assert float(fields.distance(ids, grasps.translation[:, None]).min()) > 0.0


def test_annealing_lowers_the_energy_and_depends_on_the_seed_alone(
    shape: HandShape, cube: ObjectSet, fields: Fields
) -> None:
    def made(seed: int) -> tuple[float, float, Grasps]:
        rng = torch.Generator().manual_seed(seed)
        ids, pose = draw_lying(cube, 12, rng)
        first = begin(shape, cube, ids, pose, SHORT, rng)
        run = Annealing(shape, fields, cube, first, SHORT, rng)
        before = float(run.energy.mean())
        for _ in range(SHORT.iterations):
            run.step()
        return before, float(run.energy.mean()), run.grasps

    before, after, one = made(0)
    assert after < 0.8 * before
    assert torch.equal(one.translation, made(0)[2].translation)
    assert not torch.equal(one.translation, made(1)[2].translation)


def test_synthesised_fingers_stay_within_their_ranges(
    shape: HandShape, cube: ObjectSet, fields: Fields, rng: torch.Generator
) -> None:
    few = replace(SHORT, iterations=3, polish=0, spread=2.0)
    grasps, terms = synthesise(shape, fields, cube, 8, few, rng)
    low, high = shape.kinematics.length_range.T
    assert bool(((grasps.lengths >= low) & (grasps.lengths <= high)).all())
    assert set(terms) >= {"force_closure", "distance", "penetration"}
    assert len(terms["distance"]) == 8


def test_polishing_takes_the_hand_out_and_keeps_its_contacts(
    shape: HandShape, cube: ObjectSet, fields: Fields, open_hands: Grasps
) -> None:
    deep = open_hands.rows(slice(1, 2))
    deep.translation[0, 0] = -0.02
    frames = shape.frames(deep.rotation, deep.translation, deep.lengths)
    points = shape.points(frames, shape.candidates)[0]
    nearest = fields.distance(deep.ids, points)[0].abs().argsort()[:4][None]
    # Without the table, through which this hand's palm would go.
    settings = replace(SHORT, polish=60, energy=EnergyConfig(table=0.0))
    _, terms = polish(shape, fields, cube, deep, nearest, settings)
    before = penetration(shape, frames, fields, deep.ids)
    assert float(terms["penetration"] / 100.0) < 0.1 * float(before)
    assert float(terms["distance"] / 100.0) < 0.02
