"""What the benchmark tasks' tests share: whole episodes under any function of the observation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import make_env
from robo_ts.evaluate.protocol import Episodes, run_episodes
from robo_ts.sim import EngineConfig


class _Plain:
    def __init__(self, function: Callable[[TensorDict], Tensor]) -> None:
        self.function = function

    def act(self, obs: TensorDict) -> Tensor:
        return self.function(obs)

    def begin(self, num: int) -> None: ...

    def clear(self, done: Tensor) -> None: ...


@pytest.fixture
def fly(engine: EngineConfig) -> Callable[..., Episodes]:
    """``fly(name, act, episodes=256, config=None)``: whole episodes under ``act(obs)``."""

    def run(
        name: str, act: Callable[[TensorDict], Tensor], episodes: int = 256, config: Any = None
    ) -> Episodes:
        return run_episodes(
            _Plain(act),
            lambda num, seed: make_env(name, num, config, engine, seed),
            episodes,
            episodes,
            seed=0,
        )

    return run
