"""Grasps for the task to aim at, as in UniDexGrasp's second stage (arXiv 2303.00938, section 3.3).

A goal grasp is where the simulator knows the object to be: privileged, for teachers only.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from robo_ts.env.observations import Term
from robo_ts.envs.grasp.config import GoalGraspsConfig
from robo_ts.envs.grasp.geometry import quat_to_matrix, to_heading, wrist_matrix
from robo_ts.envs.grasp.layout import Layout
from robo_ts.envs.grasp.model import PALM_DOWN
from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.grasps import Grasps, load_grasps
from robo_ts.envs.grasp.proposals.rotations import angle_between
from robo_ts.envs.grasp.scene import Scene
from robo_ts.errors import RoboTSError

_SAME_POSE = 0.99  # cosine between the ways up of two ways to lie
# Of the distance's parts (UniDexGrasp's code): m, rad, rad summed over the fingers' actuators.
_PARTS = (0.6, 0.04, 0.1)


class GoalGrasps:
    """One goal grasp per world, drawn anew for every episode.

    Worlds whose object, as it lies, has no grasp in the file have no goal: what is observed of it
    is zero, and so is its reward.

    Args:
        config: which file.
        hand: name of the task's hand.
        objects: of the task.
        layout: of its model.
        num_envs: worlds.
        device: where they are.

    Raises:
        RoboTSError: when the file is of another hand or of none of these objects.
    """

    def __init__(
        self,
        config: GoalGraspsConfig,
        hand: str,
        objects: ObjectSet,
        layout: Layout,
        num_envs: int,
        device: torch.device,
    ) -> None:
        self._layout, self._weight = layout, config.weight
        grasps, about, _ = load_grasps(Path(config.file))
        if about["hand"] != hand or grasps.lengths.shape[1] != len(layout.actuators):
            raise RoboTSError(
                f"grasps of the hand {hand}", str(about["hand"]), "set task.hand, or another file"
            )
        known = {str(name): index for index, name in enumerate(objects.names)}
        numbers = torch.tensor([known.get(name, -1) for name in about["objects"]])
        own = numbers[grasps.ids] >= 0
        if not own.any():
            raise RoboTSError(
                f"grasps of the task's objects ({', '.join(list(known)[:3])}, ...)",
                f"of {', '.join(about['objects'][:3])}, ...",
                "make them for the same task.objects, or leave task.goal_grasps.file empty",
            )
        grasps = grasps.rows(own)
        grasps = Grasps(numbers[grasps.ids], *list(vars(grasps).values())[1:])
        self._up = grasps.lying(objects).up.to(device)
        self._grasps = Grasps(**{name: value.to(device) for name, value in vars(grasps).items()})
        self.chosen = torch.full((num_envs,), -1, dtype=torch.long, device=device)
        quat = torch.as_tensor(PALM_DOWN, dtype=torch.float32, device=device)
        self._rest = quat_to_matrix(quat)  # of the hand's model when the wrist is at zero

    @property
    def terms(self) -> tuple[Term, ...]:
        """What the group ``privileged`` gains."""
        motors = len(self._layout.actuators)
        return (
            Term("goal_grasp_offset", 3, "m", "heading"),
            Term("goal_grasp_rotation", 6, "1", "hand"),
            Term("goal_grasp_fingers", motors, "rad", "joint"),
            Term("goal_grasp_given", 1, "1", "none"),
        )

    def draw(
        self, env_ids: Tensor, object_ids: Tensor, rotation: Tensor, rng: torch.Generator
    ) -> None:
        """A grasp for each of these worlds, evenly among those that fit.

        Args:
            env_ids: worlds.
            object_ids: their objects, ``(n,)``.
            rotation: of these, ``(n, 3, 3)``.
            rng: of the draw.
        """
        lies = rotation[:, 2] @ self._up.T > _SAME_POSE
        fits = (lies & (object_ids[:, None] == self._grasps.ids)).float()
        some = fits.any(dim=1)
        drawn = torch.multinomial(fits + (~some[:, None]).float(), 1, generator=rng)[:, 0]
        self.chosen[env_ids] = torch.where(some, drawn, -1)

    def observe(self, scene: Scene, env_ids: Tensor | None = None) -> Tensor:
        """The terms' values for worlds whose scene this is, ``(n, 10 + u)``."""
        offset, turn, fingers, given = self._apart(scene, env_ids)
        columns = turn.transpose(1, 2)[:, :2].flatten(1)
        seen = torch.cat([to_heading(offset[:, None], scene.yaw)[:, 0], columns, fingers], dim=-1)
        return torch.cat([given[:, None] * seen, given[:, None]], dim=-1)

    def reward(self, scene: Scene) -> Tensor:
        """``-w (0.6 |t|_1 + 0.04 angle + 0.1 |q|_1)`` of what is left to the goal, ``(n,)``."""
        offset, turn, fingers, given = self._apart(scene, None)
        angle = angle_between(turn, torch.eye(3, device=turn.device).expand_as(turn))
        left = (
            _PARTS[0] * offset.abs().sum(dim=-1)
            + _PARTS[1] * angle
            + _PARTS[2] * fingers.abs().sum(dim=-1)
        )
        return -self._weight * given * left

    def _apart(self, scene: Scene, env_ids: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """From the hand to its goal: m in the world, a turn in the hand's frame, rad; and whether
        there is one."""
        chosen = self.chosen if env_ids is None else self.chosen[env_ids]
        goal = self._grasps.rows(chosen.clamp_min(0))
        place = scene.position + (scene.rotation @ goal.translation[..., None])[..., 0]
        now = wrist_matrix(scene.wrist[:, 3:]) @ self._rest
        turn = now.transpose(1, 2) @ scene.rotation @ goal.rotation
        lengths = scene.joints @ self._layout.transmission.T
        given = (chosen >= 0).float()
        return place - scene.wrist[:, :3], turn, goal.lengths - lengths, given
