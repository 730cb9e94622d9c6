"""What every test may use: one torch thread, one simulation thread, small environments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from robo_ts.cli import main
from robo_ts.env import TaskEnv, make_env
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.sim import EngineConfig

# Two busy thread pools on two cores are far slower than one thread.
torch.set_num_threads(1)


@pytest.fixture
def engine() -> EngineConfig:
    """The CPU engine with one thread."""
    return EngineConfig(threads=1)


@pytest.fixture
def make_quadrotor(engine: EngineConfig) -> Iterator[Callable[..., TaskEnv]]:
    """``make_quadrotor(num_envs=4, seed=0, **config)``: a quadrotor, closed after the test.

    Episodes last 8 steps unless ``episode_steps`` says otherwise.
    """
    made: list[TaskEnv] = []

    def make(num_envs: int = 4, seed: int = 0, **config: object) -> TaskEnv:
        settings = QuadrotorConfig(**({"episode_steps": 8} | config))  # type: ignore[arg-type]
        made.append(make_env("quadrotor", num_envs, settings, engine, seed))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formulas run as they stand, also in further processes: where little is computed, compiling
    would take nearly all the time."""
    for module in ("envs.quadrotor.twin", "teach.apg", "distill.windows", "sim.analytic"):
        monkeypatch.setattr(f"robo_ts.{module}.compiled", lambda function, *_, **__: function)
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")


@pytest.fixture
def reuse_buffers(monkeypatch: pytest.MonkeyPatch) -> Callable[[TaskEnv], None]:
    """``reuse_buffers(env)``: the task emits the same tensors in every step, as a fast one may."""

    def patch(env: TaskEnv) -> None:
        observe, buffers = env._observe, env._observe()

        def reused(env_ids: Tensor | None = None) -> dict[str, Tensor]:
            if env_ids is not None:
                return observe(env_ids)
            for name, value in observe().items():
                buffers[name].copy_(value)
            return dict(buffers)

        monkeypatch.setattr(env, "_observe", reused)

    return patch


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished ``recipe=smoke`` run on the CPU engine."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    words = ["task=quadrotor", "recipe=smoke", f"run_dir={folder}", "torch_threads=1"]
    assert main(["pipeline", *words]) == 0
    return folder
