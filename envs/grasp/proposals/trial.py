"""Grasps put to the test in simulation: gravity in six directions, one after another.

The criterion of DexGraspNet and UniDexGrasp (2303.00938, supplement A): a grasp is valid when the
hand holds the object against gravity along each axis and sinks in by no more than a millimetre.
The hand stands still; the object starts where the grasp wants it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.grasp.config import PhysicsConfig
from robo_ts.envs.grasp.geometry import quat_to_matrix
from robo_ts.envs.grasp.model import PREFIX, build_floating_model
from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import TrialConfig
from robo_ts.envs.grasp.proposals.contacts import squeeze, table_depth
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps, together
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.rotations import turned
from robo_ts.progress import Progress
from robo_ts.sim import BatchSim, EngineConfig, make_sim
from robo_ts.sim.variants import Variants

DIRECTIONS = torch.cat([torch.eye(3), -torch.eye(3)])  # of gravity, in the object's frame
_GRAVITY = 9.81
# Closing: kg/m3 of objects hard to push, m within which links close, how often for how many
# seconds, and the force at first, N.
_HEAVY, _IN_REACH, _ROUNDS, _ROUND, _FAST = 1e5, 0.08, 16, 0.05, 16.0


@dataclass
class Verdict:
    """What became of grasps.

    Attributes:
        penetration: of the hand in the object at first, as MuJoCo's collisions measure it, ``(n,)``
            m.
        table: depth of the hand in the table, ``(n,)`` m.
        held: against gravity in each direction, ``(n, 6)``.
        valid: held against all, and not too deep, ``(n,)``.
    """

    penetration: Tensor
    table: Tensor
    held: Tensor
    valid: Tensor


class Trial:
    """A model of a hand and all objects of a set, ready to try grasps.

    Args:
        shape: the hand's.
        objects: the objects.
        fields: their distances.
        config: what a grasp has to withstand.
        physics: contacts; the task's own.
        engine: the CPU when left out.
    """

    def __init__(
        self,
        shape: HandShape,
        objects: ObjectSet,
        fields: Fields,
        config: TrialConfig,
        physics: PhysicsConfig | None = None,
        engine: EngineConfig | None = None,
    ) -> None:
        self._shape, self._objects, self._fields = shape, objects, fields
        self._config, self._engine = config, engine or EngineConfig()
        self._model = build_floating_model(
            shape.kinematics.hand, objects.pieces, physics or PhysicsConfig()
        )
        self._variants = Variants(self._model, "object", objects.table, self._engine.name)
        model = self._model
        self._at = int(model.joint("object").qposadr[0])
        joints = [j for j in range(model.njnt) if model.joint(j).name.startswith(PREFIX)]
        self._fingers = torch.as_tensor(model.jnt_qposadr[joints]).long()
        self._body = model.body("object").id

    def run(self, grasps: Grasps, label: str = "validate") -> Verdict:
        """Try all grasps. They need not be near the object."""
        config, n = self._config, len(grasps)
        target = squeeze(self._shape, self._fields, grasps, config.force)
        each = max(config.num_envs // len(DIRECTIONS), 1)
        deep, held = [], []
        bar = Progress(label, n, "grasp")
        for rows in torch.arange(n).split(each):
            part, kept = self._worlds(grasps.rows(rows), target[rows])
            deep, held = [*deep, part], [*held, kept]
            bar.update(len(rows))
        bar.close()
        penetration, kept = torch.cat(deep), torch.cat(held)
        table = table_depth(self._shape, grasps, grasps.lying(self._objects))
        shallow = (penetration <= config.penetration) & (table <= config.table)
        return Verdict(penetration, table, kept, kept.all(dim=1) & shallow)

    def close(self, grasps: Grasps, label: str = "close") -> Grasps:
        """Let fingers close on objects too heavy to be thrown; how all comes to rest is the grasp.

        Optimised contacts end millimetres before or behind the surface; these end on it.
        """
        config, done = self._config, []
        bar = Progress(label, len(grasps), "grasp")
        for rows in torch.arange(len(grasps)).split(config.num_envs):
            part = grasps.rows(rows)
            sim = self._make(part, torch.arange(len(part)), _HEAVY)
            for done_rounds in range(_ROUNDS):
                # Fast at first, in the end as gently as they will be held.
                force = config.force + (_FAST - config.force) * (1.0 - done_rounds / _ROUNDS)
                target = squeeze(self._shape, self._fields, part, force, _IN_REACH)
                sim.write("ctrl", target)
                sim.step(round(_ROUND / sim.dt))
                part = self._as_it_is(part, sim.read("qpos").cpu())
                # Nothing slows a floating object down; pushed once, it would drift away.
                sim.write("qvel", torch.zeros_like(sim.read("qvel")))
            sim.close()
            done.append(part)
            bar.update(len(rows))
        bar.close()
        closed = together(done)
        low, high = self._shape.kinematics.length_range.T
        return replace(closed, lengths=closed.lengths.clamp(low, high))

    def _make(self, grasps: Grasps, which: Tensor, density: float) -> BatchSim:
        """A world for each of ``which (w,)``, rows of the grasps, as at first."""
        sim = make_sim(
            self._model,
            len(which),
            self._engine,
            fields=("sensordata",),
            expand=(*self._variants.fields, "geom_friction"),
        )
        worlds = torch.arange(len(which), device=sim.device)
        self._variants.assign(sim, worlds, grasps.ids[which], density)
        friction = torch.as_tensor(self._model.geom_friction, dtype=torch.float32)
        friction = friction.repeat(len(which), 1, 1)
        friction[..., 0] = self._config.friction
        sim.write("geom_friction", friction)
        sim.write("qpos", self._start(grasps)[which])
        sim.write("ctrl", grasps.lengths[which])
        sim.forward()
        return sim

    def _worlds(self, grasps: Grasps, target: Tensor) -> tuple[Tensor, Tensor]:
        config, n, six = self._config, len(grasps), len(DIRECTIONS)
        which = torch.arange(n).repeat_interleave(six)
        sim = self._make(grasps, which, config.density)
        deep = -sim.read("sensordata")[::six, 1].cpu().clamp(max=0.0)
        before = sim.read("qpos")[:, self._at : self._at + 3].cpu()

        sim.write("ctrl", target[which])
        sim.step(round(config.settle / sim.dt))
        mass = config.density * torch.as_tensor(self._objects.table.mass, dtype=torch.float32)
        # Gravity along an axis of the object's own frame as it is at first, in the hand's frame.
        along = grasps.rotation.transpose(1, 2)[which] @ DIRECTIONS.repeat(n, 1)[..., None]
        force = torch.zeros(n * six, self._model.nbody, 6)
        force[:, self._body, :3] = _GRAVITY * mass[grasps.ids[which], None] * along[..., 0]
        sim.write("xfrc_applied", force)
        sim.step(round(config.seconds / sim.dt))
        place = sim.read("qpos")[:, self._at : self._at + 3].cpu()
        sim.close()
        moved = torch.linalg.vector_norm(place - before, dim=-1)
        return deep, (moved <= config.moved).reshape(n, six)

    def _as_it_is(self, grasps: Grasps, qpos: Tensor) -> Grasps:
        """The grasps that worlds in these positions show; the inverse of :meth:`_start`."""
        kinematics, at = self._shape.kinematics, self._at
        rotation = quat_to_matrix(qpos[:, at + 3 : at + 7]).transpose(1, 2)
        return replace(
            grasps,
            rotation=rotation,
            translation=turned(rotation, kinematics.palm - qpos[:, at : at + 3]),
            lengths=qpos[:, self._fingers] @ kinematics.transmission.T,
        )

    def _start(self, grasps: Grasps) -> Tensor:
        """Positions ``(n, nq)`` with the object where it is as seen from the hand's model."""
        kinematics, n = self._shape.kinematics, len(grasps)
        turn = grasps.rotation.transpose(1, 2)
        qpos = torch.as_tensor(self._model.qpos0, dtype=torch.float32).repeat(n, 1)
        qpos[:, self._fingers] = kinematics.joints(grasps.lengths)
        place = kinematics.palm - turned(turn, grasps.translation)
        qpos[:, self._at : self._at + 3] = place
        qpos[:, self._at + 3 : self._at + 7] = _quaternions(turn)
        return qpos


def _quaternions(matrices: Tensor) -> Tensor:
    found = np.empty((len(matrices), 4))
    for row, matrix in zip(found, matrices.double().numpy(), strict=True):
        mujoco.mju_mat2Quat(row, matrix.ravel())
    return torch.as_tensor(found, dtype=torch.float32)
