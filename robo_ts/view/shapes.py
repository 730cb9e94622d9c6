"""Bodies that look different in every world: which mesh each slot shows, and where."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from robo_ts.sim import BatchSim
from robo_ts.sim.variants import variant_slots

_SHOWN_GROUPS = 3
# Of a slot: mesh, group, position (m), orientation.
_WIDTH = 9


@dataclass(frozen=True)
class Piece:
    """One mesh as it is seen in its body's frame.

    Attributes:
        mesh: its number in the model.
        pos: ``(3,)`` m.
        quat: ``(4,)``, w first.
        slot: the geom that shows it.
    """

    mesh: int
    pos: np.ndarray
    quat: np.ndarray
    slot: int


def read_shapes(sim: BatchSim) -> np.ndarray:
    """What every slot of every world shows now, ``(num_worlds, slots, 9)``; no slots where all
    worlds look alike."""
    slots = variant_slots(sim.model)
    if not slots.size or "geom_dataid" not in sim.expanded:
        return np.zeros((sim.num_envs, 0, _WIDTH), np.float32)

    def field(name: str, width: int) -> np.ndarray:
        if f"geom_{name}" in sim.expanded:
            value = sim.read(f"geom_{name}").cpu().numpy()
        else:
            value = np.repeat(getattr(sim.model, f"geom_{name}")[None], sim.num_envs, axis=0)
        return value.reshape(sim.num_envs, sim.model.ngeom, width)[:, slots]

    parts = [field("dataid", 1), field("group", 1), field("pos", 3), field("quat", 4)]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def shown_pieces(model: mujoco.MjModel, world: np.ndarray) -> dict[int, list[Piece]]:
    """What one world's slots show, by body.

    Args:
        model: of all worlds.
        world: its row of :func:`read_shapes`, ``(slots, 9)``.
    """
    found: dict[int, list[Piece]] = {}
    for slot, row in zip(variant_slots(model), world, strict=False):
        if row[0] >= 0 and row[1] < _SHOWN_GROUPS:
            piece = Piece(int(row[0]), row[2:5], row[5:9], int(slot))
            found.setdefault(int(model.geom_bodyid[slot]), []).append(piece)
    return found


def mesh_of(model: mujoco.MjModel, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A mesh's vertices ``(n, 3)`` m and triangles ``(m, 3)``."""
    first, count = model.mesh_vertadr[number], model.mesh_vertnum[number]
    face, faces = model.mesh_faceadr[number], model.mesh_facenum[number]
    return model.mesh_vert[first : first + count], model.mesh_face[face : face + faces]


def joined(model: mujoco.MjModel, pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of one body as one mesh in its frame: vertices ``(n, 3)`` m, triangles ``(m, 3)``."""
    vertices, triangles, count = [], [], 0
    for piece in pieces:
        points, faces = mesh_of(model, piece.mesh)
        turned = np.empty(9)
        mujoco.mju_quat2Mat(turned, piece.quat.astype(np.float64))
        vertices.append(points @ turned.reshape(3, 3).T + piece.pos)
        triangles.append(faces + count)
        count += len(points)
    return np.concatenate(vertices).astype(np.float32), np.concatenate(triangles)
