"""A task environment as gymnasium knows them: one world, or many worlds stepped together.

Importing this module registers the tasks, so that both of these work::

    gymnasium.make("robo_ts.env.adapters.gymnasium:RoboTS/Quadrotor-v0")

    import robo_ts.env.adapters.gymnasium
    gymnasium.make_vec("RoboTS/Quadrotor-v0", num_envs=64)

gymnasium 1.x loads no entry points of other packages, so without such an import it cannot know the
ids.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from tensordict import TensorDict

from robo_ts.env.adapters._numpy import to_action, to_numpy
from robo_ts.env.base import TaskEnv
from robo_ts.env.registry import get_task, make_env
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim import EngineConfig

Observation = dict[str, np.ndarray]


class SingleEnv(gymnasium.Env[dict[str, Any], np.ndarray]):
    """One world of a task.

    Observations are a dict of arrays, one per observation group, in the task's order; every array
    belongs to the caller. The task's own time limit truncates. In an episode's last step ``info``
    holds the task's measurements (``success``, ``success_ever``, ``failure``, ...). A shorter limit
    given to ``gymnasium.make(max_episode_steps=...)`` cuts episodes from outside, without
    measurements, so set the limit in the task's config instead.

    Args:
        task: a name of :func:`robo_ts.env.list_tasks`.
        config: the task's config; its defaults when left out.
        engine: the engine or its name; the CPU when left out.
        seed: of the episodes before the first ``reset(seed=...)``.
        obs_groups: the groups to observe; all when left out.
        render_mode: None; pictures are not made here.

    Attributes:
        task_env: the environment inside.

    Raises:
        RoboTSError: for an unknown task or group, a config of another task, or a render mode.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]

    def __init__(
        self,
        task: str,
        config: Any = None,
        engine: EngineConfig | str | None = None,
        seed: int = 0,
        obs_groups: list[str] | None = None,
        render_mode: str | None = None,
    ) -> None:
        _check_render_mode(render_mode)
        self.render_mode = render_mode
        self.task_env = make_env(task, 1, config, engine, seed)
        self.observation_space = _observation_space(self.task_env, obs_groups)
        self.action_space = _action_space(self.task_env)
        # The world inside begins its next episode in the step that ends one; reset() shows it.
        self._begun_unseen = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: reseeds the environment; left out, its generators go on.
            options: none are known.

        Returns:
            The first observation, each group ``(size,)``, and an empty info.
        """
        super().reset(seed=seed)
        _check_options(options, known=())
        if seed is None and self._begun_unseen:
            obs = self.task_env.observe()
        else:
            obs = self.task_env.reset(seed=seed)
        self._begun_unseen = False
        return self._row(obs), {}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One control step.

        Args:
            action: ``(num_actions,)``, in [-1, 1].

        Returns:
            Observation (at an episode's end its last one), reward, terminated, truncated, info.

        Raises:
            RoboTSError: for a bad action, or when the episode is over.
        """
        if self._begun_unseen:
            raise RoboTSError("reset() before step()", "no running episode", "call reset() first")
        shape = (self.task_env.num_actions,)
        step = self.task_env.step(to_action(action, shape, self.task_env.device)[None])
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        obs, info = step.obs, {}
        if terminated or truncated:
            obs = step.info["final_obs"]
            info = {name: value[0].item() for name, value in step.info["episode"].items()}
            self._begun_unseen = True
        return self._row(obs), float(step.reward[0]), terminated, truncated, info

    def close(self) -> None:
        """Free the simulation."""
        self.task_env.close()

    def _row(self, obs: TensorDict) -> Observation:
        return {name: array[0] for name, array in _copies(obs, self.observation_space).items()}


class BatchedEnv(VectorEnv[Observation, np.ndarray, np.ndarray]):
    """Many worlds of a task, stepped together; finished worlds are reset in the same step.

    Every array a method returns belongs to the caller. In a step that ended episodes, ``infos``
    holds ``final_obs`` (object array ``(num_envs,)`` of dicts, the observations before the reset)
    and ``final_info`` (the task's measurements, arrays ``(num_envs,)``), with the masks
    ``_final_obs`` and ``_final_info``, as gymnasium's own vector environments do.

    Args:
        num_envs: number of worlds.
        task: a name of :func:`robo_ts.env.list_tasks`.
        config: the task's config; its defaults when left out.
        engine: the engine or its name; the CPU when left out.
        seed: of the episodes before the first ``reset(seed=...)``.
        obs_groups: the groups to observe; all when left out.
        max_episode_steps: replaces the time limit in the config.
        render_mode: None; pictures are not made here.

    Attributes:
        task_env: the environment inside.

    Raises:
        RoboTSError: for an unknown task or group, a config of another task, or a render mode.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        task: str,
        config: Any = None,
        engine: EngineConfig | str | None = None,
        seed: int = 0,
        obs_groups: list[str] | None = None,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        _check_render_mode(render_mode)
        self.render_mode = render_mode
        if max_episode_steps is not None:
            config = _with_time_limit(task, config, max_episode_steps)
        self.task_env = make_env(task, num_envs, config, engine, seed)
        self.num_envs = num_envs = self.task_env.num_envs
        self.single_observation_space = _observation_space(self.task_env, obs_groups)
        self.single_action_space = _action_space(self.task_env)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: reseeds the environment; left out, its generators go on.
            options: ``reset_mask``, a bool array ``(num_envs,)``, resets these worlds only.

        Returns:
            The observations of all worlds, each group ``(num_envs, size)``, and an empty info.
        """
        super().reset(seed=seed)
        _check_options(options, known=("reset_mask",))
        env_ids = None
        if options and "reset_mask" in options:
            mask = np.asarray(options["reset_mask"])
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
                raise RoboTSError(
                    f"options['reset_mask'] as a bool array of shape ({self.num_envs},)",
                    f"{mask.dtype} of shape {mask.shape}",
                    "give True for every world to reset",
                )
            env_ids = torch.from_numpy(np.flatnonzero(mask))
        obs = self.task_env.reset(seed=seed, env_ids=env_ids)
        return _copies(obs, self.single_observation_space), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One control step of every world.

        Args:
            actions: ``(num_envs, num_actions)``, in [-1, 1].

        Returns:
            Observations after the autoreset, rewards (float64), terminations and truncations
            (bool), each ``(num_envs, ...)``, and the infos.

        Raises:
            RoboTSError: for a bad action.
        """
        shape = (self.num_envs, self.task_env.num_actions)
        step = self.task_env.step(to_action(actions, shape, self.task_env.device))
        infos: dict[str, Any] = {}
        if step.info["final_ids"].numel():
            infos = self._final_infos(step.info)
        return (
            _copies(step.obs, self.single_observation_space),
            to_numpy(step.reward, torch.float64),
            to_numpy(step.terminated),
            to_numpy(step.truncated),
            infos,
        )

    def close_extras(self, **kwargs: Any) -> None:
        """Free the simulation."""
        self.task_env.close()

    def _final_infos(self, info: dict[str, Any]) -> dict[str, Any]:
        worlds = to_numpy(info["final_ids"])
        mask = np.zeros(self.num_envs, dtype=np.bool_)
        mask[worlds] = True
        last = _copies(info["final_obs"], self.single_observation_space)
        final_obs = np.full(self.num_envs, None, dtype=object)
        for row, world in enumerate(worlds):
            final_obs[world] = {name: array[row] for name, array in last.items()}
        final_info: dict[str, np.ndarray] = {}
        for name, tensor in info["episode"].items():
            # As wide as the Python numbers SingleEnv gives.
            values = to_numpy(tensor, torch.float64 if tensor.is_floating_point() else None)
            final_info[name] = np.zeros(self.num_envs, dtype=values.dtype)
            final_info[name][worlds] = values
            final_info[f"_{name}"] = mask.copy()
        return {
            "final_obs": final_obs,
            "_final_obs": mask.copy(),
            "final_info": final_info,
            "_final_info": mask,
        }


def _copies(obs: TensorDict, space: spaces.Space) -> Observation:
    assert isinstance(space, spaces.Dict)
    return {name: to_numpy(obs[name]) for name in space.spaces}


def _observation_space(env: TaskEnv, groups: list[str] | None) -> spaces.Dict:
    """What the environment emits, in the contract's order, which flattening then keeps."""
    names = list(env.spec if groups is None else env.spec.select(groups))
    obs = env.observe()
    return spaces.Dict({name: _box(to_numpy(obs[name][0])) for name in names}, sort_keys=False)


def _box(example: np.ndarray) -> spaces.Box:
    dtype = example.dtype
    if np.issubdtype(dtype, np.floating):
        return spaces.Box(-np.inf, np.inf, example.shape, dtype.type)
    limits = np.iinfo(dtype)
    return spaces.Box(limits.min, limits.max, example.shape, dtype.type)


def _action_space(env: TaskEnv) -> spaces.Box:
    return spaces.Box(-1.0, 1.0, (env.num_actions,), np.float32)


def _with_time_limit(task: str, config: Any, steps: int) -> Any:
    config = get_task(task).config() if config is None else config
    if not hasattr(config, "episode_steps"):
        raise RoboTSError(
            "a config whose time limit is called episode_steps",
            f"{type(config).__name__} and max_episode_steps={steps}",
            "set the time limit in the task's config and leave max_episode_steps out",
        )
    return dataclasses.replace(config, episode_steps=steps)


def _check_render_mode(render_mode: str | None) -> None:
    if render_mode is not None:
        raise RoboTSError(
            "render_mode=None",
            repr(render_mode),
            "leave it out, and draw env.task_env.sim.world(i) with mujoco.Renderer",
        )


def _check_options(options: dict[str, Any] | None, known: tuple[str, ...]) -> None:
    for name in options or {}:
        if name not in known:
            fix = did_you_mean(name, known) if known else "leave options out"
            raise RoboTSError("a known option of reset()", repr(name), fix)
