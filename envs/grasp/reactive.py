"""A scripted grasp that reacts to what happens: over the object, across its narrow side, down,
close, up to the goal.

Where :mod:`robo_ts.envs.grasp.scripted` goes by the clock, this goes by the scene alone, so that a
network without memory can imitate it. It reads the simulator's state. Teachers begin from its
imitation (``scripts/grasp_start.py``); what they do in the end they have learnt from reward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.grasp.geometry import to_heading
from robo_ts.envs.grasp.task import Grasp
from robo_ts.errors import RoboTSError

_DIRECTIONS = 12  # in which an object's width is measured
_TURN_COST = 0.02  # m of width that a turn of one radian must save
_CLEARANCE = 0.045  # m between an object's top and the grasp point on the way
_LIFT_SPEED = 0.25  # m/s while the object leaves the table
_LIFTED = 0.01  # m


@dataclass(frozen=True)
class Reaction:
    """How it grasps; found by random search over 1,000 episodes of 300 objects with the Allegro.

    Attributes:
        rise: of the grasp point above the object's middle, m.
        thin: the grasp point is at most this far, m, above a thin object's top.
        floor: least height of the grasp point, m.
        pitch: of the palm, rad.
        squeeze: how far the fingers' targets go from the open to the closed pose and beyond.
        align: share of the turn across the narrow side that is commanded at once.
        near: sideways distance at which the hand may be all the way down, m.
        lead: mean distance of the six most loaded fingers' targets at which it lifts, rad.
    """

    rise: float = 0.025
    thin: float = 0.008
    floor: float = 0.026
    pitch: float = 0.36
    squeeze: float = 1.6
    align: float = 0.55
    near: float = 0.02
    lead: float = 0.15


class ReactiveGrasp:
    """Gives actions for the worlds of a task with ``action: joint``.

    Args:
        env: the worlds.
        how: settings.

    Raises:
        RoboTSError: when an action is not one number per finger actuator.
    """

    def __init__(self, env: Grasp, how: Reaction | None = None) -> None:
        if env.config.action != "joint":
            raise RoboTSError("task.action=joint", env.config.action, "set it; a script needs it")
        self.env, self.how = env, how or Reaction()
        closed = env.hand.pose(env.hand.closed, env.layout.actuators)
        self._closing = torch.as_tensor(closed, dtype=torch.float32).to(env.device) - env.open_pose
        angle = math.pi / _DIRECTIONS * torch.arange(_DIRECTIONS, device=env.device)
        self._axes = torch.stack([torch.cos(angle), torch.sin(angle)])
        self._turns = torch.where(angle > 0.5 * math.pi, angle - math.pi, angle)

    def act(self) -> Tensor:
        """What it does now, ``(num_envs, actions)`` in [-1, 1]."""
        env, how = self.env, self.how
        scene, held = env.scene, env.scene.held
        error, height, top, turn = self._aim()
        aside = torch.linalg.vector_norm(error[:, :2], dim=-1)
        above = scene.grasp_point[:, 2] - height
        # It goes down as it comes near and has turned.
        ready = torch.exp(-(60.0 * (aside - how.near).clamp_min(0.0)).square())
        ready = ready * torch.exp(-4.0 * (turn.abs() - 0.2).clamp_min(0.0))
        around = (above < top - height + 0.01) & (aside < 0.05)
        clearance = (top + _CLEARANCE - height) * (1.0 - ready)
        error[:, 2] = torch.where(around, 0.0, clearance) - above
        there = (aside < how.near + 0.012) & (above.abs() < 0.02)
        close = there | held | (around & scene.touching[:, :-1].any(dim=-1))
        high = env.record.height > _LIFTED
        lift = held & (high | (self._load() > how.lead))
        error[:, :2] *= (~close)[:, None]
        to_goal = to_heading(env.goal - scene.position, scene.yaw)
        speed = (8.0 * torch.where(lift[:, None], to_goal, error)).clamp(-0.5, 0.5)
        slow = speed.clamp(-_LIFT_SPEED, _LIFT_SPEED)
        speed = torch.where((lift & ~high)[:, None], slow, speed)
        turn = torch.where(close, 0.0, turn)
        return torch.cat(
            [speed / env.config.wrist_speed, self._turning(turn), self._fingers(close)], dim=-1
        ).clamp(-1.0, 1.0)

    def _aim(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """From the grasp point to where it should be, heading frame ``(n, 3)`` m; height it should
        have, height of the object's top, ``(n,)`` m; turn of the hand, ``(n,)`` rad."""
        env, how, scene = self.env, self.how, self.env.scene
        points = env.surfaces.points[env.object_ids] @ scene.rotation.transpose(1, 2)
        along = to_heading(points, scene.yaw)[..., :2] @ self._axes
        width = along.amax(dim=1) - along.amin(dim=1)
        turn = how.align * self._turns[(width + _TURN_COST * self._turns.abs()).argmin(dim=1)]
        middle = 0.5 * (scene.box[:, :3] + scene.box[:, 3:])
        error = to_heading(scene.position - scene.grasp_point, scene.yaw)
        error[:, :2] += middle[:, :2]
        top = scene.box[:, 5]
        rise = (top + how.thin).clamp_max(how.rise)
        height = (scene.position[:, 2] + rise).clamp_min(how.floor)
        return error, height, scene.position[:, 2] + top, turn

    def _load(self) -> Tensor:
        """How far the targets of the most loaded fingers are ahead of them, ``(n,)`` rad."""
        env = self.env
        ahead = env.target[:, 6:] - env.scene.joints @ env.layout.transmission.T
        ahead = (ahead * self._closing.sign()).clamp_min(0.0)
        return ahead.topk(min(6, ahead.shape[1]), dim=-1).values.mean(dim=-1)

    def _turning(self, turn: Tensor) -> Tensor:
        wrist = self.env.scene.wrist
        tilt = torch.stack([turn, self.how.pitch - wrist[:, 4], -wrist[:, 5]], dim=-1)
        return 6.0 * tilt / self.env.config.turn_speed

    def _fingers(self, close: Tensor) -> Tensor:
        env = self.env
        goal = env.open_pose + self.how.squeeze * close[:, None] * self._closing
        return 0.5 * (goal - env.target[:, 6:]) / (env.config.finger_speed * env.step_dt)
