"""Images per second through our cameras, and of the renderer behind them alone, in one run."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import mujoco
import mujoco_warp as mjw
import torch
from rich.console import Console
from rich.table import Table

from robo_ts.bench.sim import wait
from robo_ts.env import get_task, make_env
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.trials import with_changes
from robo_ts.lineage import commit, hardware, versions
from robo_ts.sim import BatchSim, EngineConfig, Range, make_sim
from robo_ts.sim.cameras import CameraConfig, Cameras, SensorConfig, make_room

# Of the built-in scene: what is drawn, and how many splats are around it.
_NOISY = SensorConfig(
    depth_noise=Range(0.0, 0.004), holes=Range(0.0, 0.02), edges=Range(0.0, 0.5), lost=0.05
)
SCENES: dict[str, tuple[CameraConfig, int]] = {
    "depth 64 x 64": (CameraConfig("fixed", ["depth"], far=1.5), 0),
    "depth 64 x 64, noisy": (CameraConfig("fixed", ["depth"], far=1.5, sensor=_NOISY), 0),
    "rgb 64 x 64": (CameraConfig("fixed", ["rgb"]), 0),
    "rgb 40 x 30, 2,000 splats": (CameraConfig("fixed", ["rgb"], 40, 30), 2000),
}
_TASK = "task"


def run_cameras(
    num_envs: int = 64,
    engine: EngineConfig | None = None,
    seconds: float = 8.0,
    seed: int = 0,
    task: str | None = None,
    rounds: int = 16,
) -> dict[str, Any]:
    """Images per second of :class:`Cameras` beside the raw renderer on the same worlds.

    The raw renderer moves its boxes to the present poses (``refit_bvh``) and draws; ours takes the
    poses from the simulation, does kinematics, draws, and sends pixels through sensors into
    observations. Every round measures both, in turns.

    Args:
        num_envs: worlds.
        engine: what steps them; the CPU when left out.
        seconds: measured time per variant, over all rounds.
        seed: of sensors, rooms and the task.
        task: a task whose environment has ``cameras``; the built-in scene when left out.
        rounds: how often each variant is measured.

    Returns:
        Plain data: for each scene ``raw`` and ``ours`` (medians over rounds, images of one camera
        of one world per second) and ``ours_over_raw`` (median of the rounds' ratios); hardware,
        versions, commit and seed.

    Raises:
        RoboTSError: for a task without cameras.
    """
    engine = engine or EngineConfig()
    found = {}
    for name, make in _makers(num_envs, engine, seed, task).items():
        cameras, close = make()
        found[name] = _measure(cameras, seconds, rounds)
        cameras.close()
        close()
    return {
        "task": task or "the built-in scene",
        "num_envs": num_envs,
        "engine": asdict(engine),
        "torch_threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "seed": seed,
        "seconds": seconds,
        "unit": "images of one camera of one world per second (of processor time on a CPU), "
        "median over rounds",
        "scenes": found,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }


def print_cameras(figures: dict[str, Any], console: Console | None = None) -> None:
    """Print what :func:`run_cameras` returned as a small table."""
    engine, cpu = figures["engine"]["name"], figures["hardware"]["cpu"]
    table = Table(
        title=f"cameras of {figures['task']}, {figures['num_envs']} worlds, {engine} engine",
        caption=cpu,
    )
    for name in ("", "raw images/s", "our images/s", "of raw"):
        table.add_column(name, justify="right" if name else "left")
    for name, one in figures["scenes"].items():
        rates = (f"{one[kind]:,.0f}" for kind in ("raw", "ours"))
        table.add_row(name, *rates, f"{one['ours_over_raw']:.2f}")
    (console or Console()).print(table)


_Maker = Callable[[], tuple[Cameras, Callable[[], None]]]


def _makers(num_envs: int, engine: EngineConfig, seed: int, task: str | None) -> dict[str, _Maker]:
    if task is None:
        return {
            name: lambda camera=camera, splats=splats: _built_in(
                num_envs, engine, seed, camera, splats
            )
            for name, (camera, splats) in SCENES.items()
        }

    def of_task() -> tuple[Cameras, Callable[[], None]]:
        spec = get_task(task)
        config = with_changes(spec.config(), spec.cameras)
        env = make_env(task, num_envs, config, engine, seed)
        cameras = getattr(env, "cameras", None)
        if not isinstance(cameras, Cameras):
            raise RoboTSError(
                "a task whose environment has cameras", task, "leave task= out, or choose another"
            )
        return cameras, env.sim.close

    return {_TASK: of_task}


def _built_in(
    num_envs: int, engine: EngineConfig, seed: int, camera: CameraConfig, splats: int
) -> tuple[Cameras, Callable[[], None]]:
    sim = make_sim(build_scene(), num_envs, engine)
    generator = torch.Generator(sim.device).manual_seed(seed)
    _scatter(sim, generator)
    rooms = [make_room(derived, splats) for derived in range(4)] if splats else []
    cameras = Cameras(sim, [camera], backgrounds=rooms)
    cameras.reset(torch.arange(num_envs, device=sim.device), generator)
    return cameras, sim.close


def build_scene() -> mujoco.MjModel:
    """A table, a hand of five fingers with three capsules each, four objects: 22 geoms."""
    geom, spec = mujoco.mjtGeom, mujoco.MjSpec()
    spec.compiler.degree = False
    world = spec.worldbody
    world.add_light(pos=[0, -1, 2], dir=[0, 0.5, -1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    world.add_geom(type=geom.mjGEOM_PLANE, size=[0, 0, 1], rgba=[0.4, 0.4, 0.45, 1])
    world.add_geom(type=geom.mjGEOM_BOX, size=[0.4, 0.3, 0.02], pos=[0, 0, 0.38])
    camera = world.add_camera(name="fixed", pos=[0.0, -0.7, 0.9], xyaxes=[1, 0, 0, 0, 0.6, 0.8])
    camera.fovy = 50.0
    palm = world.add_body(name="palm", pos=[0, 0, 0.65])
    palm.add_freejoint()
    palm.add_geom(type=geom.mjGEOM_BOX, size=[0.045, 0.04, 0.012], rgba=[0.9, 0.8, 0.7, 1])
    for finger in range(5):
        parent, place = palm, [-0.04 + 0.02 * finger, 0.04, 0.0]
        for _ in range(3):
            parent = parent.add_body(pos=place)
            parent.add_joint(axis=[1, 0, 0])
            ends, place = [0, 0, 0, 0, 0.03, 0], [0, 0.035, 0]
            parent.add_geom(type=geom.mjGEOM_CAPSULE, fromto=ends, size=[0.008, 0, 0])
    kinds = (geom.mjGEOM_SPHERE, geom.mjGEOM_BOX, geom.mjGEOM_CYLINDER, geom.mjGEOM_ELLIPSOID)
    for index, kind in enumerate(kinds):
        thing = world.add_body(name=f"thing_{index}", pos=[-0.2 + 0.13 * index, 0, 0.45])
        thing.add_freejoint()
        thing.add_geom(type=kind, size=[0.04, 0.03, 0.02], rgba=[0.2 * index, 0.5, 0.8, 1])
    return spec.compile()


def _scatter(sim: BatchSim, generator: torch.Generator) -> None:
    """Move everything a little, so that no two worlds look alike."""
    qpos = sim.read("qpos").clone()
    draw = torch.rand(qpos.shape, generator=generator, device=sim.device)
    sim.write("qpos", qpos + 0.05 * draw)


def _measure(cameras: Cameras, seconds: float, rounds: int) -> dict[str, Any]:
    variants = {"raw": _raw(cameras), "ours": _ours(cameras)}
    share = seconds / rounds
    measured: dict[str, list[float]] = {name: [] for name in variants}
    images = cameras.num_envs * len(cameras.cameras)
    for index in range(rounds + 1):
        names: Sequence[str] = list(variants) if index % 2 else list(reversed(variants))
        for name in names:
            rate = images * _rate(variants[name], share if index else 0.2 * share, cameras.device)
            if index:  # the first round compiles and warms up
                measured[name].append(rate)
    ratios = [a / b for a, b in zip(measured["ours"], measured["raw"], strict=True)]
    return {
        **{name: statistics.median(rates) for name, rates in measured.items()},
        "ours_over_raw": statistics.median(ratios),
        "cameras": [asdict(camera) for camera in cameras.cameras],
        "geoms": int(cameras.renderer.model.ngeom),
        "rounds": measured,
    }


def _rate(draw: Callable[[], None], seconds: float, device: torch.device) -> float:
    """Drawings per second: of processor time on a CPU, where all of it runs in one thread, so that
    what else the machine does counts little; of wall time on a GPU."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    draw()
    wait(device)
    count, began = 0, clock()
    while True:
        draw()
        wait(device)
        count += 1
        spent = clock() - began
        if spent >= seconds:
            return count / spent


def _ours(cameras: Cameras) -> Callable[[], None]:
    def draw() -> None:
        cameras.step()
        cameras.read()

    return draw


def _raw(cameras: Cameras) -> Callable[[], None]:
    """The renderer's own arrays, drawn behind its back: as sure as can be the same images."""
    cameras.read()
    renderer = cameras.renderer
    model, data, context = renderer.raw

    def draw() -> None:
        data.nworld = cameras.num_envs
        with renderer.on_device():
            mjw.refit_bvh(model, data, context)
            mjw.render(model, data, context)

    return draw
