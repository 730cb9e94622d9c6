"""The engine without our layer, and with it: what is stepped in both is the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from robo_ts.sim import BatchSim

if TYPE_CHECKING:
    from robo_ts.sim.cpu import CpuSim
    from robo_ts.sim.warp import WarpSim

# One control step of all worlds, and what puts the worlds back where they began.
Stepper = tuple[Callable[[], object], Callable[[], None]]
# Control steps between two looks at the clock.
_STRETCH = 20


def raw_stepper(sim: BatchSim, start: dict[str, Any], control: Tensor, substeps: int) -> Stepper:
    """The plain engine in a loop: model, parameters, threads and start are those of ``sim``.

    Args:
        sim: whose model and settings are taken.
        start: its ``state_dict()``.
        control: ``(num_envs, nu)``, written before every control step.
        substeps: simulation steps per control step.
    """
    if sim.device.type == "cpu" and "calls" not in start:
        return _raw_cpu(sim, start, control, substeps)  # type: ignore[arg-type]
    return _raw_warp(sim, start, control, substeps)  # type: ignore[arg-type]


def sim_stepper(sim: BatchSim, start: dict[str, Any], control: Tensor, substeps: int) -> Stepper:
    """The same through :class:`BatchSim`: write the controls, step, guard against NaN."""

    def step() -> None:
        sim.write("ctrl", control)
        sim.step(substeps)

    return step, lambda: sim.load_state_dict(start)


def wait(device: torch.device) -> None:
    """Let a GPU finish, so that a clock read afterwards tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def steps_per_second(stepper: Stepper, seconds: float, device: torch.device) -> float:
    """Control steps per second of all worlds, measured for ``seconds``."""
    step, rewind = stepper
    spent, count = 0.0, 0
    while spent < seconds:
        rewind()  # off the clock; without it unguided worlds would fly off to infinity
        step()
        wait(device)
        began = time.perf_counter()
        for _ in range(_STRETCH):
            step()
        wait(device)
        spent += time.perf_counter() - began
        count += _STRETCH
    return count / spent


def _raw_cpu(sim: CpuSim, start: dict[str, Any], control: Tensor, substeps: int) -> Stepper:
    from mujoco import batch as mjbatch

    batch = mjbatch.Batch(sim.model, sim.num_envs, sim.threads)
    for name, value in start["expanded"].items():
        batch.expand(name)[...] = value.numpy()
    if start["expanded"]:
        batch.set_const()
    ctrl, wanted, state = batch.bind("ctrl"), control.double().numpy(), start["state"].numpy()

    def step() -> None:
        ctrl[:] = wanted
        batch.step(nstep=substeps)

    def rewind() -> None:
        batch.state[...] = state

    return step, rewind


def _raw_warp(sim: WarpSim, start: dict[str, Any], control: Tensor, substeps: int) -> Stepper:
    import mujoco_warp as mjw
    import warp as wp

    # The sim's own arrays, stepped behind its back: nothing else is as sure to be the same worlds.
    model, data, device = sim._model, sim._data, sim._device
    ctrl, wanted = wp.to_torch(data.ctrl, requires_grad=False), control.to(sim.device)

    def launch() -> None:
        for _ in range(substeps):
            mjw.step(model, data)

    graph = None
    if device.is_cuda:
        with wp.ScopedDevice(device):
            launch()
            with wp.ScopedStream(wp.Stream(device)), wp.ScopedCapture() as capture:
                launch()
        graph = capture.graph

    def step() -> None:
        ctrl.copy_(wanted)
        with wp.ScopedDevice(device):
            if graph is None:
                launch()
            else:
                with wp.ScopedStream(wp.stream_from_torch(torch.cuda.current_stream(sim.device))):
                    wp.capture_launch(graph)

    return step, lambda: sim.load_state_dict(start)
