"""The quadrotor task: hold or track a position with a drone drawn anew at every episode."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.pool import POOL, POOL_MEMBER, spread
from robo_ts.envs.quadrotor import rewards
from robo_ts.envs.quadrotor.config import QuadrotorConfig
from robo_ts.envs.quadrotor.drones import Drones, Pool
from robo_ts.envs.quadrotor.episodes import CONSTANTS, begin, features
from robo_ts.envs.quadrotor.flight import Flight
from robo_ts.envs.quadrotor.groups import observation_spec, privileged
from robo_ts.envs.quadrotor.layout import Rows
from robo_ts.envs.quadrotor.model import EXPANDED_FIELDS, ROTORS, build_model, write_drones
from robo_ts.sim import EngineConfig, make_sim

# Distance at which a drone counts as lost, m (RAPTOR's evaluation).
LOST = 20.0
# Tracking errors count from this control step on: 2 s after the start.
TRACKED_FROM = 200


class Quadrotor(TaskEnv):
    """See ``README.md`` beside this file for the observation, action and success rules.

    What is kept is packed feature-first, as :class:`~robo_ts.envs.quadrotor.flight.Flight` has it;
    the engine only moves the body.
    """

    name: ClassVar[str] = "quadrotor"
    failure_names: ClassVar[tuple[str, ...]] = (
        "none",
        "too far",
        "too fast",
        "tumbling",
        "inaccurate",
        "lost",
    )
    kept: ClassVar[tuple[str, ...]] = (
        "state",
        "parameters",
        "constants",
        "pool_index",
        "arm",
        "mass",
        "inertia",
        "action_change",
        "_late_error",
        "_late_steps",
        "_square_error",
        "_arrived",
        "_broken",
        "_lost",
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
        drones = self.config.drones
        super().__init__(
            sim,
            observation_spec(drones.pool),
            num_actions=4,
            max_episode_steps=self.config.episode_steps,
            substeps=self.config.substeps,
            seed=seed,
        )
        self.flight = Flight(features(self.config), self.step_dt)
        self._late = int(0.75 * self.config.episode_steps)
        n, new = self.num_envs, lambda *shape: torch.zeros(*shape, device=self.device)
        self.state = new(self.flight.state.rows, n)
        self.parameters = new(self.flight.parameters.rows, n)
        self.constants = new(CONSTANTS, n)
        self.arm, self.mass, self.action_change = new(n), new(n), new(n)
        self.inertia = new(3, n)
        self._late_error, self._late_steps = new(n), new(n)
        self._square_error, self._arrived = new(n), new(n)
        self.pool = Pool(drones, self.device) if drones.pool else None
        self.pool_index = torch.zeros(n, dtype=torch.long, device=self.device)
        self._broken = torch.zeros(n, dtype=torch.long, device=self.device)
        self._lost, self._success_ever = (
            torch.zeros(n, dtype=torch.bool, device=self.device) for _ in range(2)
        )

    # -- the episode -------------------------------------------------------------------------------

    def _reset_worlds(self, env_ids: Tensor) -> None:
        new = begin(self.config, self.flight, len(env_ids), self.reset_rng, self._pooled(env_ids))
        drones = new.drones
        self.state[:, env_ids] = new.state
        self.parameters[:, env_ids] = new.parameters
        self.constants[:, env_ids] = new.constants
        self.arm[env_ids], self.mass[env_ids] = drones.arm, drones.mass
        self.inertia[:, env_ids] = drones.inertia
        self.sim.reset(env_ids)
        write_drones(
            self.sim,
            env_ids,
            drones.mass,
            drones.inertia.t(),
            drones.rotor.t(),
            drones.torque_constant,
        )
        s = self.flight.state.split(new.state)
        self.sim.write("qpos", torch.cat([s["position"], s["quaternion"]]).t(), env_ids)
        self.sim.write("qvel", torch.cat([s["velocity"], s["rate"]]).t(), env_ids)
        self.action_change[env_ids] = 0.0
        self._late_error[env_ids] = 0.0
        self._late_steps[env_ids] = 0.0
        self._square_error[env_ids] = 0.0
        self._arrived[env_ids] = torch.inf
        self._broken[env_ids] = 0
        self._lost[env_ids] = False
        self._success_ever[env_ids] = False

    def _pooled(self, env_ids: Tensor) -> Drones | None:
        """Who of the pool flies in these worlds; None where drones are drawn anew."""
        if self.pool is None:
            return None
        chance = torch.rand(len(env_ids), generator=self.reset_rng, device=self.device)
        index = spread(env_ids, self.num_envs, self.config.drones.pool, chance)
        self.pool_index[env_ids] = index
        return self.pool.fly(index, self.reset_rng)

    # -- the step ----------------------------------------------------------------------------------

    def _apply_action(self, action: Tensor) -> None:
        s, p, emitted = self._rows(), self._parameter_rows(), action.t().contiguous()
        noise = self.flight.draw(self.num_envs, self.step_rng)
        changed, thrust, force = self.flight.wrench(s, p, emitted, noise)
        self.sim.write("ctrl", (thrust * self.mass).t())
        applied = torch.cat([force * self.mass, p["torque"] * self.inertia])
        self.sim.write("qfrc_applied", applied.t())
        self.action_change = torch.linalg.vector_norm(emitted - s["action"], dim=0)
        self._changed, self._noise = changed, noise

    def _after_physics(self) -> None:
        qpos, qvel = self.sim.read("qpos").t(), self.sim.read("qvel").t()
        moved = {
            "position": qpos[:3],
            "quaternion": qpos[3:],
            "velocity": qvel[:3],
            "rate": qvel[3:],
        }
        p, s = self._parameter_rows(), {**self._rows(), **self._changed, **moved}
        s |= self.flight.sense(s, p, self._noise)
        self.state = self.flight.state.join(s)
        position, velocity = self.flight.errors(s, p)
        self.position_error, self.velocity_error = _stack(position), _stack(velocity)
        self.distance = torch.linalg.vector_norm(self.position_error, dim=0)
        late = (self.episode_step > self._late).float()
        self._late_error += late * self.distance
        self._late_steps += late
        self._square_error += (self.episode_step > TRACKED_FROM) * self.distance.square()
        near = self.distance < self.config.success_distance
        first = near & self._arrived.isinf()
        self._arrived = torch.where(first, self.episode_step * self.step_dt, self._arrived)
        self._success_ever |= near

    def _terminated(self) -> Tensor:
        config, s = self.config, self._rows()
        far = self.position_error.abs().amax(dim=0) > config.limit_arms * self.arm
        fast = s["velocity"].abs().amax(dim=0) > config.limit_velocity
        tumbling = s["rate"].abs().amax(dim=0) > config.limit_angular_velocity
        # Later rules win when several hold at once; of several moments the first one counts.
        reason = torch.where(fast, 2, far.long())
        reason = torch.where(tumbling, 3, reason)
        self._breaks = (reason > 0) & (self._broken == 0)
        self._broken = torch.where(self._breaks, reason, self._broken)
        if config.limits_end:
            return reason > 0
        self._lost = ~(
            (self.distance < LOST)
            & (s["velocity"].abs().amax(dim=0) < 50.0)
            & (s["rate"].abs().amax(dim=0) < 150.0)
        )
        return self._lost.clone()

    def _reward(self, terminated: Tensor) -> Tensor:
        s = self._rows()
        reward = rewards.reward(
            self.config.reward,
            distance=self.distance,
            velocity=s["velocity"],
            speed_limit=self.config.limit_velocity,
            yaw_component=s["quaternion"][3],
            action=s["action"],
            action_change=self.action_change,
            terminated=self._breaks,
        )
        if self.config.limits_end:
            return reward
        # What follows a broken limit earns nothing, as if the episode had ended there.
        return torch.where((self._broken > 0) & ~self._breaks, 0.0, reward)

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        def some(packed: Tensor) -> Tensor:
            return packed if env_ids is None else packed[:, env_ids]

        s = self.flight.state.split(some(self.state))
        p = self.flight.parameters.split(some(self.parameters))
        inside = privileged(self.flight, s, p, some(self.constants))
        found = {
            "proprioception": self.flight.observation(s, p).t().contiguous(),
            "privileged": inside.t().contiguous(),
        }
        if self.pool is not None:
            found[POOL] = some(self.pool_index[None]).t().float()
        return found

    def _rows(self) -> Rows:
        return self.flight.state.split(self.state)

    def _parameter_rows(self) -> Rows:
        return self.flight.parameters.split(self.parameters)

    # -- measurement -------------------------------------------------------------------------------

    def evaluate(self) -> dict[str, Tensor]:
        lost = self._lost | ((self._broken > 0) & self.config.limits_end)
        # Infinite where there is none: unlike NaN it equals itself.
        error = torch.where(lost, torch.inf, self._late_error / self._late_steps)
        tracked = (self.episode_step - TRACKED_FROM).clamp_min(0)
        within = self._broken == 0
        near = error < self.config.success_distance
        failure = torch.where(within & ~near, 4, self._broken)
        failure = torch.where(self._lost, 5, failure)
        member = {} if self.pool is None else {POOL_MEMBER: self.pool_index.clone()}
        return {
            "success": within & near,
            "success_ever": self._success_ever.clone(),
            "failure": failure,
            "within_limits": within,
            "survived": ~lost,
            "position_error_m": error,
            "tracking_rmse_m": torch.where(
                lost | (tracked == 0), torch.inf, torch.sqrt(self._square_error / tracked)
            ),
            "arrival_s": self._arrived.clone(),
            "moving_reference": self._moves(),
            "thrust_to_weight": self.constants[1].clone(),
            "torque_to_inertia": torch.exp(self.constants[2]),
            **member,
        }

    def _moves(self) -> Tensor:
        if not self.flight.features.moving:
            return torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        p = self._parameter_rows()
        return (p["langevin"] > 0) | p["first"].any(dim=0) | p["jump"].any(dim=0)

    def action_contract(self) -> dict[str, Any]:
        return self._unit_actions(ROTORS, "rotor speed set point; -1 is stopped, 1 is full speed")


def hover(env: TaskEnv, obs: TensorDict) -> Tensor:
    """The throttle that carries each drone's weight; it drifts off, tilted as it began."""
    return obs["privileged"][:, env.spec["privileged"].slices()["hover_action"]].expand(-1, 4)


def _stack(components: Any) -> Tensor:
    return components if isinstance(components, Tensor) else torch.stack(components)
