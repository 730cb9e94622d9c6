"""A task with cameras, as another package would bring it: drive to a ball seen from above."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import mujoco
import torch
from torch import Tensor

from robo_ts.env import ObservationGroup, ObservationSpec, TaskEnv, TaskSpec, Term
from robo_ts.env.cameras import camera_groups
from robo_ts.envs.benchmarks.point_mass import add_point_mass, flat_world
from robo_ts.sim import EngineConfig, Range, make_sim
from robo_ts.sim.cameras import CameraConfig, Cameras, SensorConfig

STATE = ObservationGroup(
    "state", (Term("position", 2, "m", "world"), Term("velocity", 2, "m/s", "world")), True
)
PRIVILEGED = ObservationGroup("privileged", (Term("ball", 2, "m", "world"),), False)


def _rgbd() -> CameraConfig:
    sensor = SensorConfig(depth_noise=Range(0.0, 0.01), delay=Range(0.0, 1.0))
    return CameraConfig("top", ["rgb", "depth"], 24, 24, far=3.0, sensor=sensor)


@dataclass
class SeekConfig:
    """The task.

    Attributes:
        episode_steps: time limit in control steps of 50 ms.
        camera: what the student sees with.
    """

    episode_steps: int = 30
    camera: CameraConfig = field(default_factory=_rgbd)


def build_model() -> mujoco.MjModel:
    """A disc on two slides, a ball, a floor, and a camera 2 m above."""
    spec = flat_world(0.05)
    add_point_mass(spec, "robot", mujoco.mjtGeom.mjGEOM_CYLINDER, [0.1, 0.05, 0], 1.0, 10.0, 7.0)
    world = spec.worldbody
    world.add_light(pos=[0, 0, 2], dir=[0, 0, -1])
    world.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[3, 3, 1], pos=[0, 0, -0.1])
    ball = world.add_body(name="ball", mocap=True)
    ball.add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[0.15, 0, 0],
        rgba=[1, 0.4, 0, 1],
        contype=0,
        conaffinity=0,
    )
    world.add_camera(name="top", pos=[0, 0, 2]).fovy = 60.0
    return spec.compile()


class Seek(TaskEnv):
    """Drive to the ball; it does not move."""

    name: ClassVar[str] = "seek"
    failure_names: ClassVar[tuple[str, ...]] = ("none", "too late")
    kept: ClassVar[tuple[str, ...]] = ("ball", "distance")

    def __init__(
        self,
        config: SeekConfig | None = None,
        num_envs: int = 1,
        engine: EngineConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or SeekConfig()
        sim = make_sim(build_model(), num_envs, engine)
        self.cameras = Cameras(sim, [self.config.camera])
        super().__init__(
            sim,
            ObservationSpec([STATE, *camera_groups(self.cameras), PRIVILEGED]),
            num_actions=2,
            max_episode_steps=self.config.episode_steps,
            substeps=1,
            seed=seed,
        )
        self.ball = torch.zeros(num_envs, 2, device=self.device)
        self.distance = torch.zeros(num_envs, device=self.device)

    def _reset_worlds(self, env_ids: Tensor) -> None:
        draw = torch.rand(len(env_ids), 2, 2, generator=self.reset_rng, device=self.device)
        place = 1.4 * draw - 0.7
        self.sim.reset(env_ids)
        self.sim.write("qpos", place[:, 0], env_ids)
        self.sim.write("mocap_pos", torch.nn.functional.pad(place[:, 1:], (0, 1)), env_ids)
        self.ball[env_ids] = place[:, 1]
        self.distance[env_ids] = (place[:, 0] - place[:, 1]).norm(dim=1)
        self.cameras.reset(env_ids, self.reset_rng)

    def _apply_action(self, action: Tensor) -> None:
        self.sim.write("ctrl", action.clamp(-1.0, 1.0))

    def _after_physics(self) -> None:
        self.distance = (self.sim.read("qpos") - self.ball).norm(dim=1)
        self.cameras.step()

    def _terminated(self) -> Tensor:
        return self.distance < 0.15

    def _reward(self, terminated: Tensor) -> Tensor:
        return terminated.float() - 0.1 * self.distance

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        rows = slice(None) if env_ids is None else env_ids
        state = torch.cat([self.sim.read("qpos"), self.sim.read("qvel")], dim=1)[rows]
        seen = {"state": state, "privileged": self.ball[rows].clone()}
        return seen | self.cameras.read(env_ids)

    def evaluate(self) -> dict[str, Tensor]:
        success = self.distance < 0.15
        return {"success": success, "success_ever": success, "failure": (~success).long()}

    def action_contract(self) -> dict[str, Any]:
        return self._unit_actions(["x", "y"], "force, as a share of 10 N")

    def _task_state(self) -> dict[str, Tensor]:
        return super()._task_state() | self.cameras.state_dict()

    def _load_task_state(self, state: dict[str, Tensor]) -> None:
        super()._load_task_state(state)
        self.cameras.load_state_dict(state)

    def close(self) -> None:
        self.cameras.close()
        super().close()


TASK = TaskSpec(
    name="seek",
    description="drive to a ball seen from above",
    config=SeekConfig,
    build=Seek,
    obs_groups={
        "actor": ["state", "privileged"],
        "critic": ["state", "privileged"],
        "teacher": ["state", "privileged"],
        "student": ["state", "top_rgb", "top_depth"],
    },
    config_dir=Path(__file__).parent,
)
