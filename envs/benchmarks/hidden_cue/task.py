"""The hidden-cue task: two doors ahead, and to the left a sign that tells the right one."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.envs.benchmarks.hidden_cue.config import HiddenCueConfig
from robo_ts.envs.benchmarks.hidden_cue.model import build_model
from robo_ts.sim import EngineConfig, make_sim

PROPRIOCEPTION = ObservationGroup(
    "proprioception",
    (
        Term("position", 2, "m", "world"),
        Term("velocity", 2, "m/s", "world"),
        Term("cue_seen", 1, "-1 left, 1 right, 0 out of sight"),
    ),
    deployable=True,
)
PRIVILEGED = ObservationGroup("privileged", (Term("cue", 1, "-1 left, 1 right"),), deployable=False)


class HiddenCue(TaskEnv):
    """See ``README.md`` beside this file for the observation, action and success rules."""

    name: ClassVar[str] = "hidden_cue"
    failure_names: ClassVar[tuple[str, ...]] = ("none", "wrong door", "too late")
    kept: ClassVar[tuple[str, ...]] = ("position", "velocity", "cue", "_saw_cue")

    def __init__(
        self,
        config: HiddenCueConfig | None = None,
        num_envs: int = 1,
        engine: EngineConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or HiddenCueConfig()
        super().__init__(
            make_sim(build_model(self.config), num_envs, engine),
            ObservationSpec([PROPRIOCEPTION, PRIVILEGED]),
            num_actions=2,
            max_episode_steps=self.config.episode_steps,
            substeps=1,
            seed=seed,
        )
        n, new = self.num_envs, lambda *shape: torch.zeros(*shape, device=self.device)
        self.position, self.velocity, self.cue = new(n, 2), new(n, 2), new(n)
        self._saw_cue = torch.zeros(n, dtype=torch.bool, device=self.device)

    # -- the episode -------------------------------------------------------------------------------

    def _reset_worlds(self, env_ids: Tensor) -> None:
        config = self.config
        draw = torch.rand(len(env_ids), 3, generator=self.reset_rng, device=self.device)
        leftmost = config.nearest_start - config.alcove_distance
        aside = leftmost + (config.rightmost_start - leftmost) * draw[:, 0]
        ahead = _START_SPREAD * (2.0 * draw[:, 1] - 1.0)
        start = torch.stack([aside, ahead], dim=-1)
        self.sim.reset(env_ids)
        self.sim.write("qpos", start, env_ids)
        self.position[env_ids] = start
        self.velocity[env_ids] = 0.0
        self.cue[env_ids] = torch.where(draw[:, 2] < 0.5, -1.0, 1.0)
        self._saw_cue[env_ids] = False

    def _apply_action(self, action: Tensor) -> None:
        self.sim.write("ctrl", action.clamp(-1.0, 1.0))

    def _after_physics(self) -> None:
        self.position = self.sim.read("qpos").clone()
        self.velocity = self.sim.read("qvel").clone()
        self._saw_cue |= self.in_alcove(self.position)

    def in_alcove(self, position: Tensor) -> Tensor:
        """Whether the sign can be seen from ``position (n, 2)`` in m: ``(n,)`` bool."""
        config = self.config
        beyond = -config.alcove_distance - position[:, 0]
        beside = position[:, 1].abs() <= 0.5 * config.alcove_length
        return (beyond >= 0.0) & (beyond <= config.alcove_depth) & beside

    def _right(self) -> tuple[Tensor, Tensor]:
        """Whether the wall is reached, and whether it is on the cue's side."""
        return self.position[:, 1] >= self.config.door_distance, self.position[:, 0] * self.cue > 0

    def _terminated(self) -> Tensor:
        return self._right()[0]

    def _reward(self, terminated: Tensor) -> Tensor:
        config = self.config
        outcome = torch.where(self._right()[1], config.right_door, config.wrong_door)
        return outcome * terminated - config.step_cost

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        def rows(x: Tensor) -> Tensor:
            return x if env_ids is None else x[env_ids]

        position, cue = rows(self.position), rows(self.cue)[:, None]
        seen = cue * self.in_alcove(position)[:, None]
        return {
            "proprioception": torch.cat([position, rows(self.velocity), seen], dim=-1),
            "privileged": cue.clone(),
        }

    # -- measurement -------------------------------------------------------------------------------

    def evaluate(self) -> dict[str, Tensor]:
        through, right = self._right()
        success = through & right
        return {
            "success": success,
            "success_ever": success.clone(),
            "failure": torch.where(through, (~right).long(), 2),
            "saw_cue": self._saw_cue.clone(),
        }

    def action_contract(self) -> dict[str, Any]:
        return self._unit_actions(
            ["x", "y"], "force, as a share of the one that holds 1 m/s; x to the right, y ahead"
        )


_START_SPREAD = 0.05  # along y, m
