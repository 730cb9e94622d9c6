"""Where things lie in the model's arrays, looked up once."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.grasp.hands import Hand
from robo_ts.envs.grasp.model import PREFIX, WRIST


@dataclass(frozen=True)
class Layout:
    """Indices, and constants of the hand.

    Attributes:
        actuators: names of the fingers' actuators, in order.
        fingers: names of the fingers, the thumb first.
        finger_qpos: positions of the finger joints in qpos, ``(j,)``.
        finger_qvel: in qvel, ``(j,)``.
        joint_range: limits of the finger joints, ``(j, 2)`` rad.
        transmission: finger joints to actuator lengths, ``(u, j)``.
        target_range: limits of all targets, wrist first, ``(6 + u, 2)``.
        keypoints: site ids of tips, links, palm, grasp point: ``2 * fingers + 2``.
        object_qpos: where the object's seven numbers begin.
        object_qvel: where its six begin.
        forces: where each finger's three forces, the palm's and the table's lie, ``(f + 2, 3)``.
        object_geoms: ids of the object's slots.
        grasp_offset: from palm to grasp point in the wrist's frame, ``(3,)`` m.
        tip_radius: of each fingertip, ``(f,)`` m.
    """

    actuators: list[str]
    fingers: tuple[str, ...]
    finger_qpos: Tensor
    finger_qvel: Tensor
    joint_range: Tensor
    transmission: Tensor
    target_range: Tensor
    keypoints: Tensor
    object_qpos: int
    object_qvel: int
    forces: Tensor
    object_geoms: Tensor
    grasp_offset: Tensor
    tip_radius: Tensor


def find_layout(model: mujoco.MjModel, hand: Hand, device: torch.device) -> Layout:
    """The layout of a model that ``build_model`` made."""

    def floats(value: np.ndarray) -> Tensor:
        return torch.as_tensor(np.array(value), dtype=torch.float32, device=device)

    def longs(value: list[int] | np.ndarray) -> Tensor:
        return torch.as_tensor(np.array(value), device=device).long()

    names = [model.actuator(i).name for i in range(model.nu)]
    assert tuple(names[:6]) == WRIST, "the wrist's actuators come first"
    joints = [j for j in range(model.njnt) if model.joint(j).name.startswith(PREFIX)]
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    moment = np.zeros((model.nu, model.nv))
    mujoco.mju_sparse2dense(
        moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
    )
    dofs = [model.jnt_dofadr[j] for j in joints]
    points = [f"{f}_{kind}" for kind in ("tip", "link") for f in hand.fingers] + ["palm", "grasp"]
    sensors = [f"{f}_force" for f in hand.fingers] + ["palm_force", "table_force"]
    palm, grasp = (data.site(PREFIX + name).xpos for name in ("palm", "grasp"))
    return Layout(
        actuators=[name.removeprefix(PREFIX) for name in names[6:]],
        fingers=hand.fingers,
        finger_qpos=longs([model.jnt_qposadr[j] for j in joints]),
        finger_qvel=longs(dofs),
        joint_range=floats(model.jnt_range[joints]),
        transmission=floats(moment[6:, dofs]),
        target_range=floats(model.actuator_ctrlrange),
        keypoints=longs([model.site(PREFIX + name).id for name in points]),
        object_qpos=int(model.joint("object").qposadr[0]),
        object_qvel=int(model.joint("object").dofadr[0]),
        forces=longs([model.sensor(name).adr[0] + 1 + np.arange(3) for name in sensors]),
        object_geoms=longs([g for g in range(model.ngeom) if _is_slot(model, g)]),
        grasp_offset=floats(grasp - palm),
        tip_radius=floats(np.array([_radius(model, f"{f}_tip") for f in hand.fingers])),
    )


def _is_slot(model: mujoco.MjModel, geom: int) -> bool:
    return model.geom_bodyid[geom] == model.body("object").id


def _radius(model: mujoco.MjModel, name: str) -> float:
    """Of the smallest thickness of a tip's geom."""
    geom = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, PREFIX + name)
    return float(model.geom_size[geom, 0]) if geom >= 0 else 0.01
