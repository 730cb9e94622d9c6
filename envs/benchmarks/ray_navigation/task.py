"""The ray-navigation task: through five posts to a goal, without touching a post or a wall."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.envs.benchmarks.ray_navigation import geometry
from robo_ts.envs.benchmarks.ray_navigation.config import (
    NUM_POSTS,
    NUM_RAYS,
    ROBOT_RADIUS,
    RayNavigationConfig,
)
from robo_ts.envs.benchmarks.ray_navigation.model import build_model
from robo_ts.sim import EngineConfig, make_sim

STATE = ObservationGroup(
    "state",
    (Term("velocity", 2, "m/s", "world"), Term("goal_offset", 2, "m", "world")),
    deployable=True,
)
RAYS = ObservationGroup("rays", (Term("ray_distance", NUM_RAYS, "m", "world"),), deployable=True)
PRIVILEGED = ObservationGroup(
    "privileged", (Term("post_offsets", 2 * NUM_POSTS, "m", "world"),), deployable=False
)


class RayNavigation(TaskEnv):
    """See ``README.md`` beside this file for the observation, action and success rules."""

    name: ClassVar[str] = "ray_navigation"
    failure_names: ClassVar[tuple[str, ...]] = ("none", "hit a post", "hit a wall", "too late")
    kept: ClassVar[tuple[str, ...]] = (
        "position",
        "velocity",
        "posts",
        "goal_distance",
        "_progress",
        "_room",
        "_in_the_way",
        "_outcome",
    )

    def __init__(
        self,
        config: RayNavigationConfig | None = None,
        num_envs: int = 1,
        engine: EngineConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or RayNavigationConfig()
        super().__init__(
            make_sim(build_model(self.config), num_envs, engine),
            ObservationSpec([STATE, RAYS, PRIVILEGED]),
            num_actions=2,
            max_episode_steps=self.config.episode_steps,
            substeps=1,
            seed=seed,
        )
        n, new = self.num_envs, lambda *shape: torch.zeros(*shape, device=self.device)
        self._directions = geometry.ray_directions(self.device)
        self._goal = torch.tensor([self.config.goal_distance, 0.0], device=self.device)
        self.position, self.velocity, self.posts = new(n, 2), new(n, 2), new(n, NUM_POSTS, 2)
        self.goal_distance, self._progress = new(n), new(n)
        self._room, self._in_the_way = new(n), new(n)
        self._outcome = torch.zeros(n, dtype=torch.long, device=self.device)

    # -- the episode -------------------------------------------------------------------------------

    def _reset_worlds(self, env_ids: Tensor) -> None:
        n, config = len(env_ids), self.config
        draw = torch.rand(n, generator=self.reset_rng, device=self.device)
        aside = config.start_spread * (2.0 * draw - 1.0)
        start = torch.stack([torch.zeros_like(aside), aside], dim=-1)
        posts = geometry.place_posts(n, config.goal_distance, config.post_spread, self.reset_rng)
        self.sim.reset(env_ids)
        self.sim.write("qpos", start, env_ids)
        self.sim.write("mocap_pos", torch.nn.functional.pad(posts, (0, 1)), env_ids)
        self.position[env_ids] = start
        self.velocity[env_ids] = 0.0
        self.posts[env_ids] = posts
        self.goal_distance[env_ids] = torch.linalg.vector_norm(self._goal - start, dim=-1)
        self._progress[env_ids] = 0.0
        self._room[env_ids] = config.half_width
        self._in_the_way[env_ids] = geometry.posts_in_the_way(
            start, posts, self._goal, ROBOT_RADIUS
        )
        self._outcome[env_ids] = _TOO_LATE

    def _apply_action(self, action: Tensor) -> None:
        self.sim.write("ctrl", action.clamp(-1.0, 1.0))

    def _after_physics(self) -> None:
        config = self.config
        self.position = self.sim.read("qpos").clone()
        self.velocity = self.sim.read("qvel").clone()
        before = self.goal_distance
        self.goal_distance = torch.linalg.vector_norm(self._goal - self.position, dim=-1)
        self._progress = before - self.goal_distance
        to_post = geometry.clearance(self.posts - self.position[:, None]) - ROBOT_RADIUS
        to_wall = config.half_width - ROBOT_RADIUS - self.position[:, 1].abs()
        self._room = torch.minimum(self._room, torch.minimum(to_post, to_wall))
        # A collision counts even where the goal is reached in the same step.
        outcome = torch.where(self.goal_distance < config.goal_radius, _REACHED, _TOO_LATE)
        outcome = torch.where(to_wall < 0.0, _HIT_WALL, outcome)
        self._outcome = torch.where(to_post < 0.0, _HIT_POST, outcome)

    def _terminated(self) -> Tensor:
        return self._outcome != _TOO_LATE

    def _reward(self, terminated: Tensor) -> Tensor:
        config = self.config
        end = torch.where(self._outcome == _REACHED, config.reached, config.collided)
        return end * terminated + config.progress * self._progress - config.step_cost

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        def rows(x: Tensor) -> Tensor:
            return x if env_ids is None else x[env_ids]

        position = rows(self.position)
        offsets = rows(self.posts) - position[:, None]
        rays = geometry.cast_rays(
            offsets,
            position[:, 1],
            self._directions,
            self.config.half_width,
            self.config.ray_range,
        )
        return {
            "state": torch.cat([rows(self.velocity), self._goal - position], dim=-1),
            "rays": rays,
            # Nearest first: what is where in the vector then says what matters.
            "privileged": geometry.nearest_first(offsets).flatten(1),
        }

    # -- measurement -------------------------------------------------------------------------------

    def evaluate(self) -> dict[str, Tensor]:
        success = self._outcome == _REACHED
        return {
            "success": success,
            "success_ever": success.clone(),
            "failure": self._outcome.clone(),
            "least_room_m": self._room.clone(),
            "posts_in_the_way": self._in_the_way.clone(),
        }

    def action_contract(self) -> dict[str, Any]:
        return self._unit_actions(
            ["x", "y"], "force, as a share of the one that holds 1.5 m/s; x along the corridor"
        )


# Indices into ``failure_names``.
_REACHED, _HIT_POST, _HIT_WALL, _TOO_LATE = range(4)
