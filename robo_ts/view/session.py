"""Closed-loop rollouts people can steer: the core behind the page and the videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from omegaconf import OmegaConf

from robo_ts.env import get_task
from robo_ts.env.viewing import Choice, Slider, ViewSpec, all_sliders, pinned
from robo_ts.errors import RoboTSError, SimulationDiverged, did_you_mean
from robo_ts.evaluate.trials import with_changes
from robo_ts.sim import EngineConfig, check_num_envs
from robo_ts.view.history import History
from robo_ts.view.lane import Lane
from robo_ts.view.players import Offer, Player, scripted_players
from robo_ts.view.push import push, pushable_bodies
from robo_ts.view.rollout import Rollout
from robo_ts.view.snapshot import Snapshot

# Moments per second that plots keep.
_PLOTTED = 25.0
USUAL = "usual"


class Session(Rollout):
    """One policy, or two side by side in the same worlds.

    Episodes go in rounds: all worlds begin together from one seed; one that ends early stays as it
    ended; when all have ended the next round begins, with the next seed. So any moment can be had
    again, and policies side by side always meet the same worlds.

    Args:
        offer: the task and who may act in it.
        num_envs: number of worlds.
        seed: of the first round.
        player: who acts; the offer's first when empty.
        beside: who acts beside it, in the same worlds; nobody when empty.
        engine: what steps the worlds.

    Raises:
        RoboTSError: for unknown players, or one that does not fit the task.
    """

    def __init__(
        self,
        offer: Offer,
        num_envs: int = 16,
        seed: int = 0,
        player: str = "",
        beside: str = "",
        engine: EngineConfig | None = None,
    ) -> None:
        self.task_name = offer.task
        self.offer, self.num_envs, self.seed = offer, check_num_envs(num_envs), seed
        self.task = get_task(offer.task)
        self.view = self.task.view() if self.task.view is not None else ViewSpec()
        self._engine = engine or EngineConfig(threads=1)
        self._base = offer.config if offer.config is not None else self.task.config()
        self.condition, self.parameters, self.chosen = USUAL, {}, {}
        offer.players |= {
            name: one
            for name, one in scripted_players(self.task, self.view).items()
            if name not in offer.players
        }
        self.world = self.step_count = 0
        self.lanes: list[Lane] = []
        first = player or next(iter(offer.players))
        self._build([first, *([beside] if beside else [])])

    can_record = True

    @property
    def model(self) -> mujoco.MjModel:  # type: ignore[override]
        """The model of all worlds."""
        return self.lanes[0].env.sim.model

    # -- who acts ----------------------------------------------------------------------------------

    @property
    def players(self) -> list[str]:
        """Names of the policies that act, the first lane's first."""
        return [lane.player.name for lane in self.lanes]

    def choices(self) -> list[str]:
        """Names of the policies that can act."""
        return list(self.offer.players)

    def swap(self, lane: int, name: str) -> None:
        """Let another policy take over a lane in flight.

        Raises:
            RoboTSError: for an unknown name.
        """
        self.lanes[lane].swap(self._player(name), self._teacher())

    def set_beside(self, name: str) -> None:
        """Show another policy beside the first, from the same starts; nobody for an empty name."""
        self._build([self.players[0], *([name] if name else [])])

    def refresh(self) -> list[str]:
        """Take newer versions of the policies from disk; the names of those that changed."""
        changed = self.offer.newest()
        for lane in self.lanes:
            if lane.player.name in changed or self.offer.teacher in changed:
                lane.swap(self._player(lane.player.name), self._teacher())
        return changed

    # -- time --------------------------------------------------------------------------------------

    @property
    def step_dt(self) -> float:
        """A control step, s."""
        return self.lanes[0].env.step_dt

    @property
    def over(self) -> bool:
        """Whether every episode of this round has ended."""
        return all(lane.over for lane in self.lanes)

    def step(self) -> None:
        """One control step of all worlds; where the round is over, the start of the next one.

        Raises:
            SimulationDiverged: when a world became non-finite; begin anew with :meth:`reset`.
        """
        if self.over:
            self._begin(self.seed + 1)
            return
        try:
            for lane in self.lanes:
                lane.step()
        except SimulationDiverged:
            self._begin(self.seed)
            raise
        self.step_count += 1

    def reset(self, seed: int | None = None) -> None:
        """Begin a round anew: the same again, or that of another seed; counts start at zero."""
        for lane in self.lanes:
            lane.episodes = lane.successes = 0
        self._begin(self.seed if seed is None else seed)

    # -- physics -----------------------------------------------------------------------------------

    def bodies(self) -> list[str]:
        """Names of the bodies that can be pushed."""
        return pushable_bodies(self.view, self.model)

    def push(
        self, velocity: Sequence[float], worlds: Sequence[int] | None = None, body: str = ""
    ) -> None:
        """Push a body in every lane.

        Args:
            velocity: speed it gains, ``(3,)`` m/s, world frame.
            worlds: in which worlds; the chosen one when left out.
            body: its name; the first of :meth:`bodies` when empty.

        Raises:
            RoboTSError: for a task where nothing can be pushed.
        """
        known = self.bodies()
        if not known:
            raise RoboTSError("a task with bodies that can be pushed", self.task.name, "none")
        which = [self.world] if worlds is None else list(worlds)
        for lane in self.lanes:
            push(lane.env.sim, body or known[0], np.asarray(velocity, dtype=np.float64), which)

    def sliders(self) -> list[Slider]:
        """Parameters people may set."""
        return all_sliders(self.view, self._base)

    def set_parameter(self, path: str, value: float | None) -> None:
        """Pin a physical parameter in every world, or let it be drawn again with None.

        The same starts begin anew with it.

        Raises:
            RoboTSError: for an unknown parameter or a value the task refuses.
        """
        known = {slider.path: slider for slider in self.sliders()}
        if path not in known:
            raise RoboTSError("a parameter with a slider", repr(path), did_you_mean(path, known))
        left = {name: one for name, one in self.parameters.items() if name != path}
        self._set(parameters=left if value is None else left | {path: float(value)})

    def free_parameters(self) -> None:
        """Let every parameter be drawn again."""
        self._set(parameters={})

    def alternatives(self) -> Sequence[Choice]:
        """What of the settings people may choose by name."""
        return self.view.choices

    def choose(self, label: str, name: str) -> None:
        """Choose one of :meth:`alternatives` in every world, or what the settings say for an empty
        name. The same seed begins anew.

        Raises:
            RoboTSError: for an unknown label or name, and what the task or a policy refuses.
        """
        known = {choice.label: choice.options for choice in self.alternatives()}
        if label not in known:
            raise RoboTSError("a setting with names", repr(label), did_you_mean(label, known))
        if name and name not in known[label]:
            raise RoboTSError(f"a known {label}", repr(name), did_you_mean(name, known[label]))
        left = {one: what for one, what in self.chosen.items() if one != label}
        self._set(chosen=left | {label: name} if name else left)

    def conditions(self) -> dict[str, str]:
        """Conditions the task can be set to, and what they are."""
        trials = self.task.trials() if self.task.trials is not None else {}
        return {USUAL: "as trained"} | {name: trial.text for name, trial in trials.items()}

    def set_condition(self, name: str) -> None:
        """Set the task to one of :meth:`conditions`; the same seed begins anew.

        Raises:
            RoboTSError: for an unknown one.
        """
        known = self.conditions()
        if name not in known:
            raise RoboTSError("a condition of the task", repr(name), did_you_mean(name, known))
        self._set(condition=name)

    # -- what is shown -----------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """What is to be shown now."""
        return Snapshot(
            self.step_count,
            self.step_count * self.step_dt,
            self.seed,
            self.world,
            [lane.lane_view() for lane in self.lanes],
            [lane.world_view(self.world) for lane in self.lanes],
        )

    def action_names(self) -> list[str]:
        """Names of the actions, in order."""
        return list(self.lanes[0].env.action_contract()["names"])

    def histories(self) -> list[History]:
        """What plots show, one per lane."""
        return [lane.history for lane in self.lanes]

    def measured(self) -> list[set[str]]:
        """What else the histories keep, per lane."""
        return [lane.measured() for lane in self.lanes]

    def reward_names(self) -> list[str]:
        """Names under which the first history keeps the reward's terms."""
        return self.lanes[0].reward_names()

    def close(self) -> None:
        """Free the simulations."""
        for lane in self.lanes:
            lane.env.close()

    # -- internals ---------------------------------------------------------------------------------

    def _player(self, name: str) -> Player:
        known = self.offer.players
        if name not in known:
            raise RoboTSError("a policy that was given", repr(name), did_you_mean(name, known))
        return known[name]

    def _teacher(self) -> Player | None:
        return self.offer.players.get(self.offer.teacher)

    def _set(self, **changes: Any) -> None:
        """Other conditions, choices or parameters; the old ones stay when they do not fit."""
        before = {name: getattr(self, name) for name in changes}
        vars(self).update(changes)
        try:
            self._build(self.players)
        except RoboTSError:
            vars(self).update(before)
            raise

    def _config(self) -> Any:
        config = self._base
        if self.condition != USUAL and self.task.trials is not None:
            config = with_changes(config, self.task.trials()[self.condition].changes)
        for choice in self.alternatives():
            if choice.label in self.chosen:
                config = with_changes(config, choice.options[self.chosen[choice.label]])
        by_path = {slider.path: slider for slider in self.sliders()}
        for path, value in self.parameters.items():
            config = with_changes(config, pinned(config, path, by_path[path].setting(value)))
        return config

    def _build(self, names: Sequence[str]) -> None:
        """New worlds for these players; nothing has changed when one does not fit."""
        chosen, config, teacher = [self._player(n) for n in names], self._config(), self._teacher()
        lanes: list[Lane] = []
        try:
            for player in chosen:
                engine = replace(self._engine)
                env = self.task.build(config, self.num_envs, engine, self.seed)
                if env.agents > 1:  # a world has a row for each of them
                    rows = self.num_envs * env.agents
                    env.close()
                    env = self.task.build(config, rows, replace(self._engine), self.seed)
                stride = max(1, round(1.0 / (_PLOTTED * env.step_dt)))
                lanes.append(Lane(env, player, teacher, self.view, stride))
        except RoboTSError:
            for lane in lanes:
                lane.env.close()
            raise
        self.close()
        self.lanes = lanes
        self._begin(self.seed)

    def _begin(self, seed: int) -> None:
        self.seed, self.step_count = seed, 0
        for lane in self.lanes:
            lane.begin(seed)


def settings_from(config_type: type, data: dict[str, Any]) -> Any:
    """A task's settings from the plain data a bundle or a contract holds.

    Raises:
        RoboTSError: when this version of the task has other settings.
    """
    from omegaconf.errors import OmegaConfBaseException

    try:
        return with_changes(OmegaConf.to_object(OmegaConf.structured(config_type)), data)
    except OmegaConfBaseException as error:
        raise RoboTSError(
            "settings this version of the task knows",
            str(error).partition("\n")[0],
            "use the version of robo_ts the policy was made with",
        ) from error
