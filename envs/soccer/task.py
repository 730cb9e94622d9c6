"""Robot soccer: 1v0 to 2v2 with any walker. The players of the home team are who learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.observations import ObservationSpec
from robo_ts.env.players import Lineup, Player
from robo_ts.envs.soccer import drills, legs, perception, rewards, starts, views
from robo_ts.envs.soccer.config import OPPONENT_IDS, SoccerConfig
from robo_ts.envs.soccer.eyes import HEAD, Eyes, head_group
from robo_ts.envs.soccer.field import Field, distance, field_of
from robo_ts.envs.soccer.legs import Legs
from robo_ts.envs.soccer.model import build_model, player_names
from robo_ts.envs.soccer.pitch import BALL_RADIUS, HALF_LENGTH
from robo_ts.envs.soccer.record import FAILURES, NOBODY, Record
from robo_ts.envs.soccer.referee import ruling, thrown_in
from robo_ts.envs.soccer.scripted import SCRIPTED, scripted
from robo_ts.envs.soccer.views import Team
from robo_ts.envs.soccer.walkers import WALKERS, Planar
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.policies import PolicyBundle
from robo_ts.policies.player import PolicyPlayer
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig, make_sim
from robo_ts.sim.cameras import Cameras

# A player within this of the ball touches it, m.
_TOUCH = 0.03
# A kicked ball may be far away by the step's end: then what tells is how near it was before
# the step, m, and how much its velocity changed, m/s.
_KICKED_FROM, _JOLT = 0.12, 0.3


class Soccer(TaskEnv):
    """See ``README.md`` beside this file for the observation, action and success rules.

    A row is one player of the home team; those of a world lie side by side. The away team is the
    ``lineup``'s.
    """

    name: ClassVar[str] = "soccer"
    failure_names: ClassVar[tuple[str, ...]] = FAILURES
    kept: ClassVar[tuple[str, ...]] = (
        "qpos",
        "qvel",
        "action",
        "_history",
        "_to_ball",
        "_to_goal",
        "_fallen",
    )

    def __init__(
        self,
        config: SoccerConfig | None = None,
        num_envs: int = 1,
        engine: EngineConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config = config or SoccerConfig()
        self.walker = walker = WALKERS[config.walker]()
        home, away = config.team_size, config.away_size
        worlds = -(-num_envs // home)
        spec = ObservationSpec(
            [
                views.proprioception_group(walker),
                perception.PERCEPTION,
                *([head_group(config.eyes)] if config.eyes.enabled else []),
                views.privileged_group(walker),
                perception.SIGHT,
                views.OPPONENT,
            ]
        )
        super().__init__(
            make_sim(build_model(walker, home, away), worlds, engine),
            spec,
            num_actions=len(walker.actions),
            max_episode_steps=round(config.episode_s / (walker.timestep * walker.substeps)),
            substeps=walker.substeps,
            seed=seed,
            agents=home,
            num_envs=num_envs,
        )
        self.worlds, self.players = worlds, home + away
        self.home, self.away = Team(0, home, 1.0), Team(home, home + away, -1.0)
        self.eyes: Eyes | None = None
        if config.eyes.enabled:
            self.eyes = Eyes(self.sim, walker, player_names(home, away), home, config.eyes)
        self.lineup: Lineup | None = None
        if away:
            self.lineup = Lineup(
                [self.player(name) for name in config.opponents],
                worlds,
                away,
                self.step_rng,
                self.device,
            )
        self._make_state()

    def _make_state(self) -> None:
        n, players, actions = self.worlds, self.players, self.num_actions

        def new(*shape: int, value: float = 0.0, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.full((n, *shape), value, dtype=dtype, device=self.device)

        self.qpos, self.qvel = new(self.sim.model.nq), new(self.sim.model.nv)
        self.action = new(players, actions)
        delayed, size = self.config.perception.delay + 1, perception.PERCEPTION.size
        self._history = new(players, delayed, size)
        self._to_ball, self._to_goal = new(players), new()
        self._fallen = new(self.home.last, value=False, dtype=torch.bool)
        self.record = Record.empty(n, players, self.device)
        self.legs = Legs.empty(n, players, self.device) if self.walker.get_up_s else None
        self._change = new(self.home.last, actions)
        self._control = new(self.home.last, self.walker.nu)

    # -- who plays ---------------------------------------------------------------------------------

    def player(self, name: str) -> Player:
        """Someone who can play: a scripted player, or the policy in the bundle's folder ``name``.

        Raises:
            RoboTSError: when there is no such player, or a policy that does not fit.
        """
        view = self.spec["privileged"]
        if name in SCRIPTED:
            return scripted(name, self.config.walker, view, self.num_actions)
        if not Path(name).is_dir():
            raise RoboTSError(
                f"task.opponents among {', '.join(SCRIPTED)}, or the folder of a policy bundle",
                repr(name),
                "mend the name",
            )
        bundle = PolicyBundle.load(name)
        if HEAD in bundle.policy.spec and HEAD not in self.spec:
            raise BundleError(
                f"task.eyes.enabled=true for {name}, a policy that sees pictures", "false", "set it"
            )
        bundle.check_fits(self.name, self.spec, self.num_actions)
        if OPPONENT_GROUP in bundle.policy.spec:
            raise BundleError(
                "a policy that does not read who its opponent is", name, "give another bundle"
            )
        return PolicyPlayer(bundle.policy, Path(name).name)

    def seat(self, players: Sequence[Player], weights: Sequence[float] | None = None) -> None:
        """Put others into the away team; worlds take them up with their next episodes.

        Raises:
            RoboTSError: where there is no away team.
        """
        if self.lineup is None:
            raise RoboTSError(
                "a match with an away team", "task.opponents=[]", "name one, such as still"
            )
        self.lineup.replace(players, weights)

    def _away_action(self) -> Tensor:
        """Actions of the away team, ``(worlds, away, num_actions)``."""
        assert self.lineup is not None
        field = self.field
        seen = views.others(field, self.away)
        felt = views.proprioception(self.walker, field, self.away, self.action)
        obs = {"proprioception": felt.flatten(0, 1)}
        if "privileged" in self.lineup.groups:
            motion = self._motion(field, self.away)
            obs["privileged"] = views.privileged(felt, field, self.away, seen, motion).flatten(0, 1)
        if "perception" in self.lineup.groups:
            obs["perception"] = self.away.of(self._history)[:, :, -1].flatten(0, 1)
        if HEAD in self.lineup.groups:
            obs[HEAD] = self._pictures(self.away).flatten(0, 1)
        action = self.lineup.act(obs, self.num_actions)
        return action.unflatten(0, (self.worlds, self.away.last - self.away.first))

    # -- the episode -------------------------------------------------------------------------------

    def _reset_worlds(self, env_ids: Tensor) -> None:
        worlds = torch.unique(env_ids // self.agents) if self.agents > 1 else env_ids
        self.record.begin(worlds)
        self._place(worlds, begins=True)
        if self.lineup is not None:
            self.lineup.draw(worlds, self.reset_rng)
        self._fallen[worlds] = False
        if self.eyes is not None:
            self.eyes.reset(worlds, self.look_rng)

    def _place(self, worlds: Tensor, begins: bool = False) -> None:
        """Ball and players take their places in ``worlds``, at rest; perhaps an episode begins."""
        config, home = self.config, self.home.last
        if config.aim == "walk":
            start = starts.lane(len(worlds), home, self.reset_rng)
        else:
            away = self.players - home
            start = starts.begin(config.start, len(worlds), home, away, self.reset_rng)
        qpos = torch.zeros(len(worlds), self.sim.model.nq, device=self.device)
        qpos[:, :2], qpos[:, 2], qpos[:, 3] = start.ball, BALL_RADIUS, 1.0
        stance = self.walker.stand(start.position, start.yaw)
        if config.start.lying:
            stance[:, :home] = self._lying(stance[:, :home], start)
        qpos[:, 7:] = stance.flatten(1)
        self.sim.reset(worlds)
        self.sim.write("qpos", qpos, worlds)
        self.qpos[worlds], self.qvel[worlds] = qpos, 0.0
        self.action[worlds] = 0.0
        self.record.last_touch[worlds] = NOBODY
        field = field_of(qpos, self.qvel[worlds], self.walker, self.players)
        self._to_ball[worlds], self._to_goal[worlds] = self._distances(field)
        if self.legs is not None:
            self.legs.begin(worlds, self.walker, field.qpos)
        for team in self._watching():
            seen = views.others(field, team)
            view = perception.scene(self.walker, field, team, seen, config.perception.sight)
            self._history[worlds, team.rows] = perception.exact(view)[:, :, None]
            if begins:
                self.record.start(worlds, team.rows, view.ball_in_view)

    def _lying(self, stance: Tensor, start: starts.Start) -> Tensor:
        """``stance (n, home, nq)``, some of it laid on the floor."""
        config, chance = self.config.start, self.reset_rng
        shape = stance.shape[:2]
        down = torch.rand(shape, generator=chance, device=self.device) < config.lying
        home = slice(0, self.home.last)
        flat = self.walker.lying(start.position[:, home], start.yaw[:, home], chance, config.unseen)
        return torch.where(down[..., None], flat, stance)

    # -- the step ----------------------------------------------------------------------------------

    def _apply_action(self, action: Tensor) -> None:
        surplus = self.worlds * self.agents - self.num_envs
        if surplus:  # players of the last world that have no row stand still
            action = torch.nn.functional.pad(action, (0, 0, 0, surplus))
        wanted = action.clamp(-1.0, 1.0).unflatten(0, (self.worlds, self.agents))
        if self.lineup is not None:
            wanted = torch.cat([wanted, self._away_action()], dim=1)
        if not self.config.neck:
            wanted = wanted.clone()
            wanted[..., [self.walker.actions.index(name) for name in self.walker.neck]] = 0.0
        keep = self.walker.smoothing
        change = (1.0 - keep) * (wanted - self.action)
        self.action = keep * self.action + (1.0 - keep) * wanted
        control = self.walker.control(self.action, self.field.qpos)
        self._change, self._control = self.home.of(change), self.home.of(control)
        self.sim.write("ctrl", control.flatten(1))

    def _after_physics(self) -> None:
        old, was_to_goal = self.field, self._to_goal
        self.qpos, self.qvel = self.sim.read("qpos").clone(), self.sim.read("qvel").clone()
        field = self.field
        to_ball = self.home.of(self._to_ball)
        self._nearest = to_ball <= to_ball.amin(dim=1, keepdim=True)
        self._to_ball, self._to_goal = self._distances(field)
        self._approach = rewards.approached(
            self.home.of(old.players.position),
            self.home.of(field.players.position),
            old.ball[:, :2],
        )
        self._advance = was_to_goal - self._to_goal
        self._ruling = ruling(field.ball)
        self._fallen = self.walker.fallen(self.home.of(field.qpos))
        self.record.touch(
            self._touching(old, field), self._to_ball, self.home.last, field, self.episode_time()
        )
        self.record.walk(self._to_ball, field)
        if self.legs is not None:
            place = field.players.position
            time, walks_on = self.episode_time(), self.config.aim != "get_up"
            self.legs.advance(self.walker, field.qpos, place, time, self.step_dt, walks_on)
        self.record.score(self._ruling)
        self._look(field)
        self._restart()
        if self.eyes is not None:
            self.eyes.step()

    def _touching(self, old: Field, field: Field) -> Tensor:
        """Who touched the ball in the step from ``old``, ``(worlds, players)`` bool."""
        jolted = distance(field.ball_velocity - old.ball_velocity) > _JOLT
        near = self.walker.touches(old.qpos, old.ball[:, None], _KICKED_FROM)
        now = self.walker.touches(field.qpos, field.ball[:, None], _TOUCH)
        return now | (near & jolted[:, None])

    @property
    def field(self) -> Field:
        """The worlds as they are now."""
        return field_of(self.qpos, self.qvel, self.walker, self.players)

    def _distances(self, field: Field) -> tuple[Tensor, Tensor]:
        """Of the players to the ball, ``(worlds, players)``, and of the ball to the goal at +x."""
        to_ball = distance(field.ball[:, None, :2] - field.players.position)
        goal = field.ball.new_tensor([HALF_LENGTH, 0.0])
        return to_ball, distance(goal - field.ball[:, :2])

    def _watching(self) -> list[Team]:
        """The teams for which there must be a perception."""
        if self.lineup is not None and "perception" in self.lineup.groups:
            return [self.home, self.away]
        return [self.home]

    def _look(self, field: Field) -> None:
        config = self.config.perception
        new = torch.zeros_like(self._history[:, :, 0])
        for team in self._watching():
            seen = views.others(field, team)
            view = perception.scene(self.walker, field, team, seen, config.sight)
            new[:, team.rows] = perception.detected(view, config, self.step_rng)
            self.record.see(team.rows, view.ball_in_view, self.episode_time(), self.step_dt)
        # Newest first; what policies read is the oldest.
        self._history = torch.cat([new[:, :, None], self._history[:, :, :-1]], dim=2)
        self._facing = perception.facing(self.walker, field, self.home)

    def _restart(self) -> None:
        """Throw the ball in where it left the pitch; kick off after goals that end nothing."""
        out = torch.nonzero(self._ruling.out).flatten()
        if len(out):
            self.qpos[out, :3] = thrown_in(self.qpos[out, :3])
            self.qvel[out, :6] = 0.0
            self.sim.write("qpos", self.qpos[out], out)
            self.sim.write("qvel", self.qvel[out], out)
            self._to_ball, self._to_goal = self._distances(self.field)
        if not self.config.end_on_goal:
            goals = torch.nonzero(self._ruling.scored | self._ruling.conceded).flatten()
            if len(goals):
                self._place(goals)

    def _terminated(self) -> Tensor:
        goal = self._ruling.scored | self._ruling.conceded
        fall = self._fallen.any(dim=1)
        over = (goal & self.config.end_on_goal) | (fall & self.config.end_on_fall)
        return self._rows_of(over)

    def _reward(self, terminated: Tensor) -> Tensor:
        reward = rewards.reward(
            self.config.reward,
            self._ruling,
            self._approach,
            self._nearest,
            self._advance,
            self._facing,
            self._fallen,
            self.step_dt,
        )
        if self.legs is not None:
            reward = reward + self._legs_reward()
        return reward.flatten()[: self.num_envs]

    def _legs_reward(self) -> Tensor:
        field = self.field
        players = Planar(*(self.home.of(value) for value in field.players))
        earned = legs.reward(
            self.config.legs,
            self.walker,
            self.home.of(field.qpos),
            players,
            self._control,
            self._change,
            self.step_dt,
        )
        if self.config.aim == "get_up":
            return earned
        # Nothing good is earned lying down.
        return torch.where(self._fallen, earned.clamp_max(0.0), earned)

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        worlds, rows = None, slice(self.num_envs)
        field, action, history, unseen = self.field, self.action, self._history, self.record.unseen
        if env_ids is not None:
            worlds, at = torch.unique(env_ids // self.agents, return_inverse=True)
            rows = at * self.agents + env_ids % self.agents
            field = field_of(self.qpos[worlds], self.qvel[worlds], self.walker, self.players)
            action, history, unseen = action[worlds], history[worlds], unseen[worlds]
        seen = views.others(field, self.home)
        felt = views.proprioception(self.walker, field, self.home, action)
        motion = self._motion(field, self.home, worlds)
        found = {
            "proprioception": felt,
            "perception": self.home.of(history)[:, :, -1],
            "privileged": views.privileged(felt, field, self.home, seen, motion),
            perception.SIGHT.name: perception.sight(self.home.of(unseen)),
            OPPONENT_GROUP: self._opponent(worlds),
        }
        if self.eyes is not None and self._is_emitted(HEAD):
            found[HEAD] = self._pictures(self.home, worlds)
        return {name: value.flatten(0, 1)[rows].contiguous() for name, value in found.items()}

    def _motion(self, field: Field, team: Team, worlds: Tensor | None = None) -> Tensor | None:
        """What :meth:`Legs.view` tells a team; None for walkers without legs."""
        if self.legs is None:
            return None
        kept = self.legs if worlds is None else self.legs.rows(worlds)
        return kept.view(self.walker, team.of(field.qpos), team.of(field.qvel), team.rows)

    def _opponent(self, worlds: Tensor | None) -> Tensor:
        """Who the away team is, ``(worlds, home, OPPONENT_IDS)``; zeros without one."""
        if self.lineup is None:
            count = self.worlds if worlds is None else len(worlds)
            return torch.zeros(count, self.agents, OPPONENT_IDS, device=self.device)
        playing = self.lineup.playing if worlds is None else self.lineup.playing[worlds]
        known = torch.nn.functional.one_hot(playing, OPPONENT_IDS).float()
        return known[:, None].expand(-1, self.agents, -1)

    def episode_time(self) -> Tensor:
        """Time since each world's start, ``(worlds,)`` s."""
        return self.episode_step[:: self.agents] * self.step_dt

    # -- eyes --------------------------------------------------------------------------------------

    @property
    def cameras(self) -> Cameras | None:
        """The head camera of the first player; None without eyes."""
        if self.eyes is None:
            return None
        if 0 not in self.eyes.open:
            self.eyes.look(sorted({0, *self._lookers()}), self.look_rng)
        return self.eyes.open[0]

    def _pictures(self, team: Team, worlds: Tensor | None = None) -> Tensor:
        """What a team sees, ``(worlds, players, 3, height, width)`` uint8."""
        assert self.eyes is not None
        players = range(team.first, team.last)
        if not set(players) <= set(self.eyes.open):
            self.eyes.look(self._lookers(), self.look_rng)
        return self.eyes.read(players, worlds)

    def _lookers(self) -> list[int]:
        """The players somebody looks through."""
        looking = list(range(self.home.last)) if self._is_emitted(HEAD) else []
        if self.lineup is not None and HEAD in self.lineup.groups:
            looking += range(self.away.first, self.away.last)
        return looking

    def _rest_cameras(self) -> None:
        if self.eyes is not None:  # those that are needed open when they are first read
            wanted = self._lookers()
            self.eyes.look([player for player in self.eyes.open if player in wanted], self.look_rng)

    def _seed(self, seed: int) -> None:
        super()._seed(seed)
        # Looks have chance of their own: worlds are the same whether or not somebody looks.
        self.look_rng = torch.Generator(device=self.device).manual_seed(derive(seed, "look"))

    # -- measurement -------------------------------------------------------------------------------

    def evaluate(self) -> dict[str, Tensor]:
        steps = self.episode_step[:: self.agents].clamp_min(1)
        fell = self._fallen.any(dim=1) & self.config.end_on_fall
        by_world = self.record.by_world(fell, self.episode_time())
        by_player = self.record.by_player(self.home.rows, steps)
        found = {name: self._rows_of(value).clone() for name, value in by_world.items()}
        if self.legs is not None:
            by_player |= self.legs.by_player(self.home.rows)
            by_player |= drills.outcome(self.config.aim, self.legs, self.home.rows, self._fallen)
        rows = {k: v.flatten()[: self.num_envs].clone() for k, v in by_player.items()}
        return found | rows

    def action_contract(self) -> dict[str, Any]:
        return self._unit_actions(self.walker.actions, self.walker.meaning)

    def _task_state(self) -> dict[str, Tensor]:
        found = (
            super()._task_state() | self.record.state() | {"look_rng": self.look_rng.get_state()}
        )
        for part in (self.lineup, self.eyes, self.legs):
            found |= part.state() if part is not None else {}
        return found

    def _load_task_state(self, state: dict[str, Tensor]) -> None:
        super()._load_task_state(state)
        self.record.load_state(state)
        if self.legs is not None:
            self.legs.load_state(state)
        if self.lineup is not None:
            self.lineup.load_state(state)
        if self.eyes is not None:
            self.eyes.load_state(state, self.look_rng)
        self.look_rng.set_state(state["look_rng"].cpu())

    def close(self) -> None:
        if self.eyes is not None:
            self.eyes.close()
        super().close()


OPPONENT_GROUP = views.OPPONENT.name
