"""Quadrotors whose physics are formulas: many, fast, and with gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robo_ts.compiling import compiled
from robo_ts.env.observations import ObservationSpec
from robo_ts.envs.quadrotor.config import QuadrotorConfig
from robo_ts.envs.quadrotor.episodes import CONSTANTS, begin, features
from robo_ts.envs.quadrotor.flight import Flight
from robo_ts.envs.quadrotor.groups import PRIVILEGED, PROPRIOCEPTION, privileged
from robo_ts.envs.quadrotor.layout import Rows
from robo_ts.seeds import derive


class QuadrotorTwin:
    """The quadrotor task as a :class:`~robo_ts.env.differentiable.DifferentiableEnv`.

    Args:
        config: the task's settings.
        num_envs: worlds.
        seed: of all chance.
        device: where the worlds live.
    """

    num_actions = 4

    def __init__(
        self,
        config: QuadrotorConfig,
        num_envs: int,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.config, self.num_envs = config, num_envs
        self.device = torch.device(device)
        self.spec = ObservationSpec([PROPRIOCEPTION, PRIVILEGED])
        self.flight = Flight(features(config))
        self.reset_rng = torch.Generator(device=device).manual_seed(derive(seed, "reset"))
        self.step_rng = torch.Generator(device=device).manual_seed(derive(seed, "step"))
        new = torch.zeros
        self.state = new(self.flight.state.rows, num_envs, device=device)
        self.parameters = new(self.flight.parameters.rows, num_envs, device=device)
        self.constants = new(CONSTANTS, num_envs, device=device)
        self.limit = new(num_envs, device=device)
        self.alive = new(num_envs, dtype=torch.bool, device=device)
        self.episode_step = torch.randint(
            config.episode_steps, (num_envs,), generator=self.reset_rng, device=device
        )
        self._advance = compiled(self._step, self.device)
        self._look = compiled(self._observation, self.device)
        self._begin(torch.arange(num_envs, device=device))
        self._observed: tuple[Tensor, Tensor] | None = None

    def observe(self) -> dict[str, Tensor]:
        if self._observed is None:
            self._observed = self._look(self.state, self.parameters, self.constants)
        proprioception, inside = self._observed
        return {"proprioception": proprioception.t(), "privileged": inside.t()}

    def step(self, action: Tensor) -> Tensor:
        self.state, *observed, cost, self.alive = self._advance(
            self.state,
            self.parameters,
            self.constants,
            self.limit,
            self.alive,
            action.t(),
            self.flight.draw_packed(self.num_envs, self.step_rng),
        )
        self._observed = (observed[0], observed[1])
        self.episode_step += 1
        return cost

    def last_cost(self) -> Tensor:
        s, p = self.flight.state.split(self.state), self.flight.parameters.split(self.parameters)
        position, velocity = self.flight.errors(s, p)
        ahead = [x + 0.4 * v for x, v in zip(position, velocity, strict=True)]
        return self.config.cost.last * _norm(ahead) * self.alive

    def next_window(self) -> Tensor:
        over = ~self.alive | (self.episode_step >= self.config.episode_steps)
        self.state = self.state.detach()
        self._observed = None
        self._begin(torch.nonzero(over).flatten())
        return over

    def _begin(self, ids: Tensor) -> None:
        if not len(ids):
            return
        new = begin(self.config, self.flight, len(ids), self.reset_rng)
        self.state[:, ids] = new.state
        self.parameters[:, ids] = new.parameters
        self.constants[:, ids] = new.constants
        self.limit[ids] = self.config.limit_arms * new.drones.arm
        self.alive[ids] = True
        if len(ids) < self.num_envs:
            self.episode_step[ids] = 0

    # -- compiled ----------------------------------------------------------------------------------

    def _observation(
        self, state: Tensor, parameters: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor]:
        s, p = self.flight.state.split(state), self.flight.parameters.split(parameters)
        return self.flight.observation(s, p), privileged(self.flight, s, p, constants)

    def _step(
        self,
        state: Tensor,
        parameters: Tensor,
        constants: Tensor,
        limit: Tensor,
        alive: Tensor,
        action: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, ...]:
        flight = self.flight
        s, p = flight.state.split(state), flight.parameters.split(parameters)
        new = flight.after(s, p, action, flight.noise.split(noise) if flight.noise.rows else {})
        cost, crashed = self._cost(s, new, p, action, limit)
        alive = alive & ~crashed
        cost = torch.where(alive, cost, torch.zeros_like(cost))
        return (
            flight.state.join(new),
            flight.observation(new, p),
            privileged(flight, new, p, constants),
            cost,
            alive,
        )

    def _cost(
        self, s: Rows, new: Rows, p: Rows, action: Tensor, limit: Tensor
    ) -> tuple[Tensor, Tensor]:
        c = self.config.cost
        position, velocity = self.flight.errors(new, p)
        change = [a - b for a, b in zip(action, s["action"], strict=True)]
        relu = torch.relu
        cost = (
            c.position * _norm(position)
            + c.yaw * torch.sqrt(2.0 * new["quaternion"][3].abs() + 1e-6)
            + c.action_rate * _norm(change)
        )
        for a in action:
            cost = cost + c.saturation * relu(a.abs() - 1.0)
        for x, v, w in zip(position, velocity, new["rate"], strict=True):
            cost = cost + c.speed * relu(v.abs() - c.soft_speed)
            cost = cost + c.spin * relu(w.abs() - c.soft_spin)
            cost = cost + c.far * relu(x.abs() / limit - c.soft_far)
        far, fast, spin = _greatest(position), _greatest(velocity), _greatest(new["rate"])
        crashed = ~((far < 6.0) & (fast < 6.0) & (spin < 60.0))
        return cost, crashed

    def state_dict(self) -> dict[str, Any]:
        kept = ("state", "parameters", "constants", "limit", "alive", "episode_step")
        return {name: getattr(self, name).cpu().clone() for name in kept} | {
            "reset_rng": self.reset_rng.get_state(),
            "step_rng": self.step_rng.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if name.endswith("_rng"):
                getattr(self, name).set_state(value)
            else:
                setattr(self, name, value.to(self.device, copy=True))
        self._observed = None


def _norm(components: Any) -> Tensor:
    first, *others = components
    total = first * first
    for x in others:
        total = total + x * x
    return torch.sqrt(total + 1e-8)


def _greatest(components: Any) -> Tensor:
    a, b, c = (x.abs() for x in components)
    return torch.maximum(torch.maximum(a, b), c)
