"""A task environment as a Stable-Baselines3 ``VecEnv``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn
from tensordict import TensorDict

from robo_ts.env.adapters._numpy import to_action, to_numpy
from robo_ts.env.base import TaskEnv
from robo_ts.env.registry import get_task
from robo_ts.errors import RoboTSError


class SB3Env(VecEnv):
    """Some observation groups as one flat vector, finished worlds reset in the same step.

    Only worlds whose episode just ended have something in their info: ``TimeLimit.truncated``,
    ``terminal_observation`` (before the reset), ``is_success`` (which SB3 logs as
    ``rollout/success_rate``) and the task's other measurements. Wrap in ``VecMonitor`` for returns
    and episode lengths.

    The worlds share one environment: ``seed(s)`` makes the next ``reset()`` draw all of them from
    ``s``, and attributes and methods are the whole environment's, whatever the index.

    Args:
        env: the worlds; closed with this object.
        groups: the groups to concatenate, in this order; the task's set ``actor`` when left out.

    Raises:
        RoboTSError: for an unknown group or one that is no vector.
    """

    def __init__(self, env: TaskEnv, groups: Sequence[str] | None = None) -> None:
        self.env = env
        self.render_mode = None
        names = list(groups) if groups is not None else get_task(env.name).obs_groups["actor"]
        spec = env.spec.select(names)
        self.groups = list(spec)
        obs = env.observe()
        for name in self.groups:
            if obs[name].ndim != 2:
                raise RoboTSError(
                    "observation groups that are vectors",
                    f"{name!r} with shape {tuple(obs[name].shape[1:])}",
                    "choose other groups; images are learnt from by distillation",
                )
        size = sum(obs[name].shape[1] for name in self.groups)
        super().__init__(
            env.num_envs,
            spaces.Box(-np.inf, np.inf, (size,), np.float32),
            spaces.Box(-1.0, 1.0, (env.num_actions,), np.float32),
        )

    def reset(self) -> np.ndarray:  # type: ignore[override]
        """Start new episodes everywhere; observations ``(num_envs, size)`` float32."""
        obs = self.env.reset(seed=self._seeds[0])
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return self._flat(obs)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep a copy of the actions ``(num_envs, num_actions)`` for :meth:`step_wait`."""
        shape = (self.num_envs, self.env.num_actions)
        self._actions = to_action(actions, shape, self.env.device)

    def step_wait(self) -> VecEnvStepReturn:
        """One control step: observations after the autoreset, rewards (float32), dones, infos."""
        step = self.env.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        worlds = step.info["final_ids"]
        if worlds.numel():
            truncated = step.truncated[worlds].tolist()
            last = self._flat(step.info["final_obs"])
            measured = {name: value.tolist() for name, value in step.info["episode"].items()}
            for row, world in enumerate(worlds.tolist()):
                infos[world] = {name: values[row] for name, values in measured.items()}
                infos[world]["is_success"] = infos[world]["success"]
                infos[world]["TimeLimit.truncated"] = truncated[row]
                infos[world]["terminal_observation"] = last[row]
        return self._flat(step.obs), to_numpy(step.reward), to_numpy(step.done), infos

    def close(self) -> None:
        """Free the simulation."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of this object or of the environment, once per index."""
        value = getattr(self if hasattr(self, attr_name) else self.env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the environment; worlds have no attributes of their own."""
        if indices is not None:
            raise RoboTSError("set_attr for all worlds", f"indices={indices}", "leave indices out")
        setattr(self.env, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of the environment once; its result, once per index."""
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [result for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Worlds carry no gymnasium wrappers."""
        return [False for _ in self._get_indices(indices)]

    def _flat(self, obs: TensorDict) -> np.ndarray:
        return to_numpy(torch.cat([obs[name] for name in self.groups], dim=-1), torch.float32)
