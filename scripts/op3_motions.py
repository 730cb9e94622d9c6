"""Search for OP3's scripted motions: ``python scripts/op3_motions.py prone|supine|gait SECONDS``.

Goes on from what ``motions.json`` beside the model holds, by CMA-ES (Hansen 2016, arXiv
1604.00772), and writes what it found there. With ``--anew`` a get-up begins from the best of a few
thousand drawn at random: without them a search from the back ends in a sitting pose.
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from robo_ts.envs.soccer.model import build_model
from robo_ts.envs.soccer.pitch import BALL_RADIUS
from robo_ts.envs.soccer.walkers import op3_motions as motions
from robo_ts.envs.soccer.walkers.base import robot_file
from robo_ts.envs.soccer.walkers.op3 import OP3
from robo_ts.files import write_json
from robo_ts.sim import BatchSim, EngineConfig, make_sim

_FILE = robot_file("op3").parent / "motions.json"
_STEP = 0.025  # s, of control
# Joints a get-up moves; the others stay as they stand.
_MOVED = [i for i, name in enumerate(motions.SIDE) if name not in ("hip_yaw", "ank_roll")]
_POSES, _SHORTEST, _LONGEST = 4, 0.08, 0.4  # poses per get-up, and how long each may last, s
_GET_UP, _WALK, _PACE = 2.5, 4.0, 0.62  # s, s, m/s: how long is watched, what is fast enough
_STARTS = {"prone": 4, "supine": 4, "gait": 2}  # per candidate
_SPREAD = {"prone": 0.12, "supine": 0.12, "gait": 0.2}
# Of a gait's joints: unit of the search for middle and size, rad.
_WAVES = {"sho_pitch": (0.0, 0.5), "hip_yaw": (0.0, 0.2), "hip_roll": (0.0, 0.1)}
_WAVES |= {"hip_pitch": (0.3, 0.35), "knee": (0.4, 0.5), "ank_pitch": (0.1, 0.15)}
_WAVES |= {"ank_roll": (0.1, 0.2)}


class CMAES:
    """Covariance matrix adaptation, for a value to be made great."""

    def __init__(self, mean: np.ndarray, sigma: float, candidates: int, seed: int) -> None:
        n, parents = len(mean), candidates // 2
        weights = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
        self.weights = weights / weights.sum()
        mass = 1.0 / float((self.weights**2).sum())
        self.mean, self.sigma, self.candidates, self.mass = mean, sigma, candidates, mass
        self.chance = np.random.default_rng(seed)
        self.c_path, self.c_sigma = (
            (4 + mass / n) / (n + 4 + 2 * mass / n),
            (mass + 2) / (n + mass + 5),
        )
        self.c_one = 2 / ((n + 1.3) ** 2 + mass)
        self.c_rank = min(1 - self.c_one, 2 * (mass - 2 + 1 / mass) / ((n + 2) ** 2 + mass))
        self.damping = 1 + 2 * max(0.0, ((mass - 1) / (n + 1)) ** 0.5 - 1) + self.c_sigma
        self.expected = n**0.5 * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        self.path, self.path_sigma, self.covariance = np.zeros(n), np.zeros(n), np.eye(n)
        self.drawn = np.zeros((candidates, n))

    def ask(self) -> np.ndarray:
        """Candidates ``(candidates, n)``."""
        values, self.axes = np.linalg.eigh(self.covariance)
        self.lengths = np.sqrt(np.maximum(values, 1e-12))
        noise = self.chance.normal(size=self.drawn.shape)
        self.drawn = (noise * self.lengths) @ self.axes.T
        return self.mean + self.sigma * self.drawn

    def tell(self, worth: np.ndarray) -> None:
        """How good they are, ``(candidates,)``."""
        best = self.drawn[np.argsort(-worth)[: len(self.weights)]]
        step, keep = self.weights @ best, 1 - self.c_sigma
        white = self.axes @ ((self.axes.T @ step) / self.lengths)
        self.mean = self.mean + self.sigma * step
        self.path_sigma = keep * self.path_sigma
        self.path_sigma += (self.c_sigma * (2 - self.c_sigma) * self.mass) ** 0.5 * white
        far = float(np.linalg.norm(self.path_sigma)) / self.expected
        self.path = (1 - self.c_path) * self.path
        if far < 2.0:
            self.path += (self.c_path * (2 - self.c_path) * self.mass) ** 0.5 * step
        self.covariance = (1 - self.c_one - self.c_rank) * self.covariance
        self.covariance += self.c_one * np.outer(self.path, self.path)
        self.covariance += self.c_rank * (best.T * self.weights) @ best
        self.sigma *= float(np.exp(self.c_sigma / self.damping * (far - 1)))


class Motion(NamedTuple):
    """What is searched for.

    Attributes:
        read: the file's motion as a vector.
        write: a vector into the file's plain data.
        worth: how good candidates ``(n, size)`` are, ``(n,)``.
    """

    read: Callable[[], np.ndarray]
    write: Callable[[np.ndarray], None]
    worth: Callable[[np.ndarray], np.ndarray]


# -- get-ups ---------------------------------------------------------------------------------------


def plan_of(vector: Tensor) -> motions.GetUp:
    """The get-ups that vectors ``(n, size)`` stand for: poses, times and gains in search units."""
    moved = _POSES * len(_MOVED)
    poses = torch.zeros(len(vector), _POSES + 1, len(motions.SIDE))
    poses[:, :_POSES, _MOVED] = vector[:, :moved].clamp(-1.0, 1.0).unflatten(1, (_POSES, -1))
    share = torch.sigmoid(vector[:, moved : moved + _POSES])
    ends = (_SHORTEST + (_LONGEST - _SHORTEST) * share).cumsum(dim=1)
    # A pose lasts whole control steps.
    ends = (ends / _STEP).ceil() * _STEP
    gains = vector[:, moved + _POSES :] * torch.tensor([2.0, 0.25, 2.0, 0.25])
    hold = motions.get_ups().hold[:1].expand(len(vector), -1)
    return motions.GetUp(ends, poses, gains, hold)


def read_get_up(side: str) -> np.ndarray:
    """The file's get-up from one side as a vector; the inverse of :func:`plan_of`."""
    plan = motions.GetUp(*(v[("prone", "supine").index(side)] for v in motions.get_ups()))
    lasting = torch.diff(plan.ends, prepend=torch.zeros(1)) - 0.5 * _STEP
    share = ((lasting - _SHORTEST) / (_LONGEST - _SHORTEST)).clamp(0.01, 0.99)
    gains = plan.gains / torch.tensor([2.0, 0.25, 2.0, 0.25])
    poses = plan.poses[:_POSES, _MOVED].flatten()
    return torch.cat([poses, torch.logit(share), gains]).double().numpy()


def write_get_up(side: str, vector: np.ndarray) -> None:
    """Put a get-up into the file's plain data."""
    plan, op3 = plan_of(torch.tensor(vector[None]).float()), OP3()
    angles = op3.control(motions.whole(plan.poses[0], plan.poses[0]), torch.zeros(27))
    seconds = torch.diff(plan.ends[0], prepend=torch.zeros(1))
    motions.motions()["get_up"][side] = {
        "poses": [
            {
                "seconds": round(float(seconds[i]), 3),
                "angles": {
                    name: round(float(angles[i, joint]), 3)
                    for name, joint in zip(motions.SIDE, motions.LEFT, strict=True)
                },
            }
            for i in range(_POSES)
        ],
        "gains": [round(float(gain), 4) for gain in plan.gains[0]],
    }


def worth_of_get_ups(side: str, vectors: np.ndarray) -> np.ndarray:
    """Mean and worst over a few ways to lie: how high and upright, how soon, and to the end."""
    count, walker = _STARTS[side], OP3()
    plan = plan_of(torch.tensor(vectors).float())
    which = torch.arange(len(vectors)).repeat_interleave(count)
    with np.load(robot_file("op3").parent / "lying.npz", allow_pickle=False) as file:
        lying = torch.from_numpy(file[side][3 : 3 + 11 * count : 11])
    risen = []
    for now in _rolled(
        walker,
        lying.repeat(len(vectors), 1),
        _GET_UP,
        lambda t, up, rate: _alike(motions.rising(plan, which, t, up, rate)),
    ):
        share = walker.rises(now) * 0.352 / 0.33
        risen.append(share.clamp(0.0, 1.0) * 0.5 * (1.0 + walker.uprightness(now)))
    high = torch.stack(risen)
    up = (high > 0.93).float()
    worth = high[12:].mean(0) + up[-16:].mean(0) + 0.5 * up.mean(0)
    worth = worth.unflatten(0, (-1, count))
    moved = np.abs(vectors[:, : _POSES * len(_MOVED)])
    outside = np.maximum(moved - 1.0, 0.0).sum(axis=1)
    return (0.7 * worth.mean(1) + 0.3 * worth.amin(1)).numpy() - 0.02 * outside


def drawn_get_up(side: str, chance: np.random.Generator) -> np.ndarray:
    """The best of a few thousand get-ups that bend the hips."""
    best, found = -np.inf, np.zeros(0)
    for _ in range(10):
        poses = chance.uniform(-1.0, 1.0, (256, _POSES, len(_MOVED)))
        hip = _MOVED.index(motions.HIP)
        poses[..., hip] = -np.sqrt(np.abs(poses[..., hip]))
        poses[:, -1] *= 0.5
        rest = np.concatenate([chance.normal(size=(256, _POSES)), np.zeros((256, 4))], axis=1)
        vectors = np.concatenate([poses.reshape(256, -1), rest], axis=1)
        worth = worth_of_get_ups(side, vectors)
        if worth.max() > best:
            best, found = float(worth.max()), vectors[worth.argmax()]
    return found


# -- the gait --------------------------------------------------------------------------------------


def _gait_units() -> tuple[Tensor, Tensor]:
    """Unit and fixed middle of every wave, ``(9, 3)`` each; a unit of 0 is not searched."""
    units = torch.zeros(len(motions.SIDE), 3)
    for name, (middle, size) in _WAVES.items():
        units[motions.SIDE.index(name)] = torch.tensor([middle, size, 1.0])
    return units, motions.gait().waves


def gait_of(vector: Tensor) -> motions.Gait:
    """The gaits that vectors ``(n, size)`` stand for."""
    units, waves = _gait_units()
    free = units > 0.0
    found = waves.expand(len(vector), -1, -1).clone()
    count = int(free.sum())
    found[:, free] = vector[:, 1 : 1 + count] * units[free]
    lean = vector[:, 1 + count :] * torch.tensor([1.0, 0.1, 1.0, 0.1])
    return motions.Gait(0.3 + 0.4 * torch.sigmoid(vector[:, 0]), found, lean)


def read_gait() -> np.ndarray:
    """The file's gait as a vector."""
    gait, (units, _) = motions.gait(), _gait_units()
    free = units > 0.0
    period = torch.logit(((gait.period - 0.3) / 0.4).clamp(0.01, 0.99))
    lean = gait.lean / torch.tensor([1.0, 0.1, 1.0, 0.1])
    return torch.cat([period[None], gait.waves[free] / units[free], lean]).double().numpy()


def write_gait(vector: np.ndarray) -> None:
    """Put a gait into the file's plain data."""
    gait = gait_of(torch.tensor(vector[None]).float())
    keys = ("middle", "size", "phase")
    motions.motions()["gait"] = {
        "period_s": round(float(gait.period[0]), 4),
        "joints": {
            name: dict(zip(keys, [round(float(x), 4) for x in wave], strict=True))
            for name, wave in zip(motions.SIDE, gait.waves[0], strict=True)
        },
        "lean": {n: round(float(x), 4) for n, x in zip(motions.LEANS, gait.lean[0], strict=True)},
    }


def worth_of_gaits(vectors: np.ndarray) -> np.ndarray:
    """How far they walk ahead before they fall, and for how long they do not."""
    count, walker = _STARTS["gait"], OP3()
    steps = gait_of(torch.tensor(vectors).float().repeat_interleave(count, dim=0))
    n = len(vectors) * count
    begin = walker.stand(torch.tensor([[-2.0, 0.0]] * n), torch.zeros(n))
    noise = torch.randn(count, 20, generator=torch.Generator().manual_seed(len(vectors)))
    begin[:, 7:] += 0.03 * noise.repeat(len(vectors), 1)
    place, alive = begin[:, :2], torch.ones(n, dtype=torch.bool)
    lived = torch.zeros(n)
    for now in _rolled(
        walker, begin, _WALK, lambda t, up, rate: motions.walking(steps, t, up, rate)
    ):
        alive &= ~walker.fallen(now)
        place = torch.where(alive[:, None], now[:, :2], place)
        lived += alive.float() * _STEP / _WALK
    ahead, aside = (place - begin[:, :2]).unbind(-1)
    worth = ahead.clamp_max(_PACE * _WALK) - 0.3 * aside.abs() + 1.5 * lived
    return worth.unflatten(0, (-1, count)).mean(1).numpy()


# -- simulation ------------------------------------------------------------------------------------


def _alike(side: Tensor) -> tuple[Tensor, Tensor]:
    return side, side


Script = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
_sims: dict[int, BatchSim] = {}


def _rolled(walker: OP3, qpos: Tensor, seconds: float, script: Script) -> list[Tensor]:
    """The robots' ``qpos (n, 27)`` after every control step of a script."""
    n = len(qpos)
    if n not in _sims:
        _sims[n] = make_sim(build_model(walker, 1, 0), n, EngineConfig())
    sim = _sims[n]
    start = torch.zeros(n, sim.model.nq)
    start[:, :4] = torch.tensor([2.2, -1.8, BALL_RADIUS, 1.0])
    start[:, 7:] = qpos
    sim.reset()
    sim.write("qpos", start)
    action, found = torch.zeros(n, 20), []
    rate = torch.zeros(n, 3)
    for step in range(round(seconds / _STEP)):
        up = torch.stack([walker.front(qpos), walker.side(qpos), walker.uprightness(qpos)], dim=-1)
        wanted = motions.whole(*script(torch.full((n,), step * _STEP), up, rate))
        action = walker.smoothing * action + (1.0 - walker.smoothing) * wanted
        sim.write("ctrl", walker.control(action, qpos))
        sim.step(walker.substeps)
        qpos, rate = sim.read("qpos")[:, 7:], sim.read("qvel")[:, 9:12]
        found.append(qpos)
    return found


def main(name: str, seconds: float, candidates: int, anew: bool) -> None:
    """Search, and write the mean of the last candidates where it is better."""
    if name == "gait":
        motion = Motion(read_gait, write_gait, worth_of_gaits)
    else:
        motion = Motion(
            lambda: read_get_up(name),
            lambda vector: write_get_up(name, vector),
            lambda vectors: worth_of_get_ups(name, vectors),
        )
    first = (
        drawn_get_up(name, np.random.default_rng(0)) if anew and name != "gait" else motion.read()
    )
    search = CMAES(first, 2.0 * _SPREAD[name] if anew else _SPREAD[name], candidates, 0)
    until, generation = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        worth = motion.worth(search.ask())
        search.tell(worth)
        generation += 1
        print(f"{generation}: best {worth.max():.3f} mean {worth.mean():.3f}", flush=True)
    before, after = motion.worth(np.stack([first, search.mean]))
    print(f"worth {before:.3f} before, {after:.3f} now")
    if after > before:
        motion.write(search.mean)
        write_json(_FILE, motions.motions())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motion", choices=("prone", "supine", "gait"))
    parser.add_argument("seconds", type=float)
    parser.add_argument("--candidates", type=int, default=24)
    parser.add_argument("--anew", action="store_true")
    given = parser.parse_args()
    main(given.motion, given.seconds, given.candidates, given.anew)
