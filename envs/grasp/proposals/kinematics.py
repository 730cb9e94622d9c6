"""Where a hand's links are, differentiably, for many poses at once; read from its MJCF.

All links of one depth are placed in one step, so the cost grows with the longest finger, not with
the number of joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.grasp.geometry import quat_to_matrix
from robo_ts.envs.grasp.hands import Hand
from robo_ts.envs.grasp.proposals.rotations import skew, times, turned
from robo_ts.errors import RoboTSError

_HINGE, _SLIDE = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)


@dataclass
class _Link:
    """What one joint moves, or a body without joints."""

    body: int
    parent: int
    depth: int
    offset: np.ndarray
    quat: np.ndarray
    joint: int


class Kinematics:
    """Forward kinematics of a hand.

    A pose of the hand is (rotation, translation, lengths): the orientation of the hand's model,
    where its site ``palm`` is, and the lengths of its finger actuators. Joints that share a tendon
    move together, as in the task.

    Attributes:
        model: the hand alone, compiled.
        actuators: names.
        length_range: of the actuators, ``(u, 2)`` rad.
        joint_range: ``(j, 2)`` rad.
        transmission: joint positions to actuator lengths, ``(u, j)``.
        stiffness: gains of the position actuators, ``(u,)`` N m/rad.
        palm: the site ``palm`` in the hand's model, ``(3,)`` m.
        grasp: the site ``grasp``, ``(3,)`` m.

    Raises:
        RoboTSError: for a hand with ball joints.
    """

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.model = model = hand.spec().compile()
        wrong = [model.joint(j).name for j in range(model.njnt) if not _simple(model, j)]
        if wrong:
            raise RoboTSError(
                "a hand of hinges and slides", f"{', '.join(wrong)} of {hand.name}", "replace them"
            )
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        moment = np.zeros((model.nu, model.nv))
        mujoco.mju_sparse2dense(
            moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
        )
        self.actuators = [model.actuator(i).name for i in range(model.nu)]
        self.length_range = _floats(model.actuator_ctrlrange)
        self.joint_range = _floats(model.jnt_range)
        self.stiffness = _floats(model.actuator_gainprm[:, 0])
        self.palm = _floats(data.site("palm").xpos)
        self.grasp = _floats(data.site("grasp").xpos)
        self.transmission = _floats(moment)
        self._to_joints = torch.linalg.pinv(self.transmission)
        self._links, self._last = _links(model)
        self._tables(model)

    def _tables(self, model: mujoco.MjModel) -> None:
        links = self._links
        self._turn = quat_to_matrix(_floats(np.stack([link.quat for link in links])))
        self._offset = _floats(np.stack([link.offset for link in links]))
        joints = np.array([link.joint for link in links])
        still = joints < 0
        kind = np.where(still, -1, model.jnt_type[joints])
        axis = np.where(still[:, None], 0.0, model.jnt_axis[joints])
        self._joint = torch.as_tensor(np.maximum(joints, 0))
        self._anchor = _floats(np.where(still[:, None], 0.0, model.jnt_pos[joints]))
        self._slide = _floats(axis * (kind == _SLIDE)[:, None])
        self._cross = skew(_floats(axis * (kind == _HINGE)[:, None]))
        # Own turn of a link: its offset's, and on it the joint's, by Rodrigues' formula.
        self._sine = times(self._turn, self._cross)
        self._cosine = times(self._sine, self._cross)
        self._reference = _floats(np.array([model.qpos0[model.jnt_qposadr[j]] for j in joints]))
        depth = np.array([link.depth for link in links])
        self._levels, place = [], np.zeros(len(links), np.int64)
        for level in range(depth.max() + 1):
            here = np.flatnonzero(depth == level)
            place[here] = np.arange(len(here))
            parents = np.array([place[links[i].parent] if level else 0 for i in here])
            self._levels.append((torch.as_tensor(here), torch.as_tensor(parents)))
        order = np.concatenate([ids.numpy() for ids, _ in self._levels])
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        # Bodies in MuJoCo's order, without the world.
        last = [back[self._last[b]] for b in range(1, model.nbody)]
        self._bodies = torch.as_tensor(np.array(last))

    def joints(self, lengths: Tensor) -> Tensor:
        """Joint positions ``(n, j)`` of actuator lengths ``(n, u)``."""
        return lengths @ self._to_joints.T

    def bodies(self, rotation: Tensor, translation: Tensor, lengths: Tensor) -> Frames:
        """Where all bodies but the world are.

        Args:
            rotation: of the hand, ``(n, 3, 3)``.
            translation: of the site ``palm``, ``(n, 3)`` m.
            lengths: of the actuators, ``(n, u)``.
        """
        moved = self.joints(lengths)[:, self._joint] - self._reference  # (n, links)
        sine, cosine = torch.sin(moved)[..., None, None], torch.cos(moved)[..., None, None]
        own = self._turn + sine * self._sine + (1.0 - cosine) * self._cosine
        slid = self._anchor + self._slide * moved[..., None]
        shift = self._offset + turned(self._turn, slid) - turned(own, self._anchor)
        turns, places = [], []
        turn, place = rotation[:, None], (translation - turned(rotation, self.palm))[:, None]
        for ids, parents in self._levels:
            if turns:
                turn, place = turns[-1][:, parents], places[-1][:, parents]
            places.append(place + turned(turn, shift[:, ids]))
            turns.append(times(turn, own[:, ids]))
        return Frames(
            torch.cat(turns, dim=1)[:, self._bodies], torch.cat(places, dim=1)[:, self._bodies]
        )


@dataclass
class Frames:
    """Orientations ``(n, bodies, 3, 3)`` and places ``(n, bodies, 3)`` m of bodies or geoms."""

    rotation: Tensor
    translation: Tensor

    def points(self, local: Tensor) -> Tensor:
        """Points ``(bodies, p, 3)`` of each, as ``(n, bodies * p, 3)``."""
        n, bodies = self.translation.shape[:2]
        # One large product per body in the place of one small product per body and row.
        columns = self.rotation.permute(1, 3, 0, 2).reshape(bodies, 3, 3 * n)
        moved = torch.bmm(local, columns).reshape(bodies, -1, n, 3)
        moved = moved + self.translation.transpose(0, 1)[:, None]
        return moved.flatten(0, 1).transpose(0, 1)

    def select(self, which: Tensor) -> Frames:
        """Some bodies only."""
        return Frames(self.rotation[:, which], self.translation[:, which])


def _simple(model: mujoco.MjModel, joint: int) -> bool:
    return model.jnt_type[joint] in (_HINGE, _SLIDE)


def _floats(value: np.ndarray) -> Tensor:
    return torch.as_tensor(np.array(value), dtype=torch.float32)


def _links(model: mujoco.MjModel) -> tuple[list[_Link], dict[int, int]]:
    """A link per joint, and the last link of every body."""
    links: list[_Link] = []
    last: dict[int, int] = {}
    for body in range(1, model.nbody):
        parent = last.get(int(model.body_parentid[body]), -1)
        offset, quat = model.body_pos[body], model.body_quat[body]
        first, count = model.body_jntadr[body], model.body_jntnum[body]
        for joint in range(first, first + count) if count else [-1]:
            depth = links[parent].depth + 1 if parent >= 0 else 0
            links.append(_Link(body, parent, depth, offset, quat, joint))
            parent = len(links) - 1
            offset, quat = np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0])
        last[body] = parent
    return links, last
