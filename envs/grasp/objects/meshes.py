"""A user's own meshes as objects to grasp: checked, cut into convex pieces, laid to rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from robo_ts.envs.grasp.objects.families import MAX_PIECES
from robo_ts.envs.grasp.objects.generator import GraspObject, Limits, make_object
from robo_ts.envs.grasp.objects.object_set import ObjectSet, collect
from robo_ts.envs.grasp.objects.pieces import Piece, reduced
from robo_ts.envs.grasp.objects.shape import enclosing_diameter, volume_of, whole_hull
from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive

KINDS = (".obj", ".stl", ".ply")
_CONVEX = 0.995  # of the hull's volume
_LARGEST = 0.5  # m: what is bigger was not meant in metres


def load_meshes(folder: Path, limits: Limits | None = None, threshold: float = 0.05) -> ObjectSet:
    """All meshes of a folder, in metres, each a solid with a closed surface.

    Args:
        folder: with ``.obj``, ``.stl`` or ``.ply`` files.
        limits: what the hand can grasp.
        threshold: CoACD's concavity; lower cuts finer.

    Raises:
        RoboTSError: naming the file, when a mesh cannot be used.
    """
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in KINDS)
    if not paths:
        raise RoboTSError(
            f"a folder with {', '.join(KINDS)} files", str(folder), "mend task.objects.meshes"
        )
    return collect([load_mesh(path, limits, threshold) for path in paths])


def load_mesh(path: Path, limits: Limits | None = None, threshold: float = 0.05) -> GraspObject:
    """One mesh as an object. See :func:`load_meshes`."""
    mesh = _read(path)
    _check(mesh, path)
    pieces = _pieces(mesh, path, threshold)
    rng = np.random.default_rng(derive(0, "mesh", path.name))
    found = make_object(path.stem, "own mesh", pieces, limits, rng)
    if found is None:
        limits = limits or Limits()
        raise RoboTSError(
            "a mesh that the hand can grasp in some stable pose",
            f"{path}, which in each is wider than {100 * limits.max_width:g} cm "
            f"or lower than {100 * limits.min_height:g} cm",
            "scale it, or give other Limits to load_meshes",
        )
    return found


def _read(path: Path) -> Any:
    trimesh = _package("trimesh")
    try:
        return trimesh.load(path, force="mesh")
    except Exception as error:  # its readers raise whatever their formats' parsers raise
        raise RoboTSError(f"a readable mesh in {path}", f"{error}", "export it again") from error


def _check(mesh: Any, path: Path) -> None:
    if not len(mesh.faces):
        raise RoboTSError("a mesh with faces", str(path), "export triangles, not points or lines")
    if not np.isfinite(mesh.vertices).all():
        raise RoboTSError("finite vertices", f"NaN or Inf in {path}", "export it again")
    if not mesh.is_watertight:
        raise RoboTSError(
            "a watertight mesh, every edge shared by two faces",
            f"{path}, which has holes",
            "close it, for example with trimesh's fill_holes or Blender's 3D-Print Toolbox",
        )
    size = enclosing_diameter(np.asarray(mesh.vertices, float))
    if size > _LARGEST:
        raise RoboTSError(
            f"a mesh in metres, smaller than {_LARGEST:g} m",
            f"{path} of {size:.3g} m",
            "scale it; a file in millimetres needs a factor of 0.001",
        )


def _pieces(mesh: Any, path: Path, threshold: float) -> list[Piece]:
    vertices = np.asarray(mesh.vertices, float)
    if abs(mesh.volume) > _CONVEX * volume_of(whole_hull([vertices])):
        return [reduced(vertices)]
    coacd = _package("coacd")
    coacd.set_log_level("error")
    parts = coacd.run_coacd(
        coacd.Mesh(mesh.vertices, mesh.faces), threshold=threshold, max_convex_hull=-1
    )
    if len(parts) > MAX_PIECES:
        raise RoboTSError(
            f"a mesh of at most {MAX_PIECES} convex pieces",
            f"{path}, which takes {len(parts)} at a concavity of {threshold:g}",
            "raise the threshold of load_meshes, or simplify the mesh",
        )
    return [reduced(np.asarray(vertices, float)) for vertices, _ in parts]


def _package(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RoboTSError(
            f"the package {name}, to read own meshes",
            "it is not installed",
            "pip install 'robo_ts[meshes]'",
        ) from error
