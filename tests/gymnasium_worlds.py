"""What tests of the environment as gymnasium sees it share."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from robo_ts.envs.quadrotor import QuadrotorConfig

SHORT = QuadrotorConfig(episode_steps=8)


def rollout(env: Any, steps: int, seed: int) -> list[tuple]:
    """Everything the environment says, with a reset wherever one world alone has ended."""
    rng = np.random.default_rng(0)
    said = [env.reset(seed=seed)]
    for _ in range(steps):
        said.append(env.step(rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)))
        if isinstance(env, gymnasium.Env) and (said[-1][2] or said[-1][3]):
            said.append(env.reset())
    return said


def arrays(value: Any) -> list[np.ndarray]:
    """All number arrays inside a structure."""
    if isinstance(value, dict):
        return [array for part in value.values() for array in arrays(part)]
    if isinstance(value, (tuple, list)) or (
        isinstance(value, np.ndarray) and value.dtype == object
    ):
        return [array for part in value for array in arrays(part)]
    return [value] if isinstance(value, np.ndarray) else []
