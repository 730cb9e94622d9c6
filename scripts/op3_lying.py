"""Gather how OP3 lies after a fall: ``python scripts/op3_lying.py [POSES]``.

Robots are dropped on their front and on their back, somewhat turned, with joints that hold a pose
near standing; how they lie after two seconds is kept. Writes ``lying.npz`` beside the model.
"""

import math
import sys

import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.soccer.model import build_model
from robo_ts.envs.soccer.pitch import BALL_RADIUS
from robo_ts.envs.soccer.walkers.base import robot_file
from robo_ts.envs.soccer.walkers.op3 import OP3, product
from robo_ts.sim import EngineConfig, make_sim

_POSES = 160  # of each side
_SPARE = 1.3  # so many are dropped per pose that is kept
_HEIGHT, _SECONDS = 0.22, 2.0  # of the drop, m; and how long it may take, s
_TILT, _ROLL, _JOINTS = 0.4, 0.3, 0.35  # rad, rad, share of the joints' range
_CALM, _FLAT = 0.3, 0.8  # rad/s at most; the front's cosine with the vertical at least


def about(axis: int, angle: Tensor) -> Tensor:
    """Quaternions ``(n, 4)``, w first, of turns by ``angle (n,)`` about an axis."""
    turn = torch.zeros(len(angle), 4)
    turn[:, 0], turn[:, 1 + axis] = torch.cos(0.5 * angle), torch.sin(0.5 * angle)
    return turn


def dropped(walker: OP3, front: float, count: int, chance: torch.Generator) -> Tensor:
    """Where ``count`` robots come to lie, of those that do; ``front`` is 1 for face down."""

    def within(size: float, *more: int) -> Tensor:
        return size * (2.0 * torch.rand(count, *more, generator=chance) - 1.0)

    qpos = walker.stand(torch.zeros(count, 2), torch.zeros(count))
    turn = product(about(1, front * 0.5 * math.pi + within(_TILT)), about(0, within(_ROLL)))
    qpos[:, 2], qpos[:, 3:7] = _HEIGHT, turn
    qpos[:, 7:] = walker.control(within(_JOINTS, 20), qpos)
    sim = make_sim(build_model(walker, 1, 0), count, EngineConfig())
    start = torch.zeros(count, sim.model.nq)
    start[:, :4] = torch.tensor([2.0, 1.5, BALL_RADIUS, 1.0])
    start[:, 7:] = qpos
    sim.write("qpos", start)
    sim.write("ctrl", qpos[:, 7:])
    sim.step(round(_SECONDS / sim.dt))
    found, speed = sim.read("qpos")[:, 7:], sim.read("qvel")[:, 6:]
    sim.close()
    still = speed.abs().amax(dim=1) < _CALM
    flat = walker.front(found) * front < -_FLAT
    found[:, :2] = 0.0
    return found[still & flat]


def main(poses: int) -> None:
    """Gather and write."""
    walker, chance = OP3(), torch.Generator().manual_seed(0)
    kept = {}
    for name, front in (("prone", 1.0), ("supine", -1.0)):
        found = dropped(walker, front, round(_SPARE * poses), chance)
        print(f"{name}: {len(found)} lie, {poses} are kept")
        kept[name] = found[:poses].numpy().astype(np.float32)
    np.savez_compressed(robot_file("op3").parent / "lying.npz", **kept)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _POSES)
