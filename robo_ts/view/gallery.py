"""Failed episodes as pictures: what the student did where it did not succeed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robo_ts.env import TaskEnv
from robo_ts.evaluate.actors import Actor
from robo_ts.files import write_json
from robo_ts.view.strip import Job, draw

INDEX = "failures.json"
# Worlds that are looked at, pictures that are made at most, and of one class.
NUM_ENVS, PICTURES, PER_CLASS = 64, 6, 3


@dataclass
class Flight:
    """One world's first episode.

    Attributes:
        world: its id.
        length: control steps.
        failure: name of its failure class; ``none`` for a success.
        metrics: what ``evaluate()`` said at its end, numbers only.
        qpos: ``(length, nq)``.
        mocap: ``(length, nmocap, 7)``, position and quaternion.
    """

    world: int
    length: int
    failure: str
    metrics: dict[str, float]
    qpos: np.ndarray
    mocap: np.ndarray


def failure_gallery(
    actor: Actor, make_env: Callable[[int, int], TaskEnv], folder: Path, seed: int
) -> dict[str, Any]:
    """Let a policy act in a few unseen worlds and make a picture of some of its failures.

    Args:
        actor: who acts.
        make_env: ``(num_envs, seed) -> TaskEnv``.
        folder: receives one JPEG per picture and ``failures.json``; made anew.
        seed: of the worlds.

    Returns:
        The content of ``failures.json``: ``episodes``, ``failed`` and ``pictures``, each with
        ``file``, ``failure``, ``length`` and ``metrics``.
    """
    env = make_env(NUM_ENVS, seed)
    try:
        flights = _fly(actor, env, seed)
        env.reset(seed=seed)
        chosen = _choose([flight for flight in flights if flight.failure != "none"])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        jobs = [
            Job(env.sim.world(flight.world)[0], flight.qpos, flight.mocap, folder / f"{k}.jpg")
            for k, flight in enumerate(chosen)
        ]
        draw(jobs)
    finally:
        env.close()
    pictures = [
        {
            "file": job.file.name,
            "failure": flight.failure,
            "length": flight.length,
            "metrics": flight.metrics,
        }
        for job, flight in zip(jobs, chosen, strict=True)
    ]
    failed = sum(flight.failure != "none" for flight in flights)
    index = {"episodes": len(flights), "failed": failed, "pictures": pictures}
    write_json(folder / INDEX, index)
    return index


def _choose(failed: list[Flight]) -> list[Flight]:
    """A few of every class, the most frequent class first."""
    classes: dict[str, list[Flight]] = {}
    for flight in failed:
        classes.setdefault(flight.failure, []).append(flight)
    ordered = sorted(classes.values(), key=len, reverse=True)
    return [flight for one in ordered for flight in one[:PER_CLASS]][:PICTURES]


@torch.no_grad()
def _fly(actor: Actor, env: TaskEnv, seed: int) -> list[Flight]:
    """The first episode of every world."""
    num, sim = env.num_envs, env.sim
    obs = env.reset(seed=seed)
    actor.begin(num)
    running = torch.ones(num, dtype=torch.bool, device=env.device)
    qpos, mocap = [_state(sim, "qpos")], [_mocap(sim)]
    ends: dict[int, tuple[int, dict[str, Tensor]]] = {}
    for step in range(1, env.max_episode_steps + 1):
        result = env.step(actor.act(obs))
        obs = result.obs
        for row, agent in enumerate(result.info["final_ids"].tolist()):
            world = agent // env.agents
            if running[agent] and world not in ends:
                values = {k: v[row].cpu() for k, v in result.info["episode"].items()}
                ends[world] = (step, values)
        running &= ~result.done
        actor.clear(result.done)
        if not bool(running.any()):
            break
        qpos.append(_state(sim, "qpos"))
        mocap.append(_mocap(sim))
    path, shown = np.stack(qpos, axis=1), np.stack(mocap, axis=1)
    return [
        Flight(
            world,
            length,
            env.failure_names[int(values["failure"])],
            {k: float(v) for k, v in values.items() if v.is_floating_point()},
            path[world, :length],
            shown[world, :length],
        )
        for world, (length, values) in sorted(ends.items())
    ]


def _state(sim: Any, name: str) -> np.ndarray:
    return sim.read(name).cpu().numpy().copy()


def _mocap(sim: Any) -> np.ndarray:
    """``(num_envs, nmocap, 7)``."""
    if not sim.model.nmocap:
        return np.zeros((sim.num_envs, 0, 7), dtype=np.float32)
    return np.concatenate([_state(sim, "mocap_pos"), _state(sim, "mocap_quat")], axis=-1)
