"""The contract every task fulfils: many worlds, observation groups, autoreset, evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.inputs import as_action, as_env_ids
from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive
from robo_ts.sim import BatchSim

if TYPE_CHECKING:
    from robo_ts.sim.cameras import Cameras


@dataclass
class Step:
    """What one control step returns; every tensor has a leading ``num_envs`` dimension.

    Attributes:
        obs: named observation groups *after* the autoreset of finished worlds.
        reward: float32.
        terminated: the episode ended by its own rules (bool).
        truncated: the episode ended by the time limit (bool).
        info: ``final_ids`` (ids of the finished worlds), and for these rows ``final_obs`` (the
            observation before the reset) and ``episode`` (their :meth:`TaskEnv.evaluate`).
    """

    obs: TensorDict
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> Tensor:
        """Whether the episode ended, for either reason (bool)."""
        return self.terminated | self.truncated


@contextmanager
def _outside_inference_mode() -> Iterator[None]:
    """Make ordinary tensors even for a caller in inference mode, as rsl_rl's rollouts are.

    What the environment keeps is changed in place later, and torch forbids that for tensors made in
    inference mode as soon as the mode has ended.
    """
    if torch.is_inference_mode_enabled():
        with torch.inference_mode(False), torch.no_grad():
            yield
    else:
        yield


def _put_rows(tensor: Tensor, ids: Tensor, rows: Tensor) -> None:
    """``tensor[ids] = rows``, for 16-bit depth as well, on which torch knows few operations."""
    if tensor.dtype == torch.uint16:
        tensor, rows = tensor.view(torch.int16), rows.view(torch.int16)
    tensor[ids] = rows


class TaskEnv(ABC):
    """Many worlds of one task, stepped together, finished worlds reset in the same step.

    A subclass says what to do; this class owns the order in which it happens. Two generators keep
    chance apart: ``reset_rng`` for what is drawn at an episode's start (robot, start, disturbance)
    and ``step_rng`` for what is drawn in every step for every world (noise, moving references), so
    that policies evaluated with one seed meet the same worlds.

    Where several agents learn in one world, each has a row of its own: what learners call an
    environment is then one agent, the rows of a world lie side by side, and they begin and end
    together.

    Args:
        sim: the worlds.
        spec: the observation groups ``_observe`` returns.
        num_actions: length of the action vector; actions are meant to lie in [-1, 1].
        max_episode_steps: time limit in control steps.
        substeps: simulation steps per control step.
        seed: seed of both generators.
        agents: rows per world.
        num_envs: rows in all; ``agents`` per world of ``sim`` when left out. Where it is no
            multiple of ``agents``, the last world has fewer.
    """

    name: ClassVar[str] = ""
    failure_names: ClassVar[tuple[str, ...]] = ("none",)
    kept: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        sim: BatchSim,
        spec: ObservationSpec,
        num_actions: int,
        max_episode_steps: int,
        substeps: int,
        seed: int,
        agents: int = 1,
        num_envs: int | None = None,
    ) -> None:
        self.sim = sim
        self.spec = spec
        self.num_actions = num_actions
        self.max_episode_steps = max_episode_steps
        self.substeps = substeps
        self.agents = agents
        self.num_envs = sim.num_envs * agents if num_envs is None else num_envs
        self.device = sim.device
        self.step_dt = sim.dt * substeps
        self.reset_rng = torch.Generator(device=self.device)
        self.step_rng = torch.Generator(device=self.device)
        self._seed(seed)
        self.episode_step = torch.zeros(self.num_envs, dtype=torch.long, device=self.device)
        self._all_ids = torch.arange(self.num_envs, device=self.device)
        self._action_checks = 0
        self._emitted: frozenset[str] | None = None

    # -- what a task implements --------------------------------------------------------------------

    @abstractmethod
    def _reset_worlds(self, env_ids: Tensor) -> None:
        """Start new episodes in ``env_ids``: draw parameters, write states, clear memories."""

    @abstractmethod
    def _apply_action(self, action: Tensor) -> None:
        """Write controls for the coming control step from ``action (num_envs, num_actions)``."""

    @abstractmethod
    def _after_physics(self) -> None:
        """Read the new state and advance what the task itself keeps (references, metrics)."""

    @abstractmethod
    def _terminated(self) -> Tensor:
        """Which episodes end by the task's rules, ``(num_envs,)`` bool."""

    @abstractmethod
    def _reward(self, terminated: Tensor) -> Tensor:
        """Reward of this step, ``(num_envs,)`` float32."""

    @abstractmethod
    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        """Fresh observation groups of all worlds or of ``env_ids``."""

    @abstractmethod
    def evaluate(self) -> dict[str, Tensor]:
        """How well the current episodes go, ``(num_envs,)`` each.

        At least ``success`` (held now; final at the episode's end), ``success_ever`` (latched) and
        ``failure`` (index into ``failure_names``). Metrics are kept apart from reward.
        """

    @abstractmethod
    def action_contract(self) -> dict[str, Any]:
        """What the action means: names, unit, range, rate; plain data for the export."""

    def _unit_actions(self, names: Sequence[str], meaning: str) -> dict[str, Any]:
        """The :meth:`action_contract` of actions in [-1, 1] without a unit."""
        return {
            "names": list(names),
            "meaning": meaning,
            "unit": "1",
            "low": [-1.0] * len(names),
            "high": [1.0] * len(names),
            "rate_hz": 1.0 / self.step_dt,
        }

    def _task_state(self) -> dict[str, Tensor]:
        """Tensors the task keeps between steps, for bit-exact resume: those named in ``kept``."""
        return {name: getattr(self, name) for name in self.kept}

    def _load_task_state(self, state: dict[str, Tensor]) -> None:
        """Restore :meth:`_task_state`."""
        for name in self.kept:
            setattr(self, name, state[name])

    # -- what users call ---------------------------------------------------------------------------

    @_outside_inference_mode()
    def reset(self, seed: int | None = None, env_ids: Any = None) -> TensorDict:
        """Start new episodes in all worlds or in ``env_ids``.

        Args:
            seed: reseeds both generators first.
            env_ids: world ids, ``(n,)`` whole numbers, or a bool mask ``(num_envs,)``; all worlds
                when left out. Rows that share a world with one of these are reset with it.

        Returns:
            The observation groups of *all* worlds.

        Raises:
            RoboTSError: for ids that are not those of different worlds; nothing has changed then.
        """
        ids = self._all_ids
        if env_ids is not None:
            ids = self._whole_worlds(as_env_ids(env_ids, self.num_envs, self.device))
        if seed is not None:
            self._seed(seed)
        if ids.numel():
            self._begin(ids)
        return self._groups(self._observe(), self.num_envs)

    @_outside_inference_mode()
    def step(self, action: Any) -> Step:
        """Advance every world by one control step and reset those whose episode ended.

        Args:
            action: ``(num_envs, num_actions)``, finite; a tensor or an array. It is read as float32
                and no gradient flows through it.

        Raises:
            RoboTSError: for a wrong shape or a non-finite action (CUDA looks every 16 steps).
        """
        action = as_action(action, (self.num_envs, self.num_actions), self.device)
        self._check_finite(action)
        self._apply_action(action)
        self.sim.step(self.substeps)
        self.episode_step += 1
        self._after_physics()
        terminated = self._terminated()
        reward = self._reward(terminated)
        truncated = self._out_of_time() & ~terminated
        obs = self._groups(self._observe(), self.num_envs)
        info: dict[str, Any] = {}
        ids = torch.nonzero(terminated | truncated).flatten()
        info["final_ids"] = ids
        if ids.numel():
            info["final_obs"] = obs[ids]
            info["episode"] = {k: v[ids] for k, v in self.evaluate().items()}
            self._begin(ids)
            for name, value in self._observe(ids).items():
                if self._emitted is None or name in self._emitted:
                    _put_rows(obs[name], ids, value)
        return Step(obs, reward, terminated, truncated, info)

    def observe(self) -> TensorDict:
        """The current observation groups, freshly computed."""
        return self._groups(self._observe(), self.num_envs)

    def narrow(self, groups: Iterable[str]) -> None:
        """Emit only these observation groups from now on; cameras nobody looks through rest.

        A task keeps its cameras in an attribute ``cameras``. They rest by themselves where their
        images are groups under their own names; a task that renames or mixes images overrides
        ``_rest_cameras``.

        Raises:
            RoboTSError: for a group the task does not emit.
        """
        self._emitted = frozenset(self.spec.select(groups))
        self._rest_cameras()

    def scatter_episode_steps(self) -> None:
        """Let worlds start at random points of their time limit, so that resets spread over time.

        Only for training: evaluation counts whole episodes.
        """
        worlds = torch.randint(
            self.max_episode_steps,
            (self.sim.num_envs,),
            generator=self.reset_rng,
            device=self.device,
        )
        self.episode_step = self._rows_of(worlds)

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future of the environment."""
        return {
            "sim": self.sim.state_dict(),
            "task": {k: v.cpu().clone() for k, v in self._task_state().items()},
            "episode_step": self.episode_step.cpu().clone(),
            "reset_rng": self.reset_rng.get_state(),
            "step_rng": self.step_rng.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; ``state`` stays as it is, so it can be loaded again."""
        self.sim.load_state_dict(state["sim"])
        # Copies: on the CPU .to() would hand over the saved tensors, which steps change in place.
        task = {k: v.to(self.device, copy=True) for k, v in state["task"].items()}
        self._load_task_state(task)
        self.episode_step = state["episode_step"].to(self.device, copy=True)
        self.reset_rng.set_state(state["reset_rng"])
        self.step_rng.set_state(state["step_rng"])

    def close(self) -> None:
        """Free the simulation."""
        self.sim.close()

    # -- internals ---------------------------------------------------------------------------------

    def _seed(self, seed: int) -> None:
        self.reset_rng.manual_seed(derive(seed, "reset"))
        self.step_rng.manual_seed(derive(seed, "step"))

    def _is_emitted(self, group: str) -> bool:
        """Whether somebody may read a group; see :meth:`narrow`."""
        return self._emitted is None or group in self._emitted

    def _rest_cameras(self) -> None:
        """Let the cameras rest that nobody looks through, after a change of what is emitted."""
        cameras: Cameras | None = getattr(self, "cameras", None)
        names = [layout.name for layout in cameras.layouts] if cameras is not None else []
        if cameras is not None and all(name in self.spec for name in names):
            cameras.narrow([name for name in names if self._is_emitted(name)])

    def _rows_of(self, worlds: Tensor) -> Tensor:
        """What holds for each world, ``(worlds, ...)``, for each row, ``(num_envs, ...)``."""
        if self.agents == 1:
            return worlds
        return worlds.repeat_interleave(self.agents, dim=0)[: self.num_envs]

    def _whole_worlds(self, ids: Tensor) -> Tensor:
        """All rows of the worlds that rows ``ids`` belong to."""
        if self.agents == 1:
            return ids
        touched = torch.zeros(self.sim.num_envs, dtype=torch.bool, device=self.device)
        touched[ids // self.agents] = True
        return torch.nonzero(self._rows_of(touched)).flatten()

    def _out_of_time(self) -> Tensor:
        late = self.episode_step >= self.max_episode_steps
        if self.agents > 1:
            # Learners may set the clocks of rows apart; a world ends with its first.
            ids = self._whole_worlds(torch.nonzero(late).flatten())
            late = torch.zeros_like(late).index_fill(0, ids, True)
        return late

    def _begin(self, ids: Tensor) -> None:
        self.episode_step[ids] = 0
        self._reset_worlds(ids)

    def _groups(self, obs: dict[str, Tensor], rows: int) -> TensorDict:
        if self._emitted is not None:
            obs = {name: value for name, value in obs.items() if name in self._emitted}
        return TensorDict(obs, batch_size=[rows], device=self.device)  # type: ignore[arg-type]

    def _check_finite(self, action: Tensor) -> None:
        # A look at the values makes the host wait for a GPU, so there it happens now and then only.
        self._action_checks += 1
        if self.device.type == "cpu" or self._action_checks % 16 == 0:
            finite = torch.isfinite(action)
            if not bool(finite.all()):
                rows = torch.nonzero(~finite.all(dim=1)).flatten().tolist()
                raise RoboTSError(
                    "finite actions",
                    f"NaN or Inf in {len(rows)} worlds (first: {rows[:5]})",
                    "look at the policy that made them: a diverged update or an unnormalised input",
                )
