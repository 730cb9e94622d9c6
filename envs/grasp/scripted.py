"""A scripted grasp from above: over the object, down, close, up. It looks at the simulator's state.

It is there for tests of the physics, and to collect the grasps whose main directions become the
hand's synergies. No policy uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.grasp.geometry import to_heading
from robo_ts.envs.grasp.task import Grasp


@dataclass(frozen=True)
class Script:
    """When what happens, s since the episode began, and how.

    Attributes:
        over: until then the hand goes above the object.
        down: until then it goes down.
        close: until then the fingers close; afterwards the hand rises.
        depth: of the grasp point below the object's middle, m.
        squeeze: how far the fingers go from the open to the closed pose; 1 is all the way.
        turn: of the hand against its heading at the start, rad.
    """

    over: float = 0.7
    down: float = 1.2
    close: float = 1.8
    depth: float = 0.0
    squeeze: float = 1.0
    turn: float = 0.0


def scripted_action(
    env: Grasp, script: Script | None = None, closed: Tensor | None = None
) -> Tensor:
    """Actions ``(num_envs, actions)`` of a task with ``action: joint``.

    Args:
        env: the worlds.
        script: timing; the same for all worlds.
        closed: targets of the fingers when closed, ``(u,)`` or ``(num_envs, u)`` rad; the hand's
            own when left out.
    """
    script = script or Script()
    config, scene = env.config, env.scene
    time = env.episode_step.float() * env.step_dt
    if closed is None:
        closed = torch.as_tensor(
            env.hand.pose(env.hand.closed, env.layout.actuators), dtype=torch.float32
        ).to(env.device)
    opened = env.open_pose
    wanted = scene.position - torch.tensor([0.0, 0.0, script.depth], device=env.device)
    error = wanted - scene.grasp_point
    # Above the object's top first; the lowest the grasp point may be keeps the tips off the table.
    clearance = scene.box[:, 5] + 0.05
    error[:, 2] += torch.where(time < script.over, clearance, 0.0)
    floor = 0.02 - scene.grasp_point[:, 2]
    error[:, 2] = torch.maximum(error[:, 2], floor)
    # A hand that followed the object while its fingers push it would never stop.
    error[:, :2] *= (time < script.down)[:, None]
    rising = time >= script.close
    up = (config.goal_height - env.record.height).clamp(-0.05, 0.05)
    still = torch.stack([torch.zeros_like(up), torch.zeros_like(up), up], dim=-1)
    error = torch.where(rising[:, None], still, error)
    move = to_heading(error, scene.yaw) * (4.0 / config.wrist_speed)

    tilt = -scene.wrist[:, 3:] * (4.0 / config.turn_speed)
    tilt[:, 0] = 0.0
    closing = (time >= script.down)[:, None]
    goal = opened + closing * script.squeeze * (closed - opened)
    fingers = (goal - env.target[:, 6:]) / (config.finger_speed * env.step_dt) * 0.25
    return torch.cat([move, tilt, fingers], dim=-1).clamp(-1.0, 1.0)
