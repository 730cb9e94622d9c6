"""Grasps put to the test in simulation: gravity in six directions, one after another.

The criterion of DexGraspNet and UniDexGrasp (2303.00938, supplement A): a grasp is valid when the
hand holds the object against gravity along each axis and sinks in by no more than a millimetre.
The hand stands still; the object starts where the grasp wants it.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.grasp.config import PhysicsConfig
from robo_ts.envs.grasp.model import PREFIX, build_floating_model
from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import TrialConfig
from robo_ts.envs.grasp.proposals.contacts import squeeze
from robo_ts.envs.grasp.proposals.fields import Fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.progress import Progress
from robo_ts.sim import EngineConfig, make_sim
from robo_ts.sim.variants import Variants

DIRECTIONS = torch.cat([torch.eye(3), -torch.eye(3)])  # of gravity, in the object's frame
_GRAVITY = 9.81


@dataclass
class Verdict:
    """What became of grasps.

    Attributes:
        penetration: of the hand in the object at first, as MuJoCo's collisions measure it, ``(n,)``
            m.
        held: against gravity in each direction, ``(n, 6)``.
        valid: held against all, and not too deep, ``(n,)``.
    """

    penetration: Tensor
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
        valid = kept.all(dim=1) & (penetration <= config.penetration)
        return Verdict(penetration, kept, valid)

    def _worlds(self, grasps: Grasps, target: Tensor) -> tuple[Tensor, Tensor]:
        config, n, six = self._config, len(grasps), len(DIRECTIONS)
        sim = make_sim(
            self._model,
            n * six,
            self._engine,
            fields=("sensordata",),
            expand=(*self._variants.fields, "geom_friction"),
        )
        all_ids = torch.arange(n * six, device=sim.device)
        which = torch.arange(n).repeat_interleave(six)
        self._variants.assign(sim, all_ids, grasps.ids[which], config.density)
        friction = torch.as_tensor(self._model.geom_friction, dtype=torch.float32)
        friction = friction.repeat(n * six, 1, 1)
        friction[..., 0] = config.friction
        sim.write("geom_friction", friction)
        qpos = self._start(grasps)[which]
        sim.write("qpos", qpos)
        sim.write("ctrl", grasps.lengths[which])
        sim.forward()
        deep = -sim.read("sensordata")[::six, 1].cpu().clamp(max=0.0)

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
        moved = torch.linalg.vector_norm(place - qpos[:, self._at : self._at + 3], dim=-1)
        held = (moved <= config.moved).reshape(n, six)
        sim.close()
        return deep, held

    def _start(self, grasps: Grasps) -> Tensor:
        """Positions ``(n, nq)`` with the object where it is as seen from the hand's model."""
        kinematics, n = self._shape.kinematics, len(grasps)
        turn = grasps.rotation.transpose(1, 2)
        qpos = torch.as_tensor(self._model.qpos0, dtype=torch.float32).repeat(n, 1)
        qpos[:, self._fingers] = kinematics.joints(grasps.lengths)
        place = kinematics.palm - (turn @ grasps.translation[..., None])[..., 0]
        qpos[:, self._at : self._at + 3] = place
        qpos[:, self._at + 3 : self._at + 7] = _quaternions(turn)
        return qpos


def _quaternions(matrices: Tensor) -> Tensor:
    found = np.empty((len(matrices), 4))
    for row, matrix in zip(found, matrices.double().numpy(), strict=True):
        mujoco.mju_mat2Quat(row, matrix.ravel())
    return torch.as_tensor(found, dtype=torch.float32)
