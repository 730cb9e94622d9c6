"""Scripted motions of OP3: getting up from the front and from the back, and a gait.

Teachers start from them and learn what to add. The numbers were found by searching in simulation
(``scripts/op3_motions.py``) and are kept beside the model, in ``motions.json``. A get-up is a row
of poses that the servos are sent to one after the other, as in the scripted get-ups of Haarnoja et
al. 2023 (arXiv 2304.13653), the last of them standing with bent knees. The gait is sines, with half
a period between left and right. Both lean against the tilt of the torso.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robo_ts.envs.soccer.walkers.base import Clock, robot_file
from robo_ts.envs.soccer.walkers.op3_joints import JOINTS
from robo_ts.files import read_json

#: Joints of a side, in the order of everything below.
SIDE = (
    "sho_pitch",
    "sho_roll",
    "el",
    "hip_yaw",
    "hip_roll",
    "hip_pitch",
    "knee",
    "ank_pitch",
    "ank_roll",
)
HIP, KNEE, ANKLE, ROLL = (SIDE.index(n) for n in ("hip_pitch", "knee", "ank_pitch", "ank_roll"))
LEANS = ("pitch", "pitch_rate", "roll", "roll_rate")
_NAMES = list(JOINTS)
LEFT = [_NAMES.index(f"l_{name}") for name in SIDE]
RIGHT = [_NAMES.index(f"r_{name}") for name in SIDE]


class GetUp(NamedTuple):
    """Some get-ups, ``n`` of them.

    Attributes:
        ends: when each pose gives way to the next, ``(n, poses)`` s.
        poses: actions of the left side, ``(n, poses + 1, 9)``, the last being to stand; the right
            side's are the negatives.
        gains: by which the pose before standing leans against the tilt, ``(n, 4)``: the ankle's
            action per forward lean and per rad/s of it, then the hip's.
        hold: the same of standing, ``(n, 4)``.
    """

    ends: Tensor
    poses: Tensor
    gains: Tensor
    hold: Tensor


class Gait(NamedTuple):
    """A gait, or several along the leading dimensions.

    Attributes:
        period: of a stride, ``(...,)`` s.
        waves: middle (rad), size (rad) and phase (rad) of every joint of the left side, ``(..., 9,
            3)``. The knee has only the positive half of its sine, which lifts the foot; the ankle
            keeps the sole level and its wave comes on top.
        lean: by which the ankles lean against the tilt, ``(..., 4)``: pitch, roll and their rates
            as in ``LEANS``, rad per unit.
    """

    period: Tensor
    waves: Tensor
    lean: Tensor


@cache
def motions() -> dict[str, Any]:
    """The file, as plain data."""
    return read_json(robot_file("op3").parent / "motions.json")


@cache
def get_ups() -> GetUp:
    """The get-ups in the file: from the front and from the back."""
    found = [motions()["get_up"][name] for name in ("prone", "supine")]
    seconds = torch.tensor([[pose["seconds"] for pose in one["poses"]] for one in found])
    angles = torch.tensor(
        [[[pose["angles"][name] for name in SIDE] for pose in one["poses"]] for one in found]
    )
    poses = torch.cat([actions(angles), torch.zeros(2, 1, len(SIDE))], dim=1)
    gains, hold = torch.tensor([one["gains"] for one in found]), motions()["get_up"]["hold"]
    return GetUp(seconds.cumsum(dim=1), poses, gains, torch.tensor([hold, hold]))


@cache
def gait() -> Gait:
    """The gait in the file."""
    found = motions()["gait"]
    waves = [[found["joints"][n][k] for k in ("middle", "size", "phase")] for n in SIDE]
    lean = [found["lean"][name] for name in LEANS]
    return Gait(torch.tensor(found["period_s"]), torch.tensor(waves), torch.tensor(lean))


def actions(angles: Tensor) -> Tensor:
    """Actions that ask for ``angles (..., 9)`` rad of the left side's joints."""
    low, high, rest = torch.tensor([JOINTS[f"l_{name}"] for name in SIDE]).to(angles).unbind(-1)
    off = angles - rest
    return off / torch.where(off > 0.0, high - rest, rest - low).clamp_min(1e-6)


def action(clock: Clock, up: Tensor, rate: Tensor) -> Tensor:
    """Actions ``(..., 20)`` of the scripted motions.

    Args:
        clock: where the players are in them, ``(...,)`` each.
        up: the vertical in the torso's frame, ``(..., 3)``.
        rate: angular velocity in the torso's frame, ``(..., 3)`` rad/s.
    """
    device = up.device
    plan = GetUp(*(value.to(device) for value in get_ups()))
    steps = Gait(*(value.to(device) for value in gait()))
    rises = rising(plan, clock.supine.long(), clock.time, up, rate)
    left, right = walking(steps, clock.time, up, rate)
    rises_now = clock.rising[..., None]
    return whole(torch.where(rises_now, rises, left), torch.where(rises_now, rises, right))


def whole(left: Tensor, right: Tensor) -> Tensor:
    """Actions ``(..., 20)`` of both sides, ``(..., 9)`` each, the right one as if it were left."""
    found = left.new_zeros(*left.shape[:-1], len(_NAMES))
    found[..., LEFT], found[..., RIGHT] = left, -right
    return found.clamp(-1.0, 1.0)


def rising(plan: GetUp, which: Tensor, time: Tensor, up: Tensor, rate: Tensor) -> Tensor:
    """Actions of either side in a get-up, ``(..., 9)``.

    Args:
        plan: the get-ups.
        which: of them, ``(...,)`` long.
        time: since it began, ``(...,)`` s.
        up: as in :func:`action`.
        rate: as in :func:`action`.
    """
    step = (time[..., None] >= plan.ends[which] - 1e-6).sum(dim=-1)
    found = plan.poses[which, step]
    last = plan.ends.shape[1]
    lean, turn = -up[..., 0], rate[..., 1]
    rest = torch.zeros_like(plan.gains[which])
    gain = torch.where((step == last - 1)[..., None], plan.gains[which], rest)
    gain = torch.where((step == last)[..., None], plan.hold[which], gain)
    found[..., ANKLE] += gain[..., 0] * lean + gain[..., 1] * turn
    found[..., HIP] += gain[..., 2] * lean + gain[..., 3] * turn
    return found


def walking(steps: Gait, time: Tensor, up: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Actions of both sides in a gait, ``(..., 9)`` each, from what :func:`action` takes."""
    phase = 2.0 * math.pi * time / steps.period
    pitch, pitch_rate, roll, roll_rate = steps.lean.unbind(-1)
    ahead = pitch * -up[..., 0] + pitch_rate * rate[..., 1]
    aside = roll * -up[..., 1] + roll_rate * rate[..., 0]
    sides = []
    for shift, sign in ((0.0, 1.0), (math.pi, -1.0)):
        sine = torch.sin(phase[..., None] + shift + steps.waves[..., 2])
        sine[..., KNEE].clamp_min_(0.0)
        angles = steps.waves[..., 0] + steps.waves[..., 1] * sine
        angles[..., ANKLE] += angles[..., HIP] + angles[..., KNEE] + ahead
        angles[..., ROLL] += sign * aside
        sides.append(actions(angles))
    return sides[0], sides[1]


# The longest get-up, and a little to come to rest.
GET_UP_S = 0.3 + float(get_ups().ends.max())
STRIDE_S = float(gait().period)
