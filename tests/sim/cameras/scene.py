"""A small scene with a ball, a box, a post, a mesh and three cameras, for the tests of cameras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
import torch

from robo_ts.sim import BatchSim, EngineConfig, make_sim
from robo_ts.sim.cameras import CameraConfig, Cameras

N = 4
RADIUS = 0.2  # of the ball, m
_SMALL = [[0, 0, 0], [0.2, 0, 0], [0, 0.2, 0], [0, 0, 0.2]]


def build_model() -> mujoco.MjModel:
    """The scene compiled."""
    return build_spec().compile()


def build_spec() -> mujoco.MjSpec:
    """The scene; its mocap ball starts at (0, 0, 0.3)."""
    geom, spec = mujoco.mjtGeom, mujoco.MjSpec()
    spec.compiler.degree = False
    spec.visual.headlight.ambient = [0.2, 0.2, 0.2]
    world = spec.worldbody
    light = world.add_light(name="sun", pos=[0, 0, 3], dir=[0, 0, -1])
    light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    world.add_geom(name="floor", type=geom.mjGEOM_PLANE, size=[2, 2, 1], rgba=[0.3, 0.5, 0.3, 1])
    world.add_geom(
        name="post", type=geom.mjGEOM_CYLINDER, size=[0.1, 0.3, 0], pos=[-0.5, -0.5, 0.3]
    )
    ball = world.add_body(name="ball", pos=[0, 0, 0.3], mocap=True)
    ball.add_geom(
        name="ball",
        type=geom.mjGEOM_SPHERE,
        size=[RADIUS, 0, 0],
        rgba=[1, 0.5, 0, 1],
        contype=0,
        conaffinity=0,
    )
    box = world.add_body(name="box", pos=[0, 0.6, 0.2])
    box.add_freejoint()
    box.add_geom(name="box", type=geom.mjGEOM_BOX, size=[0.2, 0.1, 0.15], rgba=[0, 0.3, 1, 1])
    box.add_site(name="palm", pos=[0, 0, 0.2])
    on_box = box.add_camera(name="on_box", pos=[0, 0, 0.4], xyaxes=[1, 0, 0, 0, 1, 0.3])
    on_box.fovy = 80.0
    for name, scale in (("small", 1.0), ("large", 2.0)):
        spec.add_mesh(name=name, uservert=(scale * np.array(_SMALL)).flatten())
    thing = world.add_body(name="thing", pos=[0.3, -0.6, 0.0])
    thing.add_geom(name="thing", type=geom.mjGEOM_MESH, meshname="small", rgba=[1, 1, 0, 1])
    front = world.add_camera(name="front", pos=[2, 0, 1], xyaxes=[0, 1, 0, -0.4, 0, 1])
    front.fovy = 60.0
    top = world.add_camera(name="top", pos=[0, 0, 2], xyaxes=[0, -1, 0, 1, 0, 0])
    top.fovy = 70.0
    return spec


def scattered(engine: str = "cpu", expand: Sequence[str] = (), num: int = N) -> BatchSim:
    """Worlds with the ball and the box somewhere else in each."""
    config = EngineConfig(engine, threads=1, device="cpu")
    sim = make_sim(build_model(), num, config, expand=expand)
    generator = torch.Generator().manual_seed(1)
    draw = torch.rand(num, 2, 3, generator=generator) - 0.5
    ball = sim.read("mocap_pos").clone()
    ball[:, 0] += draw[:, 0]
    sim.write("mocap_pos", ball)
    qpos = sim.read("qpos").clone()
    qpos[:, :3] += 0.4 * draw[:, 1]
    turn = qpos[:, 3:] + 0.5 * torch.randn(num, 4, generator=generator)
    qpos[:, 3:] = turn / turn.norm(dim=1, keepdim=True)
    sim.write("qpos", qpos)
    return sim


def camera(name: str = "front", *outputs: str, **settings: Any) -> CameraConfig:
    """A small clean camera that gives depth in metres unless told otherwise."""
    settings = {"width": 32, "height": 24, "dtype": "float32", "far": 4.0} | settings
    return CameraConfig(name, list(outputs) or ["depth"], **settings)


def started(sim: BatchSim, cameras: Sequence[CameraConfig], seed: int = 0, **rest: Any) -> Cameras:
    """Cameras whose worlds have all been reset."""
    made = Cameras(sim, cameras, **rest)
    made.reset(torch.arange(sim.num_envs), torch.Generator().manual_seed(seed))
    return made


def every_world() -> torch.Tensor:
    """The ids of all worlds."""
    return torch.arange(N)
