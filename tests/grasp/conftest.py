"""Small grasp environments, and a cache of objects of the session's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from robo_ts.env import make_env
from robo_ts.envs.grasp import Grasp, GraspConfig
from robo_ts.envs.grasp.config import ObjectsConfig, StartConfig
from robo_ts.envs.grasp.eyes_config import EyesConfig
from robo_ts.sim import EngineConfig, Range

MakeGrasp = Callable[..., Grasp]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Objects are made anew, not read from what another version left behind."""
    folder = tmp_path_factory.mktemp("objects")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROBO_TS_CACHE", str(folder))
        yield folder


@pytest.fixture
def make_grasp() -> Iterator[MakeGrasp]:
    """``make_grasp(num_envs=4, seed=0, objects={...}, difficulty=1.0, engine="cpu", **config)``.

    One cube of 5 cm unless ``objects`` says otherwise, no cameras unless ``eyes`` does; closed
    after the test.
    """
    made: list[Grasp] = []

    def make(
        num_envs: int = 4,
        seed: int = 0,
        objects: dict[str, Any] | None = None,
        difficulty: float = 1.0,
        engine: str = "cpu",
        threads: int = 1,
        start: dict[str, Any] | None = None,
        eyes: EyesConfig | None = None,
        **config: Any,
    ) -> Grasp:
        settings = GraspConfig(
            objects=ObjectsConfig(**(objects or {"count": 1, "families": ["cube"]})),
            start=StartConfig(difficulty=Range(difficulty, difficulty), **(start or {})),
            eyes=eyes or EyesConfig(cameras=[]),
            **config,
        )
        how = EngineConfig(engine, threads=threads, device="cpu")
        env = make_env("grasp", num_envs, settings, how, seed)
        assert isinstance(env, Grasp)
        made.append(env)
        return env

    yield make
    for env in made:
        env.close()
