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

SIDE = ("sho_pitch", "sho_roll", "el", "hip_yaw", "hip_roll", "hip_pitch", "knee", "ank_pitch")
SIDE = (*SIDE, "ank_roll")
_NAMES = list(JOINTS)
_LEFT = [_NAMES.index(f"l_{name}") for name in SIDE]
_RIGHT = [_NAMES.index(f"r_{name}") for name in SIDE]
_HIP, _KNEE, _ANKLE, _ROLL = 5, 6, 7, 8  # of ``SIDE``


class GetUp(NamedTuple):
    """Both get-ups, from the front first.

    Attributes:
        ends: when each pose gives way to the next, ``(2, poses)`` s.
        poses: actions of the left side, ``(2, poses + 1, 9)``; the right side's are the negatives.
        gains: by which hip and ankle of the last poses lean against the tilt and its rate, ``(2,
            4)``: ankle per forward lean, per rad/s of pitch, then the hip's.
    """

    ends: Tensor
    poses: Tensor
    gains: Tensor


@cache
def _motions() -> dict[str, Any]:
    return read_json(robot_file("op3").parent / "motions.json")


@cache
def get_up() -> GetUp:
    """The get-ups in the file."""
    found = [_motions()["get_up"][name] for name in ("prone", "supine")]
    seconds = torch.tensor([[pose["seconds"] for pose in one["poses"]] for one in found])
    angles = torch.tensor(
        [[[pose["angles"][name] for name in SIDE] for pose in one["poses"]] for one in found]
    )
    poses = torch.cat([actions(angles), torch.zeros(2, 1, len(SIDE))], dim=1)
    gains = torch.tensor([one["gains"] for one in found])
    return GetUp(seconds.cumsum(dim=1), poses, gains)


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
    rising = _rising(clock, up, rate)
    left, right = _walking(clock.time, up, rate)
    found = up.new_zeros(*up.shape[:-1], len(_NAMES))
    found[..., _LEFT] = torch.where(clock.rising[..., None], rising, left)
    found[..., _RIGHT] = -torch.where(clock.rising[..., None], rising, right)
    return found.clamp(-1.0, 1.0)


def _rising(clock: Clock, up: Tensor, rate: Tensor) -> Tensor:
    """Actions of the left side in a get-up, ``(..., 9)``."""
    ends, poses, gains = (value.to(up.device) for value in get_up())
    side = clock.supine.long()
    step = (clock.time[..., None] >= ends[side] - 1e-6).sum(dim=-1)
    found = poses[side, step]
    late = (step >= ends.shape[1] - 1).to(up.dtype)
    lean, turn = -up[..., 0] * late, rate[..., 1] * late
    gain = gains[side]
    found[..., _ANKLE] += gain[..., 0] * lean + gain[..., 1] * turn
    found[..., _HIP] += gain[..., 2] * lean + gain[..., 3] * turn
    return found


def _walking(time: Tensor, up: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Actions of the left and of the right side while walking, ``(..., 9)`` each."""
    gait = _motions()["gait"]
    lean = gait["lean"]
    phase = 2.0 * math.pi * time / gait["period_s"]
    forward = lean["pitch"] * -up[..., 0] + lean["pitch_rate"] * rate[..., 1]
    aside = lean["roll"] * -up[..., 1] + lean["roll_rate"] * rate[..., 0]
    sides = []
    for shift, sign in ((0.0, 1.0), (math.pi, -1.0)):
        angles = torch.stack([_wave(gait["joints"][name], phase + shift) for name in SIDE], dim=-1)
        angles[..., _ANKLE] += angles[..., _HIP] + angles[..., _KNEE] + forward
        angles[..., _ROLL] += sign * aside
        sides.append(actions(angles))
    return sides[0], sides[1]


def _wave(wave: dict[str, float], phase: Tensor) -> Tensor:
    """Middle and sine of a joint; with ``lift``, only the positive half of the sine."""
    sine = torch.sin(phase + wave["phase"])
    return wave["middle"] + wave["size"] * (sine.clamp_min(0.0) if wave["lift"] else sine)


GET_UP_S = max(
    sum(pose["seconds"] for pose in one["poses"]) for one in _motions()["get_up"].values()
)
GET_UP_S += 0.3  # to come to rest
STRIDE_S = float(_motions()["gait"]["period_s"])
