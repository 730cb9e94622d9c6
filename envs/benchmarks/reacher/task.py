"""The reacher task: bring the fingertip to a random point and hold it there."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.envs.benchmarks.reacher.config import LINK, ReacherConfig
from robo_ts.envs.benchmarks.reacher.model import TORQUE, build_model
from robo_ts.sim import EngineConfig, make_sim

PROPRIOCEPTION = ObservationGroup(
    "proprioception",
    (
        Term("joint_cosine", 2, "1", "joint"),
        Term("joint_sine", 2, "1", "joint"),
        Term("fingertip_to_target", 2, "m", "world"),
    ),
    deployable=True,
)
PRIVILEGED = ObservationGroup(
    "privileged", (Term("joint_velocity", 2, "rad/s", "joint"),), deployable=False
)


class Reacher(TaskEnv):
    """See ``README.md`` beside this file for the observation, action and success rules."""

    name: ClassVar[str] = "reacher"
    failure_names: ClassVar[tuple[str, ...]] = ("none", "inaccurate")
    kept: ClassVar[tuple[str, ...]] = (
        "joint_position",
        "joint_velocity",
        "target",
        "distance",
        "action",
        "_start_distance",
        "_late_error",
        "_late_steps",
        "_success_ever",
        "_sensor_error",
    )

    def __init__(
        self,
        config: ReacherConfig | None = None,
        num_envs: int = 1,
        engine: EngineConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or ReacherConfig()
        super().__init__(
            make_sim(build_model(), num_envs, engine),
            ObservationSpec([PROPRIOCEPTION, PRIVILEGED]),
            num_actions=2,
            max_episode_steps=self.config.episode_steps,
            substeps=self.config.substeps,
            seed=seed,
        )
        n, new = self.num_envs, lambda *shape: torch.zeros(*shape, device=self.device)
        self.joint_position, self.joint_velocity = new(n, 2), new(n, 2)
        self.target, self.distance, self.action = new(n, 2), new(n), new(n, 2)
        self._start_distance, self._late_error, self._late_steps = new(n), new(n), new(n)
        self._success_ever = torch.zeros(n, dtype=torch.bool, device=self.device)
        self._sensor_error = new(n, PROPRIOCEPTION.size)
        # A fingertip's error of a tenth: a joint is a link's length, 0.1 m, away from it.
        noise = self.config.sensor_noise * torch.tensor([1.0, 1.0, 1.0, 1.0, LINK, LINK])
        self._sensor_std = noise.to(self.device)

    # -- the episode -------------------------------------------------------------------------------

    def _reset_worlds(self, env_ids: Tensor) -> None:
        n, config = len(env_ids), self.config
        draw = torch.rand(n, 6, generator=self.reset_rng, device=self.device)
        joints = math.pi * (2.0 * draw[:, :2] - 1.0)
        velocity = config.start_velocity * (2.0 * draw[:, 2:4] - 1.0)
        # Uniform over the ring's area.
        low, high = config.nearest_target**2, config.farthest_target**2
        radius = (low + (high - low) * draw[:, 4:5]).sqrt()
        angle = 2.0 * math.pi * draw[:, 5:6]
        target = radius * torch.cat([torch.cos(angle), torch.sin(angle)], dim=-1)

        self.sim.reset(env_ids)
        self.sim.write("qpos", joints, env_ids)
        self.sim.write("qvel", velocity, env_ids)
        self.sim.write("mocap_pos", torch.nn.functional.pad(target, (0, 1))[:, None], env_ids)
        self.joint_position[env_ids] = joints
        self.joint_velocity[env_ids] = velocity
        self.target[env_ids] = target
        self.action[env_ids] = 0.0
        distance = torch.linalg.vector_norm(target - fingertip(joints), dim=-1)
        self.distance[env_ids] = self._start_distance[env_ids] = distance
        self._late_error[env_ids] = 0.0
        self._late_steps[env_ids] = 0.0
        self._success_ever[env_ids] = False
        self._sensor_error[env_ids] = self._drawn_error(n, self.reset_rng)

    def _drawn_error(self, num: int, chance: torch.Generator) -> Tensor:
        """What the sensors err by, ``(num, 6)``; draws nothing where they are perfect."""
        if not self.config.sensor_noise:
            return torch.zeros(num, PROPRIOCEPTION.size, device=self.device)
        error = torch.randn(num, PROPRIOCEPTION.size, generator=chance, device=self.device)
        return error * self._sensor_std

    def _apply_action(self, action: Tensor) -> None:
        self.action = action.clamp(-1.0, 1.0)
        self.sim.write("ctrl", self.action)

    def _after_physics(self) -> None:
        self.joint_position = self.sim.read("qpos").clone()
        self.joint_velocity = self.sim.read("qvel").clone()
        error = self.target - fingertip(self.joint_position)
        self.distance = torch.linalg.vector_norm(error, dim=-1)
        late = (self.episode_step > self.max_episode_steps - self.config.late_steps).float()
        self._late_error += late * self.distance
        self._late_steps += late
        self._success_ever |= self.distance < self.config.success_distance
        self._sensor_error = self._drawn_error(self.num_envs, self.step_rng)

    def _terminated(self) -> Tensor:
        return torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)

    def _reward(self, terminated: Tensor) -> Tensor:
        effort = self.action.square().sum(dim=-1)
        return -self.config.distance_weight * self.distance - self.config.effort_weight * effort

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        def rows(x: Tensor) -> Tensor:
            return x if env_ids is None else x[env_ids]

        joints = rows(self.joint_position)
        error = rows(self.target) - fingertip(joints)
        told = torch.cat([torch.cos(joints), torch.sin(joints), error], dim=-1)
        return {
            "proprioception": told + rows(self._sensor_error),
            "privileged": rows(self.joint_velocity).clone(),
        }

    # -- measurement -------------------------------------------------------------------------------

    def evaluate(self) -> dict[str, Tensor]:
        error = self._late_error / self._late_steps  # NaN before the late steps: no success yet
        success = error < self.config.success_distance
        return {
            "success": success,
            "success_ever": self._success_ever.clone(),
            "failure": (~success).long(),
            "late_distance_m": error,
            "start_distance_m": self._start_distance.clone(),
        }

    def action_contract(self) -> dict[str, Any]:
        return self._unit_actions(
            ["shoulder", "elbow"], f"joint torque as a share of {TORQUE[0]} and {TORQUE[1]} N m"
        )


def fingertip(joints: Tensor) -> Tensor:
    """Where the fingertip is, ``(n, 2)`` m in the world, for joint angles ``(n, 2)`` in rad."""
    # In closed form, because derived fields of the engine are one substep behind.
    first, second = joints[:, 0], joints[:, 0] + joints[:, 1]
    x = torch.cos(first) + torch.cos(second)
    y = torch.sin(first) + torch.sin(second)
    return LINK * torch.stack([x, y], dim=-1)
