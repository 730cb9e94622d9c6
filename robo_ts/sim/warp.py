"""The GPU engine: mujoco_warp, float32, zero-copy torch views, CUDA graphs.

On a machine without CUDA it runs on Warp's CPU device, which is slow but the same code.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim.api import EngineConfig, check_written
from robo_ts.sim.nan_guard import raise_diverged

try:
    import mujoco_warp as mjw
    import warp as wp
except ImportError as error:  # pragma: no cover - both are hard dependencies of the package
    raise RoboTSError(
        "mujoco_warp and warp-lang", f"{error}", "pip install 'robo_ts[gpu]' or use engine=cpu"
    ) from error

wp.config.log_level = wp.LOG_WARNING  # no line per kernel module

# What fully determines the future of a world, next to the expanded model fields.
_STATE = (
    "time",
    "qpos",
    "qvel",
    "act",
    "qacc_warmstart",
    "ctrl",
    "qfrc_applied",
    "xfrc_applied",
    "eq_active",
    "mocap_pos",
    "mocap_quat",
)
_WATCHED = ("qpos", "qvel", "ctrl")
# Constants that mj_setConst derives; each needs a row per world once its inputs have one.
_DERIVED_CONSTANTS = (
    "body_subtreemass",
    "body_invweight0",
    "dof_invweight0",
    "tendon_length0",
    "tendon_invweight0",
    "actuator_acc0",
    "eq_data",
)
_HARD_OVERFLOW = ~int(mjw.OverflowType.ITERATIONS | mjw.OverflowType.LS_ITERATIONS)


class WarpSim:
    """Worlds on ``mujoco_warp``. See :class:`robo_ts.sim.api.BatchSim` for the contract."""

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        engine: EngineConfig,
        fields: Sequence[str] = (),
        expand: Sequence[str] = (),
    ) -> None:
        wp.init()
        self.model = copy.copy(model)
        self.num_envs = num_envs
        self.device = _torch_device(engine.device)
        self.dt = float(model.opt.timestep)
        self._device = wp.device_from_torch(self.device)
        self._guard = engine.nan_guard
        self._every = engine.nan_guard.every if self.device.type == "cuda" else 1
        self._calls = 0
        self._views: dict[str, Tensor] = {}
        self._expanded: list[str] = []
        self._graphs: dict[tuple[str, int], Any] = {}
        with wp.ScopedDevice(self._device):
            self._model = mjw.put_model(_without_midphase(model))
            self._model.opt.warn_overflow = False
            self._data = mjw.make_data(
                model,
                nworld=num_envs,
                nconmax=engine.nconmax or None,
                njmax=engine.njmax or None,
            )
            self._reset_mask = wp.zeros(num_envs, dtype=wp.bool)
        self._reset_view = wp.to_torch(self._reset_mask)
        self._bad = torch.zeros((), dtype=torch.bool, device=self.device)
        for name in expand:
            self.expand(name)
        for name in fields:
            self._view(name)
        self._before = {name: self._view(name).clone() for name in _WATCHED}
        self.reset()

    # -- fields ------------------------------------------------------------------------------------

    def read(self, field: str) -> Tensor:
        return self._view(field)

    def write(self, field: str, value: Tensor, env_ids: Tensor | None = None) -> None:
        if hasattr(self._model, field) and field not in self._expanded:
            raise RoboTSError(
                "an expanded model field", repr(field), "name it in make_sim(expand=[...])"
            )
        view = self._view(field)
        value = torch.as_tensor(value, device=self.device, dtype=view.dtype)
        check_written(field, value.shape, view.shape, env_ids)
        if env_ids is None:
            view.copy_(value)
        else:
            view[env_ids] = value

    def expand(self, model_field: str) -> None:
        if model_field in self._expanded:
            return
        array = getattr(self._model, model_field, None)
        template = getattr(self.model, model_field, None)
        if not isinstance(array, wp.array) or template is None or array.shape[0] != 1:
            names = [n for n in dir(self._model) if hasattr(self.model, n) and n[0] != "_"]
            raise RoboTSError(
                "a model field that can differ between worlds on the warp engine",
                repr(model_field),
                did_you_mean(model_field, names),
            )
        self._give_rows(model_field)
        self._expanded.append(model_field)
        for name in _DERIVED_CONSTANTS:
            derived = getattr(self._model, name, None)
            if isinstance(derived, wp.array) and derived.shape[0] == 1 and derived.size:
                self._give_rows(name)

    @property
    def expanded(self) -> tuple[str, ...]:
        return tuple(self._expanded)

    def set_const(self, env_ids: Tensor | None = None) -> None:
        self._run(("set_const", 0), lambda: mjw.set_const(self._model, self._data))

    # -- time --------------------------------------------------------------------------------------

    def step(self, substeps: int = 1) -> None:
        guard = self._guard.enabled
        if guard:
            for name, kept in self._before.items():
                # Where looks are rare, a world may have been bad for steps: keep the last good
                # state.
                kept.copy_(torch.where(self._bad, kept, self._view(name)))

        def run() -> None:
            for _ in range(substeps):
                mjw.step(self._model, self._data)

        self._run(("step", substeps), run)
        self._calls += 1
        if guard:
            # qacc is not watched: a world that blows up shows in qvel in the same step.
            for name in _WATCHED:
                self._bad |= ~torch.isfinite(self._view(name)).all()
        if self._calls % self._every == 0:
            self.check()

    def check(self) -> None:
        """Raise when a buffer overflowed or a world is no longer finite. Waits for the device."""
        overflow = self._view("overflow")
        seen = int(np.bitwise_or.reduce(overflow.cpu().numpy())) & _HARD_OVERFLOW
        if seen:
            raise RoboTSError(
                "contacts and constraints that fit the warp engine's buffers",
                f"an overflow of {mjw.OverflowType(seen)!r}",
                "raise engine.nconmax (contacts) or engine.njmax (constraint rows)",
            )
        if self._guard.enabled and bool(self._bad):
            bad = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
            for name in _WATCHED:
                bad |= ~torch.isfinite(self._view(name)).flatten(1).all(dim=1)
            self._bad.zero_()
            before = {k: v.cpu().numpy() for k, v in self._before.items()}
            after = {k: self._view(k).cpu().numpy() for k in _WATCHED}
            ids = torch.nonzero(bad).flatten().cpu().numpy()
            raise_diverged(self._guard, self.model, ids, before, after, "a non-finite state")

    def forward(self, env_ids: Tensor | None = None) -> None:
        self._run(("forward", 0), lambda: mjw.forward(self._model, self._data))

    def reset(self, env_ids: Tensor | None = None) -> None:
        if env_ids is None:
            self._reset_view.fill_(True)
        else:
            self._reset_view.fill_(False)
            self._reset_view[env_ids] = True
        self._run(
            ("reset", 0), lambda: mjw.reset_data(self._model, self._data, reset=self._reset_mask)
        )

    # -- persistence -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        state = {name: self._view(name).cpu().clone() for name in _STATE if self._has(name)}
        expanded = {name: self._view(name).cpu().clone() for name in self._expanded}
        return {"state": state, "expanded": expanded, "calls": self._calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state["expanded"].items():
            self.expand(name)
            self._view(name).copy_(value.to(self.device))
        for name, value in state["state"].items():
            self._view(name).copy_(value.to(self.device))
        if state["expanded"]:
            self.set_const()
        self._calls = int(state["calls"])

    def world(self, env_id: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        model = copy.copy(self.model)
        for name in self._expanded:
            getattr(model, name)[...] = self._view(name)[env_id].cpu().numpy()
        data = mujoco.MjData(model)
        mujoco.mj_setConst(model, data)
        if "geom_rbound" in self._expanded:  # mj_setConst puts it back to the compiled model's
            model.geom_rbound[:] = self._view("geom_rbound")[env_id].cpu().numpy()
        for name in _STATE:
            if name != "time" and self._has(name):
                getattr(data, name)[...] = self._view(name)[env_id].cpu().numpy()
        mujoco.mj_forward(model, data)
        return model, data

    def close(self) -> None:
        self._views.clear()
        self._graphs.clear()

    # -- internals ---------------------------------------------------------------------------------

    def _has(self, name: str) -> bool:
        array = getattr(self._data, name, None)
        return isinstance(array, wp.array) and array.size > 0

    def _view(self, name: str) -> Tensor:
        view = self._views.get(name)
        if view is not None:
            return view
        owner = self._model if name in self._expanded else self._data
        array = getattr(owner, name, None)
        if not isinstance(array, wp.array):
            names = [n for n in dir(self._data) if isinstance(getattr(self._data, n, 0), wp.array)]
            raise RoboTSError("a field of MjData", repr(name), did_you_mean(name, names))
        self._views[name] = wp.to_torch(array, requires_grad=False)
        return self._views[name]

    def _give_rows(self, name: str) -> None:
        """Replace a one-row model array by one row per world; captured graphs become stale."""
        array = getattr(self._model, name)
        rows = np.repeat(array.numpy(), self.num_envs, axis=0)
        with wp.ScopedDevice(self._device):
            setattr(self._model, name, wp.array(rows, dtype=array.dtype))
        self._views.pop(name, None)
        self._graphs.clear()

    def _run(self, key: tuple[str, int], launch: Callable[[], None]) -> None:
        """Launch kernels; on CUDA as a graph, captured after a plain run that loads the modules."""
        with wp.ScopedDevice(self._device):
            if not self._device.is_cuda:
                launch()
                return
            stream = wp.stream_from_torch(torch.cuda.current_stream(self.device))
            with wp.ScopedStream(stream):
                graph = self._graphs.get(key)
                if graph is not None:
                    wp.capture_launch(graph)
                    return
                launch()
            # The legacy default stream cannot be captured, so capture on a stream of its own.
            with wp.ScopedStream(wp.Stream(self._device)):
                with wp.ScopedCapture() as capture:
                    launch()
                self._graphs[key] = capture.graph


def _without_midphase(model: mujoco.MjModel) -> mujoco.MjModel:
    """Warp has no midphase to switch off, and refuses to be told so."""
    model = copy.copy(model)
    model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
    return model


def _torch_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RoboTSError("a CUDA device", f"engine.device={name}", "use engine.device=cpu or auto")
    return torch.device(name)
