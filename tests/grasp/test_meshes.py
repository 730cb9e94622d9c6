"""A user's own meshes: used when they can be, refused with a reason when they cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robo_ts.envs.grasp.objects.families import MAX_PIECES
from robo_ts.envs.grasp.objects.meshes import load_mesh, load_meshes
from robo_ts.envs.grasp.objects.pieces import MAX_POINTS
from robo_ts.errors import RoboTSError

trimesh = pytest.importorskip("trimesh")


def write(mesh, path: Path) -> Path:
    mesh.export(path)
    return path


def test_a_convex_mesh_is_one_piece(tmp_path: Path) -> None:
    path = write(trimesh.creation.icosphere(subdivisions=3, radius=0.03), tmp_path / "ball.stl")
    found = load_mesh(path)
    assert len(found.pieces) == 1 and len(found.pieces[0]) <= MAX_POINTS
    assert abs(found.diameter - 0.06) < 0.002
    assert found.name == "ball"


def test_a_concave_mesh_is_cut_into_pieces(tmp_path: Path) -> None:
    pytest.importorskip("coacd")
    ring = trimesh.creation.annulus(r_min=0.02, r_max=0.035, height=0.03, sections=24)
    found = load_meshes(write(ring, tmp_path / "ring.obj").parent)
    assert 3 <= found.table.count[0] <= MAX_PIECES
    # The hole is a hole: the middle lies in no piece.
    assert np.linalg.norm(found.points[0][:, :2], axis=1).min() > 0.012


def test_a_mesh_with_a_hole_is_refused(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.03)
    ball.update_faces(np.arange(len(ball.faces)) > 5)
    with pytest.raises(RoboTSError, match="watertight"):
        load_mesh(write(ball, tmp_path / "open.stl"))


def test_a_mesh_with_nan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nan.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 nan 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n")
    with pytest.raises(RoboTSError, match=r"finite vertices|watertight"):
        load_mesh(path)


def test_a_mesh_in_millimetres_is_refused(tmp_path: Path) -> None:
    path = write(trimesh.creation.box([50, 40, 30]), tmp_path / "mm.stl")
    with pytest.raises(RoboTSError, match=r"factor of 0\.001"):
        load_mesh(path)


def test_a_mesh_too_big_for_the_hand_is_refused(tmp_path: Path) -> None:
    path = write(trimesh.creation.box([0.2, 0.2, 0.2]), tmp_path / "big.stl")
    with pytest.raises(RoboTSError, match="wider than 9 cm"):
        load_mesh(path)


def test_a_mesh_of_too_many_parts_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("coacd")
    spikes = [
        trimesh.creation.box([0.004, 0.004, 0.05]).apply_translation([0.012 * i, 0.012 * j, 0.02])
        for i in range(4)
        for j in range(4)
    ]
    comb = trimesh.util.concatenate(spikes)
    with pytest.raises(RoboTSError, match="at most 12 convex pieces"):
        load_mesh(write(comb, tmp_path / "comb.stl"))


def test_a_file_that_is_no_mesh_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.stl"
    path.write_text("this is no mesh")
    with pytest.raises(RoboTSError, match=r"readable mesh|with faces"):
        load_mesh(path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RoboTSError, match=r"mend task\.objects\.meshes"):
        load_meshes(tmp_path)
