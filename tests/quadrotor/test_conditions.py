"""The conditions quadrotor policies are compared under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.env import make_env
from robo_ts.env.trials import Trial
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.envs.quadrotor.trials import trials, wide
from robo_ts.evaluate.trials import with_changes
from robo_ts.pipeline.config import compose_run

TRIALS = trials()
# They are the protocol itself, without an end or with another one.
THE_SAME = ("hold", "flight_30s")


def seen_under(trial: Trial, engine: Any) -> Tensor:
    """Readings of the first second of 16 drones that all act alike."""
    env = make_env("quadrotor", 16, with_changes(QuadrotorConfig(), trial.changes), engine, seed=5)
    try:
        obs, seen = env.reset(seed=5), []
        for step in range(100):
            obs = env.step(torch.full((16, 4), 0.3 if step % 20 < 10 else -0.3)).obs
            seen.append(obs["proprioception"].clone())
        return torch.stack(seen)
    finally:
        env.close()


@pytest.fixture(scope="module")
def protocol() -> dict[str, Tensor]:
    return {}


@pytest.mark.parametrize("name", [name for name in TRIALS if name not in THE_SAME])
def test_every_condition_changes_what_a_policy_reads(
    name: str, engine: Any, protocol: dict[str, Tensor]
) -> None:
    if not protocol:
        protocol["hold"] = seen_under(TRIALS["hold"], engine)
    assert not torch.equal(seen_under(TRIALS[name], engine), protocol["hold"])


def test_recipe_breadth_trains_on_all_that_its_trial_draws() -> None:
    trained = compose_run(["task=quadrotor", "recipe=breadth"]).training_task.drones

    def covers(name: str, drawn: Mapping[str, Any]) -> bool:
        own = getattr(trained, name)
        return own.low <= drawn["low"] and own.high >= drawn["high"]

    assert [name for name, drawn in wide().items() if not covers(name, drawn)] == []


def test_the_wide_range_reaches_5_m() -> None:
    assert TRIALS["wide_5m"].changes["start"]["position"] == 5.0
    assert TRIALS["wide_5m"].changes["drones"] == wide()
