"""Steps, grids and densities on SO(3)."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.grasp.proposals.rotation_model import RotationModel
from robo_ts.envs.grasp.proposals.rotations import (
    VOLUME,
    angle_between,
    exponential,
    orthonormal,
    spirals,
    uniform,
)


def peaked(seed: int = 0) -> RotationModel:
    """A model whose density is far from even, as weights fall at random."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = RotationModel(context=2, hidden=32, queries=64, grid=1000)
        for weights in model.parameters():
            weights.data.mul_(3.0)
    return model.eval()


def test_exponentials_are_mujocos_and_smooth_at_zero() -> None:
    vectors = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    for vector, found in zip(vectors, exponential(vectors), strict=True):
        angle, quat, matrix = float(vector.norm()), np.empty(4), np.empty(9)
        mujoco.mju_axisAngle2Quat(quat, (vector / angle).double().numpy(), angle)
        mujoco.mju_quat2Mat(matrix, quat)
        np.testing.assert_allclose(found.flatten(), matrix, atol=1e-6)
    zero = torch.zeros(1, 3, requires_grad=True)
    exponential(zero)[0, 1, 0].backward()
    assert zero.grad is not None
    torch.testing.assert_close(zero.grad[0], torch.tensor([0.0, 0.0, 1.0]))


def test_rounding_is_taken_out_of_rotations() -> None:
    exact = uniform(5, torch.Generator().manual_seed(0))
    noisy = exact + 1e-3 * torch.randn(5, 3, 3, generator=torch.Generator().manual_seed(1))
    found = orthonormal(noisy)
    torch.testing.assert_close(found @ found.transpose(1, 2), torch.eye(3).expand(5, 3, 3))
    assert bool((torch.linalg.det(found) > 0.0).all())
    assert float(angle_between(found, exact).max()) < 5e-3


def test_spirals_are_as_even_as_the_group_itself() -> None:
    grid = spirals(2000)
    torch.testing.assert_close(grid.mean(dim=0), torch.zeros(3, 3), atol=3e-3, rtol=0.0)
    even = torch.full((3, 3), 1.0 / 3.0)
    torch.testing.assert_close(grid.square().mean(dim=0), even, atol=3e-3, rtol=0.0)
    # Angles of uniform rotations have the density (1 - cos a) / pi.
    angle = angle_between(grid, torch.eye(3).expand_as(grid))
    share = (angle < math.pi / 2.0).float().mean()
    assert abs(float(share) - (0.5 - 1.0 / math.pi)) < 5e-3


def test_the_density_of_rotations_integrates_to_one() -> None:
    model, rng = peaked(), torch.Generator().manual_seed(5)
    context, rotations = torch.randn(1, 2, generator=rng), uniform(600, rng)
    with torch.no_grad():
        density = model.log_prob(context.expand(600, 2), rotations).exp()
    assert float(density.max() * VOLUME) > 5.0, "the density is even: nothing is tested"
    assert abs(float(density.mean() * VOLUME) - 1.0) < 0.1


def test_samples_of_rotations_match_their_density() -> None:
    model, rng = peaked(), torch.Generator().manual_seed(6)
    context = torch.randn(1, 2, generator=rng)

    def features(rotations: Tensor) -> Tensor:
        return torch.cat([rotations.flatten(1), rotations.square().flatten(1)], dim=1)

    drawn = torch.cat([model.sample(context.expand(20, 2), rng) for _ in range(40)])
    grid = uniform(6000, rng)
    with torch.no_grad():
        likely = torch.softmax(model.rate(context, grid[None]), dim=1)[0]
    expected = likely @ features(grid)
    even = torch.tensor([0.0] * 9 + [1.0 / 3.0] * 9)
    assert float((expected - even).abs().max()) > 0.2, "the density is even: nothing is tested"
    torch.testing.assert_close(features(drawn).mean(dim=0), expected, atol=0.09, rtol=0.0)


def test_two_ways_to_turn_are_learnt_as_two() -> None:
    rng = torch.Generator().manual_seed(7)
    modes = uniform(2, rng)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RotationModel(context=1, hidden=48, queries=128, grid=2000)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    context = torch.zeros(32, 1)
    for step in range(120):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1.0 - step / 120)
        nearby = exponential(0.15 * torch.randn(32, 3, generator=rng))
        wanted = modes[torch.randint(2, (32,), generator=rng)] @ nearby
        loss = -model.log_prob(context, wanted, training=True).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    drawn = model.sample(torch.zeros(200, 1), rng)
    near = torch.stack([angle_between(drawn, m.expand_as(drawn)) < 0.7 for m in modes])
    share = near.float().mean(dim=1)
    assert bool((share > 0.2).all()), share
    assert float(share.sum()) > 0.9, share
