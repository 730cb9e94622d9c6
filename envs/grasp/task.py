"""The grasp task: take whatever lies on the table, lift it to the goal, and hold it there."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.envs.grasp.config import GraspConfig
from robo_ts.envs.grasp.eyes import HAND_FIELDS, Eyes
from robo_ts.envs.grasp.geometry import from_heading, quat_to_matrix
from robo_ts.envs.grasp.hands import get_hand
from robo_ts.envs.grasp.layout import find_layout
from robo_ts.envs.grasp.library import choose_objects
from robo_ts.envs.grasp.model import WRIST, build_model
from robo_ts.envs.grasp.objects.families import FAMILIES
from robo_ts.envs.grasp.observations import (
    observation_spec,
    privileged,
    proprioception,
    wrist_place,
)
from robo_ts.envs.grasp.outcomes import FAILURES, Record
from robo_ts.envs.grasp.proposals.goals import GoalGrasps
from robo_ts.envs.grasp.rewards import reward_terms
from robo_ts.envs.grasp.scene import Scene, Surfaces, look
from robo_ts.envs.grasp.starts import Rest, draw_start
from robo_ts.sim import EngineConfig, make_sim
from robo_ts.sim.variants import Variants

# How far targets may run ahead of the joints: of slides, m; of the wrist's hinges and fingers, rad.
_LEAD = (0.05, 0.3, 0.5)


class Grasp(TaskEnv):
    """See ``README.md`` beside this file for the observation, action and success rules."""

    name: ClassVar[str] = "grasp"
    failure_names: ClassVar[tuple[str, ...]] = FAILURES
    kept: ClassVar[tuple[str, ...]] = (
        "target",
        "action",
        "_change",
        "object_ids",
        "object_weights",
        "_start",
        "_goal",
        "_mass",
        "_friction",
        "_start_distance",
    )

    def __init__(
        self,
        config: GraspConfig | None = None,
        num_envs: int = 1,
        engine: EngineConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config = config or GraspConfig()
        engine = engine or EngineConfig()
        self.hand, self.objects = get_hand(config.hand), choose_objects(config.objects)
        model = build_model(self.hand, self.objects.pieces, config.physics)
        self.variants = Variants(model, "object", self.objects.table, engine.name)
        sim = make_sim(
            model,
            num_envs,
            engine,
            fields=("site_xpos", "sensordata", *(HAND_FIELDS if config.eyes.imagined else ())),
            expand=(*self.variants.fields, "geom_friction"),
        )
        self.layout = layout = find_layout(model, self.hand, sim.device)
        self._directions = self._action_directions(sim.device)
        self.eyes = Eyes(sim, config.eyes)
        self.cameras = self.eyes.cameras
        self.goal_grasps = self._load_goal_grasps(num_envs, sim.device)
        aims = self.goal_grasps.terms if self.goal_grasps else ()
        super().__init__(
            sim,
            observation_spec(layout, len(self._directions), self.eyes.groups, aims),
            num_actions=len(self._directions),
            max_episode_steps=config.episode_steps,
            substeps=config.substeps,
            seed=seed,
        )
        self._make_tables()
        n, new = self.num_envs, lambda *shape: torch.zeros(*shape, device=self.device)
        self.object_ids = torch.zeros(n, dtype=torch.long, device=self.device)
        self.object_weights = torch.ones(len(self.objects), device=self.device)
        self.target, self.action = new(n, model.nu), new(n, self.num_actions)
        self._change = torch.zeros_like(self.action)
        self._start, self._goal = new(n, 3), new(n, 3)
        self._mass, self._friction, self._start_distance = new(n), new(n), new(n)
        self.record = Record.empty(n, self.device)
        self.scene = look(self.sim, layout, self.surfaces, self.object_ids)

    def _make_tables(self) -> None:
        def floats(value: Any) -> Tensor:
            return torch.as_tensor(value, dtype=torch.float32, device=self.device)

        objects, layout = self.objects, self.layout
        points = floats(objects.points)
        area = 3.1 * floats(objects.diameter).square() * 0.6  # roughly; it only sets a length
        self.surfaces = Surfaces(points, floats(objects.normals), (area / points.shape[1]).sqrt())
        self._rest = Rest(
            floats(objects.pose_quat),
            floats(objects.pose_height),
            floats(objects.pose_probability),
            points,
        )
        known = list(FAMILIES)
        number = [known.index(f) if f in FAMILIES else len(known) for f in objects.families]
        self._family = torch.tensor(number, device=self.device)
        self._volume = floats(objects.table.mass)
        self.open_pose = floats(self.hand.pose(self.hand.open, layout.actuators))
        friction = torch.as_tensor(self.sim.model.geom_friction, dtype=torch.float32)
        self._usual_friction = friction.to(self.device)
        lead = [_LEAD[0]] * 3 + [_LEAD[1]] * 3 + [_LEAD[2]] * len(layout.actuators)
        self._lead = floats(lead)

    def _action_directions(self, device: torch.device) -> Tensor:
        """How targets move at action 1, ``(actions, 6 + u)`` per second; the wrist's in the heading
        frame."""
        config, motors = self.config, len(self.layout.actuators)
        speed = [config.wrist_speed] * 3 + [config.turn_speed] * 3
        if config.action == "synergy":
            found = self.hand.load_synergies(self.layout.actuators)
            fingers = torch.as_tensor(found, dtype=torch.float32)
        else:
            fingers = torch.eye(motors)
        wrist = torch.cat([torch.diag(torch.tensor(speed)), torch.zeros(6, motors)], dim=1)
        rest = torch.cat([torch.zeros(len(fingers), 6), config.finger_speed * fingers], dim=1)
        return torch.cat([wrist, rest]).to(device)

    def _load_goal_grasps(self, num_envs: int, device: torch.device) -> GoalGrasps | None:
        config = self.config.goal_grasps
        if not config.file:
            return None
        return GoalGrasps(config, self.hand.name, self.objects, self.layout, num_envs, device)

    @property
    def goal(self) -> Tensor:
        """Where each object is to be held, ``(num_envs, 3)`` m."""
        return self._goal

    # -- objects, for curricula --------------------------------------------------------------------

    @property
    def num_variants(self) -> int:
        """How many objects there are."""
        return len(self.objects)

    @property
    def variant_names(self) -> list[str]:
        """``family/index`` of each."""
        return [str(name) for name in self.objects.names]

    @property
    def variant_features(self) -> Tensor:
        """What objects are compared by, ``(V, 12)``."""
        return torch.as_tensor(self.objects.features, dtype=torch.float32, device=self.device)

    def set_variant_weights(self, weights: Tensor) -> None:
        """How likely each object is to be drawn at a reset, ``(V,)``, not all zero."""
        self.object_weights = weights.to(self.device, torch.float32, copy=True)

    # -- the episode -------------------------------------------------------------------------------

    def _reset_worlds(self, env_ids: Tensor) -> None:
        config, n = self.config, len(env_ids)
        ids = torch.multinomial(self.object_weights, n, replacement=True, generator=self.reset_rng)
        density = config.objects.density.sample((n,), self.reset_rng)
        friction = config.objects.friction.sample((n,), self.reset_rng)
        start = draw_start(ids, self._rest, self.open_pose, self.layout, config, self.reset_rng)

        self.variants.assign(self.sim, env_ids, ids, density)
        rows = self._usual_friction.repeat(n, 1, 1)
        rows[:, self.layout.object_geoms, 0] = friction[:, None]
        self.sim.write("geom_friction", rows, env_ids)
        target = torch.cat([start.wrist, start.fingers], dim=-1)
        self._write_state(env_ids, start.position, start.quat, target)

        self.object_ids[env_ids] = ids
        self.target[env_ids] = target
        self.action[env_ids] = self._change[env_ids] = 0.0
        self._start[env_ids] = start.position
        self._goal[env_ids] = start.position + self._up(config.goal_height)
        self._mass[env_ids] = density * self._volume[ids]
        self._friction[env_ids] = friction
        self._start_distance[env_ids] = start.distance
        self.record.begin(env_ids, config.goal_height)
        self.eyes.reset(env_ids, self.reset_rng)
        if self.goal_grasps:
            rotation = quat_to_matrix(start.quat)
            self.goal_grasps.draw(env_ids, ids, rotation, self.reset_rng)
        self.scene.replace(env_ids, look(self.sim, self.layout, self.surfaces, ids, env_ids))

    def _write_state(self, env_ids: Tensor, position: Tensor, quat: Tensor, target: Tensor) -> None:
        layout, at = self.layout, self.layout.object_qpos
        self.sim.reset(env_ids)
        qpos = torch.as_tensor(self.sim.model.qpos0, dtype=torch.float32, device=self.device)
        qpos = qpos.repeat(len(env_ids), 1)
        qpos[:, :6] = target[:, :6]
        # A joint follows its actuator; joints that share one share its target.
        qpos[:, layout.finger_qpos] = target[:, 6:] @ torch.linalg.pinv(layout.transmission).T
        qpos[:, at : at + 3], qpos[:, at + 3 : at + 7] = position, quat
        self.sim.write("qpos", qpos, env_ids)
        self.sim.write("ctrl", target, env_ids)
        self.sim.forward(env_ids)

    def _up(self, height: float) -> Tensor:
        return torch.tensor([0.0, 0.0, height], device=self.device)

    def _apply_action(self, action: Tensor) -> None:
        action = action.clamp(-1.0, 1.0)
        self._change, self.action = action - self.action, action
        move = self.step_dt * action @ self._directions
        move[:, :3] = from_heading(move[:, :3], self.scene.yaw)
        scene, layout = self.scene, self.layout
        now = torch.cat([scene.wrist, scene.joints @ layout.transmission.T], dim=-1)
        target = torch.clamp(self.target + move, now - self._lead, now + self._lead)
        self.target = torch.clamp(target, layout.target_range[:, 0], layout.target_range[:, 1])
        self.sim.write("ctrl", self.target)

    def _after_physics(self) -> None:
        self.scene = look(self.sim, self.layout, self.surfaces, self.object_ids)
        self.eyes.step()
        config = self.config
        self.record.update(
            self.scene, self._start, self._goal, config.success_distance, config.knocked_distance
        )

    def _terminated(self) -> Tensor:
        return self.record.knocked | self.record.unstable

    def reward_terms(self, terminated: Tensor | None = None) -> dict[str, Tensor]:
        """The reward of the worlds as they are, by term, ``(num_envs,)`` each."""
        config = self.config
        if terminated is None:
            terminated = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        terms = reward_terms(
            self.scene,
            self.layout,
            self._goal,
            self.record.height,
            config.goal_height,
            config.success_distance,
            self.action,
            self._change,
            terminated,
            config.reward,
        )
        if self.goal_grasps:
            terms["goal_grasp"] = config.reward.scale * self.goal_grasps.reward(self.scene)
        return terms

    def _reward(self, terminated: Tensor) -> Tensor:
        return torch.stack(list(self.reward_terms(terminated).values())).sum(dim=0)

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        def rows(x: Tensor) -> Tensor:
            return x if env_ids is None else x[env_ids]

        scene = self.scene.rows(env_ids)
        time = rows(self.episode_step) / self.max_episode_steps
        known = privileged(scene, rows(self._goal), rows(self._mass), rows(self._friction))
        if self.goal_grasps:
            known = torch.cat([known, self.goal_grasps.observe(scene, env_ids)], dim=-1)
        return {
            "proprioception": proprioception(
                scene, self.layout, rows(self.target), rows(self.action), time
            ),
            "wrist": wrist_place(scene),
            "privileged": known,
            **self.eyes.read(env_ids),
        }

    # -- measurement -------------------------------------------------------------------------------

    def evaluate(self) -> dict[str, Tensor]:
        record = self.record
        failure = record.failure()
        return {
            "success": failure == 0,
            "success_ever": record.success_ever.clone(),
            "failure": failure,
            "goal_distance_m": record.distance.clone(),
            "held_distance_m": torch.where(record.held, record.distance, torch.inf),
            "closest_m": record.closest.clone(),
            "highest_m": record.highest.clone(),
            "pushed_m": record.pushed.clone(),
            "drops": record.drops.clone(),
            "start_distance_m": self._start_distance.clone(),
            "mass_kg": self._mass.clone(),
            "friction": self._friction.clone(),
            "variant": self.object_ids.clone(),
            "family": self._family[self.object_ids],
        }

    def action_contract(self) -> dict[str, Any]:
        if self.config.action == "synergy":
            fingers = [f"synergy_{k}" for k in range(self.num_actions - 6)]
        else:
            fingers = self.layout.actuators
        return self._unit_actions(
            [*WRIST, *fingers],
            f"speed of the position targets: {self.config.wrist_speed:g} m/s, "
            f"{self.config.turn_speed:g} rad/s, fingers {self.config.finger_speed:g} rad/s; "
            "the wrist's in the heading frame",
        )

    # -- resume ------------------------------------------------------------------------------------

    def _task_state(self) -> dict[str, Tensor]:
        state = super()._task_state()
        for part in ("scene", "record"):
            value = getattr(self, part)
            state |= {f"{part}.{f.name}": getattr(value, f.name) for f in fields(value)}
        if self.goal_grasps:
            state["goal_grasps.chosen"] = self.goal_grasps.chosen
        return state | (self.cameras.state_dict() if self.cameras is not None else {})

    def _load_task_state(self, state: dict[str, Tensor]) -> None:
        super()._load_task_state(state)
        for part, kind in (("scene", Scene), ("record", Record)):
            setattr(self, part, kind(**{f.name: state[f"{part}.{f.name}"] for f in fields(kind)}))
        if self.goal_grasps:
            self.goal_grasps.chosen = state["goal_grasps.chosen"]
        if self.cameras is not None:
            self.cameras.load_state_dict(state)

    def close(self) -> None:
        if self.cameras is not None:
            self.cameras.close()
        super().close()
