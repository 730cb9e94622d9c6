"""What the soccer tests share: small worlds, and things put where a test wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.env import make_env
from robo_ts.env.base import Step
from robo_ts.envs.soccer import Soccer, SoccerConfig
from robo_ts.evaluate.trials import with_changes
from robo_ts.sim import EngineConfig

MakeSoccer = Callable[..., Soccer]


@pytest.fixture
def make_soccer(engine: EngineConfig) -> Iterator[MakeSoccer]:
    """``make_soccer(num_envs=4, seed=0, **config)``: matches, closed after the test."""
    made: list[Soccer] = []

    def make(num_envs: int = 4, seed: int = 0, **config: Any) -> Soccer:
        env = make_env("soccer", num_envs, with_changes(SoccerConfig(), config), engine, seed)
        assert isinstance(env, Soccer)
        made.append(env)
        return env

    yield make
    for env in made:
        env.close()


@pytest.fixture
def put() -> Callable[..., None]:
    """``put(env, ball=(x, y), rolling=(vx, vy), player={0: (x, y, yaw)})`` in every world."""

    def place(
        env: Soccer,
        ball: tuple[float, float] | None = None,
        rolling: tuple[float, float] = (0.0, 0.0),
        player: dict[int, tuple[float, float, float]] | None = None,
    ) -> None:
        if ball is not None:
            env.qpos[:, :3] = torch.tensor([*ball, 0.07])
            env.qvel[:, :6] = 0.0
            env.qvel[:, :2] = torch.tensor(rolling)
            # About the axis across the way, so that it rolls and does not slide. A free joint's
            # angular velocity is in the body's frame, which here is the world's.
            env.qpos[:, 3:7] = torch.tensor([1.0, 0.0, 0.0, 0.0])
            env.qvel[:, 3:5] = torch.tensor([-rolling[1], rolling[0]]) / 0.07
        for index, (x, y, yaw) in (player or {}).items():
            at = slice(7 + index * env.walker.nq, 7 + (index + 1) * env.walker.nq)
            env.qpos[:, at] = env.walker.stand(torch.tensor([x, y]), torch.tensor(yaw))
        env.sim.write("qpos", env.qpos)
        env.sim.write("qvel", env.qvel)
        env._to_ball, env._to_goal = env._distances(env.field)

    return place


def until(env: Soccer, action: Tensor, steps: int, stop: Callable[[Step], bool]) -> Step:
    """The first of at most ``steps`` steps in which ``stop`` holds, or the last."""
    step = env.step(action)
    for _ in range(steps - 1):
        if stop(step):
            break
        step = env.step(action)
    return step


def ended(step: Step) -> bool:
    """Whether an episode ended."""
    return bool(step.done.any())


def still(env: Soccer) -> Tensor:
    """Actions of players that stand."""
    return torch.zeros(env.num_envs, env.num_actions)
