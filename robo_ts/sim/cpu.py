"""The CPU engine: mujoco.batch, float64 inside, bit-identical for any thread count."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
import torch
from mujoco import batch as mjbatch
from torch import Tensor

from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim.api import EngineConfig, available_cores, check_written
from robo_ts.sim.nan_guard import raise_diverged

# The warnings with which MuJoCo reports a non-finite or exploding world.
_BAD = [
    int(w)
    for w in (
        mujoco.mjtWarning.mjWARN_BADQPOS,
        mujoco.mjtWarning.mjWARN_BADQVEL,
        mujoco.mjtWarning.mjWARN_BADQACC,
        mujoco.mjtWarning.mjWARN_BADCTRL,
    )
]
_DUMPED = ("qpos", "qvel", "act", "ctrl", "xfrc_applied")


class CpuSim:
    """Worlds on ``mujoco.batch.Batch``. See :class:`robo_ts.sim.api.BatchSim` for the contract."""

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        engine: EngineConfig,
        fields: Sequence[str] = (),
        expand: Sequence[str] = (),
    ) -> None:
        # MuJoCo otherwise resets a world that became NaN in silence; the guard must see it.
        model = copy.copy(model)
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        self.model = model
        self.num_envs = num_envs
        self.device = torch.device("cpu")
        self.dt = float(model.opt.timestep)
        self.threads = min(engine.threads or available_cores(), num_envs)
        self._guard = engine.nan_guard
        self._batch = mjbatch.Batch(model, num_envs, self.threads)
        self._state_fields: dict[str, np.ndarray] = {}
        self._derived: dict[str, np.ndarray] = {}
        self._expanded: dict[str, np.ndarray] = {}
        self._before = np.empty_like(self._batch.state)
        for name in fields:
            self._bind(name)
        for name in expand:
            self.expand(name)
        self._batch.reset()

    # -- fields ------------------------------------------------------------------------------------

    def read(self, field: str) -> Tensor:
        array = self._expanded.get(field)
        if array is None:
            array = self._bind(field)
        tensor = torch.from_numpy(np.array(array, order="C"))
        return tensor.to(torch.float32) if tensor.is_floating_point() else tensor

    def write(self, field: str, value: Tensor, env_ids: Tensor | None = None) -> None:
        array = self._writable(field)
        source = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        check_written(field, source.shape, array.shape, env_ids)
        if env_ids is None:
            array[...] = source
        else:
            array[env_ids.numpy()] = source

    def expand(self, model_field: str) -> None:
        if model_field in self._expanded:
            return
        if model_field not in mjbatch.MODEL_FIELDS:
            raise RoboTSError(
                "a model field that can differ between worlds",
                repr(model_field),
                did_you_mean(model_field, mjbatch.MODEL_FIELDS),
            )
        self._expanded[model_field] = self._batch.expand(model_field)

    @property
    def expanded(self) -> tuple[str, ...]:
        return tuple(self._expanded)

    def set_const(self, env_ids: Tensor | None = None) -> None:
        rbound = self._expanded.get("geom_rbound")
        kept = None if rbound is None else rbound.copy()
        self._batch.set_const(_sorted_ids(env_ids))
        if rbound is not None:  # mj_setConst puts meshes' spheres back to the compiled model's
            rbound[...] = kept

    # -- time --------------------------------------------------------------------------------------

    def step(self, substeps: int = 1) -> None:
        guard = self._guard.enabled
        if guard:
            np.copyto(self._before, self._batch.state)
        try:
            self._batch.step(nstep=substeps)
        except mjbatch.SimulationError as error:
            if not guard:  # the failed worlds still have the state they had before the call
                np.copyto(self._before, self._batch.state)
            self._raise(error.ids, str(error))
        if guard:
            self._look()

    def forward(self, env_ids: Tensor | None = None) -> None:
        self._batch.forward(_sorted_ids(env_ids))

    def reset(self, env_ids: Tensor | None = None) -> None:
        self._batch.reset(_sorted_ids(env_ids), stage=int(mujoco.mjtStage.mjSTAGE_NONE))

    # -- persistence -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        expanded = {k: torch.from_numpy(v.copy()) for k, v in self._expanded.items()}
        return {"state": torch.from_numpy(self._batch.state.copy()), "expanded": expanded}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state["expanded"].items():
            self.expand(name)
            self._expanded[name][...] = value.numpy()
        if state["expanded"]:
            self.set_const()
        self._batch.state[...] = state["state"].numpy()
        self._batch.warning[...] = 0

    def world(self, env_id: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        model, data = self._batch.get_model(env_id), self._batch.get_data(env_id)
        mujoco.mj_forward(model, data)
        return model, data

    def close(self) -> None:
        self._state_fields.clear()
        self._derived.clear()
        self._expanded.clear()

    # -- internals ---------------------------------------------------------------------------------

    def _bind(self, name: str) -> np.ndarray:
        found = self._state_fields.get(name)
        if found is None:
            found = self._derived.get(name)
        if found is not None:
            return found
        if name not in mjbatch.DATA_FIELDS:
            hint = (
                "it is a model field: expand it first"
                if name in mjbatch.MODEL_FIELDS
                else did_you_mean(name, mjbatch.DATA_FIELDS)
            )
            raise RoboTSError("a field of MjData", repr(name), hint)
        array = self._batch.bind(name)
        (self._state_fields if array.flags.writeable else self._derived)[name] = array
        return array

    def _writable(self, field: str) -> np.ndarray:
        array = self._expanded.get(field)
        if array is None:
            array = self._bind(field)
        if not array.flags.writeable:
            raise RoboTSError(
                "a state field or an expanded model field",
                f"{field!r}, which every step computes anew",
                "write qpos, qvel, ctrl, ... or expand() a model field",
            )
        return array

    def _look(self) -> None:
        warned = self._batch.warning[:, _BAD, 1] > 0
        if warned.any():
            bad = warned.any(axis=1) | ~np.isfinite(self._batch.state).all(axis=1)
            which = mujoco.mjtWarning(_BAD[int(np.argmax(warned.sum(axis=0)))]).name
            # Forget what was reported, so that a run that goes on is told of the next world as
            # well.
            self._batch.warning[...] = 0
            self._raise(np.flatnonzero(bad), f"MuJoCo reported {which}")

    def _raise(self, env_ids: np.ndarray, reason: str) -> None:
        after = {name: np.array(self._bind(name)) for name in _DUMPED}
        now = self._batch.state.copy()
        self._batch.state[...] = self._before
        before = {name: np.array(self._bind(name)) for name in _DUMPED}
        self._batch.state[...] = now
        raise_diverged(self._guard, self.model, env_ids, before, after, reason)


def _sorted_ids(env_ids: Tensor | None) -> np.ndarray | None:
    """Ids as mujoco.batch wants them; None means every world."""
    return None if env_ids is None else np.sort(env_ids.cpu().numpy())
