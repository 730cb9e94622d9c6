"""The quadrotor task: hold or track a position with a drone drawn anew at every episode."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.envs.quadrotor import dynamics, rewards
from robo_ts.envs.quadrotor.config import QuadrotorConfig
from robo_ts.envs.quadrotor.model import EXPANDED_FIELDS, ROTORS, build_model, write_drones
from robo_ts.sim import EngineConfig, make_sim

# The published RAPTOR policy's contract (reference order, units and frames).
PROPRIOCEPTION = ObservationGroup(
    "proprioception",
    (
        Term("position_error", 3, "m", "world"),
        Term("rotation", 9, "1", "body to world, row-major"),
        Term("velocity_error", 3, "m/s", "world"),
        Term("angular_velocity", 3, "rad/s", "body"),
        Term("previous_action", 4, "1", "none"),
    ),
    deployable=True,
)
PRIVILEGED = ObservationGroup(
    "privileged",
    (
        Term("rotor_speed", 4, "1, from -1 to 1", "none"),
        Term("hover_action", 1, "1", "none"),
        Term("thrust_to_weight", 1, "1", "none"),
        Term("torque_to_inertia", 1, "log rad/s^2", "body"),
        Term("mass", 1, "log kg", "none"),
        Term("arm", 1, "m", "body"),
        Term("torque_constant", 1, "m", "body"),
        Term("rise_time", 1, "s", "none"),
        Term("fall_time", 1, "s", "none"),
        Term("disturbance", 3, "m/s^2", "world"),
    ),
    deployable=False,
)


class Quadrotor(TaskEnv):
    """See ``README.md`` beside this file for the observation, action and success rules."""

    name: ClassVar[str] = "quadrotor"
    failure_names: ClassVar[tuple[str, ...]] = (
        "none",
        "too far",
        "too fast",
        "tumbling",
        "inaccurate",
    )
    kept: ClassVar[tuple[str, ...]] = (
        "position",
        "quaternion",
        "velocity",
        "angular_velocity",
        "rotor_speed",
        "action",
        "action_change",
        "curve",
        "_rising",
        "_falling",
        "arm",
        "_parameters",
        "path",
        "moving",
        "_late_error",
        "_late_steps",
        "_terminated_by",
        "_success_ever",
    )

    def __init__(
        self,
        config: QuadrotorConfig | None = None,
        num_envs: int = 1,
        engine: EngineConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or QuadrotorConfig()
        sim = make_sim(build_model(), num_envs, engine, expand=EXPANDED_FIELDS)
        super().__init__(
            sim,
            ObservationSpec([PROPRIOCEPTION, PRIVILEGED]),
            num_actions=4,
            max_episode_steps=self.config.episode_steps,
            substeps=self.config.substeps,
            seed=seed,
        )
        self._drone_body = sim.model.body("drone").id
        self._late = int(0.75 * self.config.episode_steps)
        n, new = self.num_envs, lambda *shape: torch.zeros(*shape, device=self.device)
        self.position, self.velocity, self.angular_velocity = new(n, 3), new(n, 3), new(n, 3)
        self.quaternion = new(n, 4)
        self.rotor_speed, self.action, self.action_change = new(n, 4), new(n, 4), new(n)
        self.curve, self._rising, self._falling = new(n, 3), new(3, n, 1), new(3, n, 1)
        self.arm = new(n)
        self._parameters = new(n, PRIVILEGED.size - 4)
        self.path = new(4, n, 3)
        self.moving = new(n, 1)
        self._late_error, self._late_steps = new(n), new(n)
        self._terminated_by = torch.zeros(n, dtype=torch.long, device=self.device)
        self._success_ever = torch.zeros(n, dtype=torch.bool, device=self.device)

    # -- the episode -------------------------------------------------------------------------------

    def _reset_worlds(self, env_ids: Tensor) -> None:
        n, rng = len(env_ids), self.reset_rng
        drones = dynamics.sample_drones(self.config.drones, n, rng)
        self._place_drones(env_ids, drones)
        self._place_start(env_ids, n)
        draw = torch.rand(n, 1, generator=rng, device=self.device)
        self.moving[env_ids] = (draw < self.config.moving_reference).float()
        self.path[:, env_ids] = 0.0
        self._late_error[env_ids] = 0.0
        self._late_steps[env_ids] = 0.0
        self._terminated_by[env_ids] = 0
        self._success_ever[env_ids] = False

    def _place_drones(self, ids: Tensor, drones: dynamics.Drones) -> None:
        self.sim.reset(ids)
        write_drones(
            self.sim, ids, drones.mass, drones.inertia, drones.rotor_xy, drones.torque_constant
        )
        wrench = torch.zeros(len(ids), self.sim.model.nbody, 6, device=self.device)
        wrench[:, self._drone_body, :3] = drones.force
        self.sim.write("xfrc_applied", wrench, ids)
        self.curve[ids] = drones.curve
        self.arm[ids] = drones.arm
        dt = self.step_dt
        self._rising[:, ids, 0] = dynamics.lag_coefficients(drones.rise_time, dt)
        self._falling[:, ids, 0] = dynamics.lag_coefficients(drones.fall_time, dt)
        scalars = torch.stack(
            [
                drones.hover_action,
                drones.thrust_to_weight,
                torch.log(drones.torque_to_inertia),
                torch.log(drones.mass),
                drones.arm,
                drones.torque_constant,
                drones.rise_time,
                drones.fall_time,
            ],
            dim=-1,
        )
        self._parameters[ids] = torch.cat([scalars, drones.force / drones.mass[:, None]], dim=-1)

    def _place_start(self, ids: Tensor, n: int) -> None:
        start, rng = self.config.start, self.reset_rng

        def uniform(size: int, greatest: float) -> Tensor:
            return greatest * (2.0 * torch.rand(n, size, generator=rng, device=self.device) - 1.0)

        position, velocity = uniform(3, start.position), uniform(3, start.velocity)
        rate = uniform(3, start.angular_velocity)
        quaternion = dynamics.random_tilt(n, start.tilt, rng)
        speed = start.rotor_speed * torch.rand(n, 4, generator=rng, device=self.device)
        away = (torch.rand(n, 1, generator=rng, device=self.device) >= start.centred).float()
        level = torch.tensor([1.0, 0.0, 0.0, 0.0], device=self.device)
        qpos = torch.cat([position * away, torch.where(away > 0, quaternion, level)], dim=-1)
        qvel = torch.cat([velocity, rate], dim=-1) * away
        self.sim.write("qpos", qpos, ids)
        self.sim.write("qvel", qvel, ids)
        self.position[ids], self.quaternion[ids] = qpos[:, :3], qpos[:, 3:]
        self.velocity[ids], self.angular_velocity[ids] = qvel[:, :3], qvel[:, 3:]
        self.rotor_speed[ids] = speed
        self.action[ids] = 2.0 * speed - 1.0
        self.action_change[ids] = 0.0

    # -- the step ----------------------------------------------------------------------------------

    def _apply_action(self, action: Tensor) -> None:
        set_point = 0.5 * (action.clamp(-1.0, 1.0) + 1.0)
        self.rotor_speed, thrust = dynamics.rotor_step(
            self.rotor_speed, set_point, self.curve, self._rising, self._falling
        )
        self.sim.write("ctrl", thrust)
        self.action_change = torch.linalg.vector_norm(action - self.action, dim=-1)
        self.action = action.clone()

    def _after_physics(self) -> None:
        qpos, qvel = self.sim.read("qpos"), self.sim.read("qvel")
        self.position, self.quaternion = qpos[:, :3].clone(), qpos[:, 3:].clone()
        self.velocity, self.angular_velocity = qvel[:, :3].clone(), qvel[:, 3:].clone()
        noise = torch.randn(self.num_envs, 3, generator=self.step_rng, device=self.device)
        self.path = dynamics.langevin_step(self.path, noise, self.step_dt)
        self.position_error = self.position - self.moving * self.path[2]
        self.velocity_error = self.velocity - self.moving * self.path[3]
        self.distance = torch.linalg.vector_norm(self.position_error, dim=-1)
        late = (self.episode_step > self._late).float()
        self._late_error += late * self.distance
        self._late_steps += late
        self._success_ever |= self.distance < self.config.success_distance

    def _terminated(self) -> Tensor:
        config = self.config
        far = self.position_error.abs().amax(dim=-1) > config.limit_arms * self.arm
        fast = self.velocity.abs().amax(dim=-1) > config.limit_velocity
        tumbling = self.angular_velocity.abs().amax(dim=-1) > config.limit_angular_velocity
        # Later rules win when several hold at once.
        reason = far.long()
        reason = torch.where(fast, 2, reason)
        self._terminated_by = torch.where(tumbling, 3, reason)
        return self._terminated_by > 0

    def _reward(self, terminated: Tensor) -> Tensor:
        return rewards.reward(
            self.config.reward,
            distance=self.distance,
            velocity=self.velocity,
            speed_limit=self.config.limit_velocity,
            quaternion=self.quaternion,
            action=self.action,
            action_change=self.action_change,
            terminated=terminated,
        )

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        def rows(x: Tensor) -> Tensor:
            return x if env_ids is None else x[env_ids]

        moving = rows(self.moving)
        path = self.path if env_ids is None else self.path[:, env_ids]
        proprioception = torch.cat(
            [
                rows(self.position) - moving * path[2],
                dynamics.rotation_matrix(rows(self.quaternion)),
                rows(self.velocity) - moving * path[3],
                rows(self.angular_velocity),
                rows(self.action),
            ],
            dim=-1,
        )
        privileged = torch.cat([2.0 * rows(self.rotor_speed) - 1.0, rows(self._parameters)], dim=-1)
        return {"proprioception": proprioception, "privileged": privileged}

    # -- measurement -------------------------------------------------------------------------------

    def evaluate(self) -> dict[str, Tensor]:
        error = self._late_error / self._late_steps
        alive = self._terminated_by == 0
        near = error < self.config.success_distance
        inaccurate = torch.where(alive & ~near, 4, self._terminated_by)
        return {
            "success": alive & near,
            "success_ever": self._success_ever.clone(),
            "failure": inaccurate,
            "position_error_m": error,
            "moving_reference": self.moving[:, 0] > 0,
            "thrust_to_weight": self._parameters[:, 1].clone(),
            "torque_to_inertia": torch.exp(self._parameters[:, 2]),
        }

    def action_contract(self) -> dict[str, Any]:
        return self._unit_actions(ROTORS, "rotor speed set point; -1 is stopped, 1 is full speed")


def hover(env: TaskEnv, obs: TensorDict) -> Tensor:
    """The throttle that carries each drone's weight; it drifts off, tilted as it began."""
    return obs["privileged"][:, env.spec["privileged"].slices()["hover_action"]].expand(-1, 4)
