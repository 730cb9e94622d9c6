"""Where every body of every world is."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco import batch as mjbatch

from robo_ts.sim import BatchSim


class Poses:
    """Kinematics beside the simulation, so that looking at worlds never changes them.

    Args:
        model: the model of all worlds.
        num: number of worlds.
    """

    def __init__(self, model: mujoco.MjModel, num: int) -> None:
        self._batch = mjbatch.Batch(model, num, 1)
        self._batch.reset(stage=int(mujoco.mjtStage.mjSTAGE_NONE))
        self._inputs = ["qpos", *(["mocap_pos", "mocap_quat"] if model.nmocap else [])]
        self._into = {name: self._batch.bind(name) for name in self._inputs}
        self._xpos, self._xquat = self._batch.bind("xpos"), self._batch.bind("xquat")

    def read(self, sim: BatchSim) -> dict[str, np.ndarray]:
        """What :meth:`place` needs of the worlds now; copies."""
        return {name: sim.read(name).cpu().numpy().copy() for name in self._inputs}

    def place(self, state: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Body positions ``(num, nbody, 3)`` in m and quaternions ``(num, nbody, 4)``, w first."""
        for name, array in self._into.items():
            array[...] = state[name]
        self._batch.forward(stage=int(mujoco.mjtStage.mjSTAGE_POS))
        return self._xpos.astype(np.float32), self._xquat.astype(np.float32)
