"""A push: a body and all that hangs on it gain speed at once."""

from __future__ import annotations

import mujoco
import numpy as np
import torch

from robo_ts.env.viewing import ViewSpec
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim import BatchSim


def pushable_bodies(view: ViewSpec, model: mujoco.MjModel) -> list[str]:
    """The bodies that can be pushed: those the task names, else all that hang on the world by a
    joint."""
    if view.pushable:
        return list(view.pushable)
    return [
        model.body(body).name
        for body in range(1, model.nbody)
        if model.body_parentid[body] == 0 and model.body_dofnum[body] and model.body(body).name
    ]


def push(sim: BatchSim, body: str, velocity: np.ndarray, worlds: list[int]) -> None:
    """Give a body's subtree an impulse of its mass times ``velocity``, spread like a gust.

    What moves freely gains exactly ``velocity``; what joints hold back gains what they let through:
    M^-1 m J^T v with J the Jacobian of the subtree's centre of mass.

    Args:
        sim: the worlds.
        body: name of the body.
        velocity: ``(3,)`` m/s, world frame.
        worlds: which worlds.

    Raises:
        RoboTSError: for an unknown body.
    """
    model = sim.model
    names = [model.body(i).name for i in range(1, model.nbody)]
    if body not in names:
        raise RoboTSError("a body of the model", repr(body), did_you_mean(body, names))
    qvel = sim.read("qvel").clone()
    for world in worlds:  # a click's work, not a step's
        gained = _gained(*sim.world(world), body, velocity)
        qvel[world] += torch.as_tensor(gained, dtype=qvel.dtype, device=qvel.device)
    sim.write("qvel", qvel)


def _gained(
    model: mujoco.MjModel, data: mujoco.MjData, name: str, velocity: np.ndarray
) -> np.ndarray:
    body = model.body(name).id
    jacobian = np.zeros((3, model.nv))
    mujoco.mj_jacSubtreeCom(model, data, jacobian, body)
    mass = float(model.body_subtreemass[body])
    impulse = mass * jacobian.T @ np.asarray(velocity, dtype=np.float64)
    gained = np.zeros((1, model.nv))
    mujoco.mj_solveM(model, data, gained, impulse[None])
    return gained[0]
