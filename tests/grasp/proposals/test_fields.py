"""Distances to objects: exact ones against closed forms, grids against exact ones."""

from __future__ import annotations

import pytest
import torch

from robo_ts.envs.grasp.objects.object_set import ObjectSet, generated
from robo_ts.envs.grasp.objects.shape import hulls
from robo_ts.envs.grasp.proposals.fields import Fields, make_fields, signed_distance
from robo_ts.sim.variants import compile_object

HALF = 0.025


def to_cube(points: torch.Tensor) -> torch.Tensor:
    beyond = points.abs() - HALF
    return beyond.clamp_min(0.0).norm(dim=-1) + beyond.amax(dim=-1).clamp_max(0.0)


def around(n: int, size: float) -> torch.Tensor:
    return size * (2.0 * torch.rand(n, 3, generator=torch.Generator().manual_seed(3)) - 1.0)


def test_distances_to_a_cube_are_exact(cube: ObjectSet) -> None:
    points = around(500, 0.07)
    found = signed_distance(hulls(compile_object(cube.pieces[0])), points)
    torch.testing.assert_close(found, to_cube(points), atol=2e-6, rtol=0.0)


def test_the_nearer_of_two_pieces_counts() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3) * HALF
    shift = torch.tensor([0.2, 0.0, 0.0])
    parts = hulls(compile_object([corners.numpy(), (corners + shift).numpy()]))
    points = around(300, 0.3)
    expected = torch.minimum(to_cube(points), to_cube(points - shift))
    torch.testing.assert_close(signed_distance(parts, points), expected, atol=3e-6, rtol=0.0)


def test_the_grid_is_right_to_a_millimetre_near_the_surface(fields: Fields) -> None:
    points = around(2000, 0.05)
    found = fields.distance(torch.zeros(1, dtype=torch.long), points[None])[0]
    error = (found - to_cube(points)).abs()
    assert float(error.quantile(0.95)) < 1e-3
    assert float(error.max()) < 2.5e-3


def test_beyond_the_grid_distance_still_grows(fields: Fields) -> None:
    points = torch.tensor([[[0.2, 0.0, 0.0], [0.4, 0.0, 0.0]]], requires_grad=True)
    found = fields.distance(torch.zeros(1, dtype=torch.long), points)[0]
    torch.testing.assert_close(found, torch.tensor([0.175, 0.375]), atol=2e-3, rtol=0.0)
    found.sum().backward()
    assert points.grad is not None
    assert bool((points.grad[0, :, 0] > 0.9).all())


def test_directions_point_away_from_faces(fields: Fields) -> None:
    axes = torch.cat([torch.eye(3), -torch.eye(3)])
    _, found = fields.look(torch.zeros(1, dtype=torch.long), 0.03 * axes[None])
    torch.testing.assert_close(found[0], axes, atol=2e-2, rtol=0.0)


@pytest.mark.parametrize("order", [[0, 0, 1, 1], [1, 0, 1, 0], [1, 1, 1]])
def test_every_row_reads_its_own_object(order: list[int]) -> None:
    objects = generated(2, families=["cube", "slab"])
    both = make_fields(objects, resolution=16)
    points = around(4 * len(order), 0.06).reshape(len(order), 4, 3)
    found = both.distance(torch.tensor(order), points)
    for row, number in enumerate(order):
        alone = make_fields(objects.select([number]), resolution=16)
        expected = alone.distance(torch.zeros(1, dtype=torch.long), points[row : row + 1])
        torch.testing.assert_close(found[row], expected[0], atol=1e-6, rtol=0.0)
