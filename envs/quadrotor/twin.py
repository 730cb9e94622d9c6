"""Quadrotors whose physics are formulas: many, fast, and with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robo_ts.compiling import compiled
from robo_ts.env.differentiable import Worlds
from robo_ts.env.pool import POOL, grouped
from robo_ts.envs.quadrotor.config import QuadrotorConfig
from robo_ts.envs.quadrotor.drones import Pool
from robo_ts.envs.quadrotor.episodes import CONSTANTS, begin, features
from robo_ts.envs.quadrotor.flight import Flight
from robo_ts.envs.quadrotor.groups import observation_spec, privileged
from robo_ts.envs.quadrotor.layout import Rows
from robo_ts.seeds import derive

# Added below the root of the yaw's cost: its gradient, which grows without bound towards zero yaw,
# would otherwise outweigh all others.
_LEVEL = 1e-4


class _Given(NamedTuple):
    """What stays as it is for a whole episode, feature-first."""

    parameters: Tensor
    constants: Tensor
    limit: Tensor


class QuadrotorTwin:
    """The quadrotor task as a :class:`~robo_ts.env.differentiable.DifferentiableEnv`.

    With a pool every drone has equally many worlds, one group after the other. Chance is then drawn
    for the worlds of all the pool, so that the worlds of ``members`` are the same whoever else is
    there: teachers that train apart see what they would see together.

    Args:
        config: the task's settings.
        num_envs: worlds; with a pool those of all its drones.
        seed: of all chance.
        device: where the worlds live.
        members: numbers of the pool's drones whose worlds are wanted, ascending; all of them when
            left out.

    Raises:
        RoboTSError: when the worlds cannot be shared out evenly among a pool.
    """

    num_actions = 4

    def __init__(
        self,
        config: QuadrotorConfig,
        num_envs: int,
        seed: int = 0,
        device: str = "cpu",
        members: Sequence[int] | None = None,
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.spec = observation_spec(config.drones.pool)
        self.pooled = (
            _Pooled(config, num_envs, self.device, members) if config.drones.pool else None
        )
        self._all, num_envs = num_envs, self.pooled.num_envs if self.pooled else num_envs
        self.num_envs = num_envs
        self.flight = Flight(features(config))
        self.reset_rng = torch.Generator(device=device).manual_seed(derive(seed, "reset"))
        self.step_rng = torch.Generator(device=device).manual_seed(derive(seed, "step"))
        new = torch.zeros
        self.state = new(self.flight.state.rows, num_envs, device=device)
        self.parameters = new(self.flight.parameters.rows, num_envs, device=device)
        self.constants = new(CONSTANTS, num_envs, device=device)
        self.limit = new(num_envs, device=device)
        self.alive = new(num_envs, dtype=torch.bool, device=device)
        self.episode_step = self._mine(
            torch.randint(
                config.episode_steps, (self._all,), generator=self.reset_rng, device=device
            )
        )
        self._fast = compiled(self._both, self.device, gradients=False, checks=False)
        self._begin(torch.arange(num_envs, device=device))

    @property
    def worlds(self) -> Worlds:
        return self.state, self.alive

    def draw(self) -> Tensor:
        return self._mine(self.flight.draw_packed(self._all, self.step_rng))

    def _mine(self, everywhere: Tensor) -> Tensor:
        """Of something drawn for all worlds, ``(..., worlds)``, what is for these."""
        return everywhere if self.pooled is None else everywhere[..., self.pooled.columns]

    @property
    def _given(self) -> _Given:
        return _Given(self.parameters, self.constants, self.limit)

    def observation(self, worlds: Worlds) -> dict[str, Tensor]:
        return self._named(*self._sensed(worlds[0], self._given))

    def _named(self, proprioception: Tensor, privileged: Tensor) -> dict[str, Tensor]:
        found = {"proprioception": proprioception, "privileged": privileged}
        return found if self.pooled is None else {**found, POOL: self.pooled.index}

    def _sensed(self, state: Tensor, given: _Given) -> tuple[Tensor, Tensor]:
        flight = self.flight
        s, p = flight.state.split(state), flight.parameters.split(given.parameters)
        return flight.observation(s, p), privileged(flight, s, p, given.constants)

    def advance(self, worlds: Worlds, action: Tensor, chance: Tensor) -> tuple[Worlds, Tensor]:
        return self._advanced(worlds, action, chance, self._given)

    def _advanced(
        self, worlds: Worlds, action: Tensor, chance: Tensor, given: _Given
    ) -> tuple[Worlds, Tensor]:
        flight, (state, alive) = self.flight, worlds
        s, p = flight.state.split(state), flight.parameters.split(given.parameters)
        new = flight.after(s, p, action, flight.noise.split(chance) if flight.noise.rows else {})
        cost, crashed = self._cost(s, new, p, action, given.limit)
        alive = alive & ~crashed
        # The lost stay where they were: further on their numbers, and gradients, would overflow.
        after = torch.where(alive, flight.state.join(new), state)
        return (after, alive), torch.where(alive, cost, torch.zeros_like(cost))

    def running(self, worlds: Worlds) -> Tensor:
        return worlds[1]

    def last_cost(self, worlds: Worlds) -> Tensor:
        state, alive = worlds
        s, p = self.flight.state.split(state), self.flight.parameters.split(self.parameters)
        position, velocity = self.flight.errors(s, p)
        ahead = [x + 0.4 * v for x, v in zip(position, velocity, strict=True)]
        return self.config.cost.last * _norm(ahead) * alive

    def next_window(self, worlds: Worlds, steps: int) -> Tensor:
        state, alive = worlds
        # A compiled function may give out a tensor in any order of its numbers.
        self.state, self.alive = state.detach().contiguous(), alive.clone()
        self.episode_step += steps
        over = ~alive | (self.episode_step >= self.config.episode_steps)
        self._begin(torch.nonzero(over).flatten())
        return over

    @torch.no_grad()
    def fly(self, action: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """One step without gradients: the observations after it and its cost, feature-first.

        Episodes do not end; crashed worlds cost nothing more.
        """
        *worlds, sensed, told, cost = self._fast(*self.worlds, action, self.draw(), *self._given)
        self.state, self.alive = worlds
        return self._named(sensed, told), cost

    def _both(
        self, state: Tensor, alive: Tensor, action: Tensor, chance: Tensor, *given: Tensor
    ) -> tuple[Tensor, ...]:
        worlds, cost = self._advanced((state, alive), action, chance, _Given(*given))
        return *worlds, *self._sensed(worlds[0], _Given(*given)), cost

    def _begin(self, ids: Tensor) -> None:
        if self.pooled is not None:
            everyone = self.pooled.pool.fly(self.pooled.everyone, self.reset_rng)
            new = begin(self.config, self.flight, self._all, self.reset_rng, everyone)
            new = new.pick(self.pooled.columns[ids])
        elif len(ids):
            new = begin(self.config, self.flight, len(ids), self.reset_rng)
        else:
            return
        self.state[:, ids] = new.state
        self.parameters[:, ids] = new.parameters
        self.constants[:, ids] = new.constants
        self.limit[ids] = self.config.limit_arms * new.drones.arm
        self.alive[ids] = True
        if len(ids) < self.num_envs:
            self.episode_step[ids] = 0

    def _cost(
        self, s: Rows, new: Rows, p: Rows, action: Tensor, limit: Tensor
    ) -> tuple[Tensor, Tensor]:
        c = self.config.cost
        position, velocity = self.flight.errors(new, p)
        change = [a - b for a, b in zip(action, s["action"], strict=True)]
        relu = torch.relu
        cost = (
            c.position * _norm(position)
            + c.yaw * torch.sqrt(2.0 * new["quaternion"][3].abs() + _LEVEL)
            + c.action_rate * _norm(change)
        )
        for a in action:
            cost = cost + c.saturation * relu(a.abs() - 1.0)
        for x, v, w in zip(position, velocity, new["rate"], strict=True):
            cost = cost + c.speed * relu(v.abs() - c.soft_speed)
            cost = cost + c.spin * relu(w.abs() - c.soft_spin)
            cost = cost + c.far * relu(x.abs() / limit - c.soft_far)
        far, fast, spin = _greatest(position), _greatest(velocity), _greatest(new["rate"])
        running = (far < c.lost_distance) & (fast < c.lost_speed) & (spin < c.lost_rate)
        return cost, ~running

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


class _Pooled:
    """Which of the pool's drones flies where.

    Attributes:
        pool: its drones.
        num_envs: worlds of those that are here.
        everyone: who flies in every world of the whole pool, ``(all worlds,)``.
        columns: which of these worlds are here, ``(num_envs,)``.
        index: the group ``pool``, ``(1, num_envs)``.
    """

    def __init__(
        self,
        config: QuadrotorConfig,
        worlds: int,
        device: torch.device,
        members: Sequence[int] | None,
    ) -> None:
        size = config.drones.pool
        each = grouped(worlds, size)
        self.pool = Pool(config.drones, device)
        self.everyone = torch.arange(worlds, device=device) // each
        here = torch.zeros(size, dtype=torch.bool, device=device)
        here[list(range(size) if members is None else members)] = True
        self.columns = torch.nonzero(here[self.everyone]).flatten()
        self.num_envs = len(self.columns)
        self.index = self.everyone[self.columns][None].float()


def _norm(components: Any) -> Tensor:
    first, *others = components
    total = first * first
    for x in others:
        total = total + x * x
    return torch.sqrt(total + 1e-8)


def _greatest(components: Any) -> Tensor:
    a, b, c = (x.abs() for x in components)
    return torch.maximum(torch.maximum(a, b), c)
