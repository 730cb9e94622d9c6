"""Rotations and distances against MuJoCo and against closed forms."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from robo_ts.envs.grasp.geometry import (
    from_heading,
    quat_to_matrix,
    to_heading,
    to_surface,
    turned_about_z,
    wrist_matrix,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_quaternions_turn_as_mujocos_do() -> None:
    quats = torch.nn.functional.normalize(draw(20, 4), dim=-1)
    found = quat_to_matrix(quats)
    for quat, matrix in zip(quats, found, strict=True):
        expected = np.empty(9)
        mujoco.mju_quat2Mat(expected, quat.double().numpy())
        np.testing.assert_allclose(matrix.flatten(), expected, atol=1e-6)


def test_a_turn_about_z_comes_after_the_quaternion() -> None:
    quats, angle = torch.nn.functional.normalize(draw(5, 4), dim=-1), draw(5, seed=1)
    turned = quat_to_matrix(turned_about_z(quats, angle))
    vectors = (quat_to_matrix(quats) @ draw(5, 3, 1, seed=2))[..., 0]
    expected = from_heading(vectors, angle)
    torch.testing.assert_close((turned @ draw(5, 3, 1, seed=2))[..., 0], expected)


def test_the_wrists_matrix_is_that_of_its_three_joints() -> None:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    body = spec.worldbody.add_body(name="wrist", mass=1.0, inertia=[1, 1, 1], explicitinertial=True)
    for axis in ([0, 0, 1], [0, 1, 0], [1, 0, 0]):
        body.add_joint(type=mujoco.mjtJoint.mjJNT_HINGE, axis=axis)
    model = spec.compile()
    data = mujoco.MjData(model)
    for angles in draw(10, 3):
        data.qpos[:] = angles.numpy()
        mujoco.mj_forward(model, data)
        found = wrist_matrix(angles[None])[0]
        np.testing.assert_allclose(found.flatten(), data.xmat[1], atol=1e-6)


def test_heading_and_back_is_where_one_began() -> None:
    vectors, yaw = draw(6, 4, 3), draw(6, seed=1)
    torch.testing.assert_close(from_heading(to_heading(vectors, yaw), yaw), vectors)
    east = to_heading(torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([0.5 * math.pi]))
    torch.testing.assert_close(east, torch.tensor([[1.0, 0.0, 0.0]]), atol=1e-6, rtol=0.0)


def sampled_cube(half: float, each: int) -> tuple[Tensor, Tensor, float]:
    """A cube's surface as a grid of points."""
    side = torch.linspace(-half, half, each)
    u, v = torch.meshgrid(side, side, indexing="ij")
    points, normals = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            face, normal = torch.zeros(each * each, 3), torch.zeros(each * each, 3)
            face[:, axis], normal[:, axis] = sign * half, sign
            face[:, (axis + 1) % 3], face[:, (axis + 2) % 3] = u.flatten(), v.flatten()
            points.append(face)
            normals.append(normal)
    return torch.cat(points), torch.cat(normals), 2.0 * half / (each - 1)


@pytest.mark.parametrize("scale", [0.6, 0.9, 3.0])
def test_distances_to_a_cube_are_right_within_a_spacing(scale: float) -> None:
    half = 0.03
    points, normals, spacing = sampled_cube(half, 7)
    queries = half * scale * torch.nn.functional.normalize(draw(200, 3), dim=-1)
    vector, distance = to_surface(
        queries[None], points[None], normals[None], torch.tensor([spacing])
    )
    outside = (queries.abs() - half).clamp_min(0.0).norm(dim=-1)
    inside = (queries.abs() - half).amax(dim=-1).clamp_max(0.0)
    exact = outside + inside
    assert float((distance[0] - exact).abs().max()) < 1.01 * spacing
    torch.testing.assert_close(vector[0].norm(dim=-1), distance[0].abs())


def test_on_a_flat_face_distances_are_exact() -> None:
    points, normals, spacing = sampled_cube(0.03, 7)
    queries = torch.tensor([[0.0123, -0.0071, 0.05], [0.001, 0.002, 0.0301], [0.01, 0.01, 0.028]])
    vector, distance = to_surface(
        queries[None], points[None], normals[None], torch.tensor([spacing])
    )
    torch.testing.assert_close(
        distance[0], torch.tensor([0.02, 0.0001, -0.002]), atol=1e-6, rtol=0.0
    )
    torch.testing.assert_close(vector[0, 0], torch.tensor([0.0, 0.0, -0.02]), atol=1e-6, rtol=0.0)
