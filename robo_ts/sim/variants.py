"""A different object in every world: one library model holds all meshes, tables say who shows what.

Worlds of one batch share their model's meshes but not the fields that choose among them. A body
with a fixed number of mesh geoms (slots) becomes any object of up to that many convex pieces when
the slots' ``geom_dataid`` and the fields that the compiler derived from the meshes are rewritten.
These come from compiling each object by itself once, so a world behaves bit for bit like a model
that holds this object only. Both engines are driven by one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.errors import RoboTSError
from robo_ts.sim.api import BatchSim

# Fields with one entry per geom and per body that change with the object, and their entry's shape.
_GEOM = {"size": (3,), "aabb": (6,), "rbound": (), "pos": (3,), "quat": (4,), "sameframe": ()}
_BODY = {"mass": (), "inertia": (3,), "ipos": (3,), "iquat": (4,), "sameframe": ()}
# An unused slot of the CPU engine shows this speck, collides with nothing, and is hidden. The warp
# engine cannot switch collisions off per world; there the slot shows no mesh at all (-1).
_SPECK = "variant_speck"
_HIDDEN_GROUP = 5
_CPU_ONLY = ("geom_contype", "geom_conaffinity", "geom_group", "geom_sameframe", "body_sameframe")


@dataclass
class VariantTable:
    """What the compiler derives from each object, ``V`` objects of up to ``K`` convex pieces.

    All float arrays are float64. Mass and inertia are for 1 kg/m3.

    Attributes:
        count: pieces per object, ``(V,)``.
        first: index of an object's first mesh in the library, ``(V,)``.
        size: half sizes of the meshes' inertia boxes, ``(V, K, 3)`` m.
        aabb: bounding boxes (centre, half size), ``(V, K, 6)`` m.
        rbound: radii of bounding spheres, ``(V, K)`` m.
        pos: geom positions in the body, ``(V, K, 3)`` m.
        quat: geom orientations in the body, ``(V, K, 4)``.
        sameframe: whether geom and body frames agree, ``(V, K)``, as MuJoCo counts it.
        mass: volumes, ``(V,)`` m3.
        inertia: principal moments at 1 kg/m3, ``(V, 3)`` m5.
        ipos: centres of mass, ``(V, 3)`` m.
        iquat: inertia frames, ``(V, 4)``.
        body_sameframe: whether inertia and body frames agree, ``(V,)``.
    """

    count: np.ndarray
    first: np.ndarray
    size: np.ndarray
    aabb: np.ndarray
    rbound: np.ndarray
    pos: np.ndarray
    quat: np.ndarray
    sameframe: np.ndarray
    mass: np.ndarray
    inertia: np.ndarray
    ipos: np.ndarray
    iquat: np.ndarray
    body_sameframe: np.ndarray

    def __len__(self) -> int:
        return len(self.count)

    def select(self, ids: np.ndarray) -> VariantTable:
        """The objects ``ids``, for a library that holds only these, in this order."""
        chosen = {f.name: getattr(self, f.name)[ids] for f in fields(self)}
        chosen["first"] = np.concatenate([[0], np.cumsum(chosen["count"])[:-1]])
        return VariantTable(**chosen)


def mesh_of(spec: mujoco.MjSpec, name: str, points: np.ndarray) -> None:
    """Add the convex hull of ``points (n, 3)`` m to a model as a mesh."""
    spec.add_mesh(
        name=name,
        uservert=np.asarray(points, np.float32).ravel(),
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX,
    )


def compile_object(pieces: Sequence[np.ndarray]) -> mujoco.MjModel:
    """One body of convex pieces at 1 kg/m3: body 1, geom and mesh ``i`` is piece ``i``.

    Raises:
        RoboTSError: when a piece is flat or not finite.
    """
    spec = mujoco.MjSpec()
    body = spec.worldbody.add_body(name="object")
    for index, points in enumerate(pieces):
        if not np.isfinite(points).all():
            raise RoboTSError("finite vertices", f"NaN or Inf in piece {index}", "mend the mesh")
        mesh_of(spec, f"piece_{index}", points)
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"piece_{index}", density=1.0)
    try:
        return spec.compile()
    except ValueError as error:
        raise RoboTSError(
            "convex pieces with a volume", str(error).partition("\n")[0], "give thicker pieces"
        ) from error


def make_table(objects: Iterable[Sequence[np.ndarray]], slots: int) -> VariantTable:
    """The table of many objects, each a list of convex pieces' vertices ``(n, 3)`` m.

    Args:
        objects: the objects, in the library's order.
        slots: most pieces an object may have.

    Raises:
        RoboTSError: for an object with more pieces, or a piece without a volume.
    """
    rows = [_row(compile_object(_few(pieces, slots)), slots) for pieces in objects]
    count = np.array([row["count"] for row in rows], np.int64)
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name != "count"}
    return VariantTable(count=count, first=np.concatenate([[0], np.cumsum(count)[:-1]]), **arrays)


def _few(pieces: Sequence[np.ndarray], slots: int) -> Sequence[np.ndarray]:
    if not 1 <= len(pieces) <= slots:
        raise RoboTSError(
            f"objects of 1 to {slots} convex pieces",
            f"one of {len(pieces)}",
            "raise the number of slots or decompose more coarsely",
        )
    return pieces


def _row(model: mujoco.MjModel, slots: int) -> dict[str, np.ndarray]:
    row: dict[str, np.ndarray] = {"count": np.array(model.ngeom)}
    for name, shape in _GEOM.items():
        found = getattr(model, f"geom_{name}")
        value = np.zeros((slots, *shape), found.dtype)
        value[: model.ngeom] = found
        row[name] = value
    for name in _BODY:
        value = getattr(model, f"body_{name}")[1].copy()
        row["body_sameframe" if name == "sameframe" else name] = value
    return row


def add_library(
    spec: mujoco.MjSpec,
    body: mujoco.MjsBody,
    objects: Iterable[Sequence[np.ndarray]],
    slots: int,
    **geom: object,
) -> None:
    """Add all objects' meshes to a model, and the slots that show one of them to a body.

    Switches off MuJoCo's midphase, whose boxes around a body's geoms do not follow the slots.

    Args:
        spec: the model.
        body: the body that becomes the object.
        objects: as given to :func:`make_table`, in the same order.
        slots: geoms to add, named ``<body>_0``, ``<body>_1``, ...
        geom: attributes of every slot, such as ``friction``.
    """
    spec.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
    corners = 1e-4 * np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]], np.float64)
    mesh_of(spec, _SPECK, corners)
    # Stands in until an object is assigned; specks alone would be too light to compile.
    body.explicitinertial, body.mass, body.inertia = True, 0.1, [1e-4, 1e-4, 1e-4]
    number = 0
    for pieces in objects:
        for points in pieces:
            mesh_of(spec, f"variant_{number}", points)
            number += 1
    for slot in range(slots):
        body.add_geom(
            name=f"{body.name}_{slot}",
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=_SPECK,
            **geom,
        )


def variant_slots(model: mujoco.MjModel) -> np.ndarray:
    """Ids of the geoms that show another mesh in every world; empty for most models."""
    speck = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_MESH, _SPECK)
    if speck < 0:
        return np.zeros(0, np.int64)
    is_mesh = model.geom_type == int(mujoco.mjtGeom.mjGEOM_MESH)
    return np.flatnonzero(is_mesh & (model.geom_dataid == speck))


class Variants:
    """Writes objects into worlds.

    Args:
        model: a model that :func:`add_library` prepared.
        body: the name of the body that becomes the object.
        table: the objects, in the library's order.
        engine: ``cpu`` or ``warp``.

    Raises:
        RoboTSError: when model and table do not belong together.
    """

    def __init__(
        self, model: mujoco.MjModel, body: str, table: VariantTable, engine: str = "cpu"
    ) -> None:
        self.table, self._cpu = table, engine != "warp"
        slots = table.size.shape[1]
        self._body = model.body(body).id
        self._geoms = np.array([model.geom(f"{body}_{k}").id for k in range(slots)])
        meshes = int(table.count.sum())
        held = sum(model.mesh(i).name.startswith("variant_") for i in range(model.nmesh)) - 1
        if held != meshes:
            raise RoboTSError(
                f"a library of {meshes} meshes", f"{held}", "give add_library the same objects"
            )
        self._rows = self._filled(model)
        self.fields = list(self._rows)

    def _filled(self, model: mujoco.MjModel) -> dict[str, Tensor]:
        """Every field's full row per object, ``(V, ngeom or nbody, ...)``: 30 kB per object."""
        table, geoms, speck = self.table, self._geoms, model.mesh(_SPECK).id
        slots, used = len(geoms), np.arange(len(geoms)) < table.count[:, None]
        first = model.mesh("variant_0").id
        dataid = first + table.first[:, None] + np.arange(slots)
        switched = {
            "geom_dataid": np.where(used, dataid, speck if self._cpu else -1),
            "geom_contype": used * model.geom_contype[geoms],
            "geom_conaffinity": used * model.geom_conaffinity[geoms],
            "geom_group": np.where(used, model.geom_group[geoms], _HIDDEN_GROUP),
        }
        for name in _GEOM:
            own = getattr(table, name)
            usual = getattr(model, f"geom_{name}")[geoms]
            wide = used.reshape(used.shape + (1,) * (own.ndim - 2))
            switched[f"geom_{name}"] = np.where(wide, own, usual)
        rows = {}
        for name, value in switched.items():
            rows[name] = (getattr(model, name), geoms, value)
        for name in _BODY:
            value = table.body_sameframe if name == "sameframe" else getattr(table, name)
            rows[f"body_{name}"] = (getattr(model, f"body_{name}"), self._body, value)
        if not self._cpu:
            rows = {name: row for name, row in rows.items() if name not in _CPU_ONLY}
        return {name: _rows(*row) for name, row in rows.items()}

    def assign(
        self, sim: BatchSim, env_ids: Tensor, variant_ids: Tensor, density: Tensor | float
    ) -> None:
        """Show objects ``variant_ids (n,)`` in worlds ``env_ids (n,)``.

        Only the model changes: the caller resets these worlds.

        Args:
            sim: the worlds; they must have been made with ``expand=variants.fields``.
            env_ids: world ids.
            variant_ids: rows of the table.
            density: kg/m3, ``(n,)`` or one for all.
        """
        ids = variant_ids.cpu()
        density = torch.as_tensor(density, dtype=torch.float64).cpu().expand(len(ids))
        for name, rows in self._rows.items():
            value = rows[ids]
            if name in ("body_mass", "body_inertia"):
                wide = density.reshape(-1, *[1] * (value.ndim - 2))
                value[:, self._body] *= wide
            if not self._cpu:
                value = value.reshape(len(ids), *sim.read(name).shape[1:])
            sim.write(name, value, env_ids)
        sim.set_const(env_ids)


def _rows(usual: np.ndarray, where: np.ndarray | int, value: np.ndarray) -> Tensor:
    rows = np.repeat(usual[None], len(value), axis=0)
    rows[:, where] = value
    return torch.from_numpy(rows)
