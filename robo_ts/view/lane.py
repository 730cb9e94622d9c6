"""One policy in its worlds, and a teacher that looks on."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import TaskEnv
from robo_ts.env.viewing import ViewSpec
from robo_ts.view.history import History
from robo_ts.view.images import as_picture
from robo_ts.view.players import Player, memory_of
from robo_ts.view.poses import Poses
from robo_ts.view.shapes import read_shapes
from robo_ts.view.snapshot import FAILED, RUNNING, SUCCEEDED, LaneView, TermView, WorldView

# Moments kept for plots.
_KEPT = 240


class Lane:
    """One policy acting in all worlds of a task.

    A world whose episode has ended is shown as it ended, until all begin anew together: policies
    side by side then always come from the same starts. Where several agents share a world, its
    first one is who is looked at.

    Args:
        env: the worlds; the lane owns them.
        player: who acts.
        teacher: who says what it would do instead; None for nobody.
        view: how the task is shown.
        stride: control steps between two moments of the plots.
    """

    def __init__(
        self,
        env: TaskEnv,
        player: Player,
        teacher: Player | None,
        view: ViewSpec,
        stride: int = 1,
    ) -> None:
        self.env, self.view, self._stride = env, view, stride
        self.num = env.sim.num_envs
        self.history = History(_KEPT, self.num)
        self._poses = Poses(env.sim.model, self.num)
        self._set_players(player, teacher)
        self.episodes = self.successes = 0

    def begin(self, seed: int) -> None:
        """Start new episodes everywhere."""
        self.obs: TensorDict = self.env.reset(seed=seed)
        rows = self.env.num_envs
        self.actor.begin(rows)
        if self.looker is not None:
            self.looker.begin(rows)
        self.ended = np.zeros(self.num, dtype=np.int8)
        self._final: dict[int, WorldView] = {}
        self._reward = np.zeros(self.num)
        self._action = self._reference = self._seen = None
        self._shown = self._look()
        self.history.clear()
        self._steps = 0

    def swap(self, player: Player, teacher: Player | None) -> None:
        """Another policy takes over in flight, with an empty memory."""
        self._set_players(player, teacher)

    @property
    def over(self) -> bool:
        """Whether every episode has ended."""
        return bool((self.ended != RUNNING).all())

    @torch.no_grad()
    def step(self) -> None:
        """One control step of every world."""
        seen, action = self.obs, self.actor.act(self.obs)
        self._reference = self._compare(seen, at_once=self._looker_remembers)
        step = self.env.step(action)
        self.actor.clear(step.done)
        if self.looker is not None:
            self.looker.clear(step.done)
        self.obs, self._action, self._seen = step.obs, action, seen
        self._reward = self._by_world(step.reward)
        if step.info["final_ids"].numel():
            self._note_ends(step.info)
        self._steps += 1
        if self._steps % self._stride == 0:
            self._keep()
            self._remember()

    # -- what is shown -----------------------------------------------------------------------------

    def lane_view(self) -> LaneView:
        """All worlds now."""
        state = self.states()
        positions, quaternions = self._poses.place(state)
        return LaneView(
            self.player.name,
            self.player.text,
            positions,
            quaternions,
            state["scale"],
            state["markers"],
            self.ended.copy(),
            self.episodes,
            self.successes,
            state["shapes"],
        )

    def states(self) -> dict[str, np.ndarray]:
        """What a clip keeps of a moment; copies."""
        self._keep()
        return {name: value.copy() for name, value in self._shown.items()}

    def place(self, state: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Body poses of a kept moment, see :meth:`Poses.place`."""
        return self._poses.place(state)

    def model(self, world: int) -> mujoco.MjModel:
        """The model of one world."""
        return self.env.sim.world(world)[0]

    def world_view(self, world: int) -> WorldView:
        """One world now, or as it ended."""
        if world in self._final:
            return self._final[world]
        memory, row = memory_of(self.actor), self._row(world)
        return self._world_view(
            world,
            self.obs[row],
            {name: value[row].item() for name, value in self.env.evaluate().items()},
            "running",
            float(_norm(memory)[row]) if memory else None,
        )

    def _world_view(
        self,
        world: int,
        obs: TensorDict,
        metrics: dict[str, float],
        outcome: str,
        memory: float | None = None,
    ) -> WorldView:
        return WorldView(
            terms=self._terms(obs),
            images=self._pictures(obs),
            action=_row(self._action, self._row(world)),
            reference=_row(self._teachers_action(), self._row(world)),
            memory=memory,
            reward=float(self._reward[world]),
            metrics=metrics,
            outcome=outcome,
        )

    def measured(self) -> set[str]:
        """What the history keeps beside the reward."""
        return (
            {"success"}
            | ({"action error"} if self.looker is not None else set())
            | ({"memory"} if memory_of(self.actor) else set())
        )

    def reward_names(self) -> list[str]:
        """Names under which the history keeps the reward's terms."""
        terms = self.view.reward_terms
        return [] if terms is None else [f"reward: {name}" for name in terms(self.env)]

    def images(self, world: int) -> dict[str, np.ndarray]:
        """What the task's cameras see in one world, by group, ``(height, width, 3)`` uint8."""
        return (
            self._final[world].images
            if world in self._final
            else self._pictures(self.obs[self._row(world)])
        )

    def _pictures(self, obs: TensorDict) -> dict[str, np.ndarray]:
        return {name: as_picture(obs[name].cpu().numpy()) for name in self.env.spec.images()}

    # -- internals ---------------------------------------------------------------------------------

    def _row(self, world: int) -> int:
        """The row of a world's first agent."""
        return world * self.env.agents

    def _by_world(self, value: Tensor) -> np.ndarray:
        """What holds for each row, for each world's first agent; a copy."""
        return value[:: self.env.agents].cpu().numpy().copy()

    def _set_players(self, player: Player, teacher: Player | None) -> None:
        watched = teacher is not None and teacher.name != player.name
        actor = player.make(self.env)  # nothing has changed when one does not fit
        looker = teacher.make(self.env) if watched and teacher is not None else None
        self.player, self.actor, self.looker = player, actor, looker
        for one in (actor, looker):
            if one is not None:
                one.begin(self.env.num_envs)
        self._looker_remembers = self.looker is not None and bool(memory_of(self.looker))
        self._reference: Tensor | None = None
        self._action: Tensor | None = None
        self._seen: TensorDict | None = None

    def _teachers_action(self) -> Tensor | None:
        """What the teacher would have done in the last step."""
        # A teacher without memory is asked only when somebody looks.
        if self._reference is None and self._seen is not None:
            self._reference = self._compare(self._seen, at_once=True)
        return self._reference

    def _compare(self, seen: TensorDict, at_once: bool) -> Tensor | None:
        if self.looker is None or not at_once:
            return None
        with torch.no_grad():
            return self.looker.act(seen)

    def _look(self) -> dict[str, np.ndarray]:
        """Everything that is drawn of the worlds now."""
        env, view = self.env, self.view
        state = self._poses.read(env.sim)
        num = self.num
        state["scale"] = (
            np.ones(num, np.float32) if view.scale is None else self._by_world(view.scale(env))
        )
        state["markers"] = (
            np.zeros((num, 0, 3), np.float32)
            if view.markers is None
            else self._by_world(view.markers(env))
        )
        state["shapes"] = read_shapes(env.sim)
        return state

    def _keep(self) -> None:
        """Move on what still runs; the rest stays as it was last seen before its end."""
        running = self.ended == RUNNING
        for name, value in self._look().items():
            self._shown[name][running] = value[running]

    def _note_ends(self, info: dict[str, Any]) -> None:
        """Keep what is to be seen of the worlds whose first episode of the round has ended."""
        ids, agents = info["final_ids"].cpu().numpy(), self.env.agents
        first = ids % agents == 0
        for row in np.flatnonzero(first & (self.ended[ids // agents] == RUNNING)):
            world = int(ids[row]) // agents
            metrics = {name: value[row].item() for name, value in info["episode"].items()}
            good = bool(metrics["success"])
            reason = self.env.failure_names[int(metrics["failure"])]
            outcome = "success" if good else f"failed: {reason}"
            self._final[world] = self._world_view(
                world, info["final_obs"][int(row)], metrics, outcome
            )
            self.ended[world] = SUCCEEDED if good else FAILED
            self.episodes += 1
            self.successes += good

    @torch.no_grad()
    def _remember(self) -> None:
        running = self.ended == RUNNING

        def only(value: Tensor | np.ndarray) -> np.ndarray:
            array = self._by_world(value) if isinstance(value, Tensor) else value
            return np.where(running, array, np.nan)

        numbers = {"reward": only(self._reward)}
        if self.view.reward_terms is not None:
            parts = self.view.reward_terms(self.env)
            numbers |= {f"reward: {name}": only(value) for name, value in parts.items()}
        reference = self._teachers_action()
        if reference is not None and self._action is not None:
            error = (self._action - reference).square().mean(dim=1).sqrt()
            numbers["action error"] = only(error)
        memory = memory_of(self.actor)
        if memory:
            numbers["memory"] = only(_norm(memory))
        numbers["success"] = only(self.env.evaluate()["success"].float())
        self.history.add(self._steps * self.env.step_dt, numbers)

    def _terms(self, obs: TensorDict) -> list[TermView]:
        found = []
        for name, group in self.env.spec.items():
            if group.image:
                continue
            row = obs[name].cpu().numpy()
            for term in group.terms:
                where = group.slices()[term.name]
                found.append(
                    TermView(
                        name,
                        term.name,
                        term.unit,
                        term.frame,
                        group.deployable,
                        name in self.player.groups,
                        row[where].copy(),
                    )
                )
        return found


def _row(value: Tensor | None, world: int) -> np.ndarray | None:
    return None if value is None else value[world].cpu().numpy().copy()


def _norm(memory: tuple[Tensor, ...]) -> Tensor:
    """Norm of all parts and layers, ``(num,)``."""
    return torch.stack([part.square().sum(dim=(0, 2)) for part in memory]).sum(dim=0).sqrt()
