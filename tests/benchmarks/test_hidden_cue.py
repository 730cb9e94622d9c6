"""The hidden cue's rules: who may see it, what the doors do, and what imitation alone can get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.env import make_env
from robo_ts.envs.benchmarks.hidden_cue import HiddenCueConfig
from robo_ts.envs.benchmarks.hidden_cue.teacher import act
from robo_ts.evaluate.protocol import Episodes
from robo_ts.sim import EngineConfig

Fly = Callable[..., Episodes]


def with_cue(obs: Any, cue: Tensor) -> dict[str, Tensor]:
    return {"proprioception": obs["proprioception"], "privileged": cue}


def mean_over_cues(obs: Any) -> Tensor:
    """What imitation of the teacher converges to for a student that has not seen the cue."""
    one = torch.ones_like(obs["privileged"])
    return 0.5 * (act(with_cue(obs, one)) + act(with_cue(obs, -one)))  # type: ignore[arg-type]


def test_the_teacher_walks_straight_to_the_right_door_without_seeing_the_cue(fly: Fly) -> None:
    found = fly("hidden_cue", act, 512).metrics
    assert float(found["success"].float().mean()) > 0.99
    assert not found["saw_cue"].any()


def test_a_fixed_guess_and_the_teachers_mean_get_half(fly: Fly) -> None:
    def always_left(obs: Any) -> Tensor:
        return act(with_cue(obs, -torch.ones_like(obs["privileged"])))

    for policy in (always_left, mean_over_cues):
        found = fly("hidden_cue", policy, 1024).metrics
        assert float(found["success"].float().mean()) == pytest.approx(0.5, abs=0.06)
        assert not found["saw_cue"].any()
        assert ((found["failure"] == 1) == ~found["success"]).all()  # the wrong door, never late


def test_looking_up_the_cue_first_solves_the_task_on_sensors_alone(fly: Fly) -> None:
    known = torch.zeros(512, 1)

    def look_first(obs: Any) -> Tensor:
        seen = obs["proprioception"][:, 4:5]
        known.copy_(torch.where(seen != 0, seen, known))
        left = torch.tensor([-1.0, 0.0]).expand(512, 2)
        return torch.where(known != 0, act(with_cue(obs, known)), left)

    episodes = fly("hidden_cue", look_first, 512)
    assert float(episodes.metrics["success"].float().mean()) > 0.99
    assert episodes.metrics["saw_cue"].all()
    # The detour is worth its time, discounted too: a guess is worth nothing.
    assert float((0.99 ** episodes.length.float()).mean()) > 0.7
    assert float(episodes.reward.mean()) > 0.7


def test_the_cue_shows_in_the_alcove_only(engine: EngineConfig) -> None:
    config = HiddenCueConfig(alcove_distance=0.3, alcove_depth=0.2, alcove_length=0.4)
    env: Any = make_env("hidden_cue", 5, config, engine)
    env.position = torch.tensor([[-0.29, 0], [-0.31, 0], [-0.31, 0.21], [-0.51, 0], [-0.49, -0.19]])
    seen = env.observe()["proprioception"][:, 4]
    assert torch.equal(seen, env.cue * torch.tensor([0.0, 1.0, 0.0, 0.0, 1.0]))
    env.close()


@pytest.mark.parametrize("distance", [0.1, 0.2, 0.4])
def test_no_episode_starts_in_the_alcove_however_far_it_is(
    distance: float, engine: EngineConfig
) -> None:
    env: Any = make_env("hidden_cue", 2000, HiddenCueConfig(alcove_distance=distance), engine)
    obs = env.observe()["proprioception"]
    assert not obs[:, 4].any()
    assert float(obs[:, 0].min()) == pytest.approx(0.02 - distance, abs=5e-3)
    assert float(env.cue.mean()) == pytest.approx(0.0, abs=0.1)
    env.close()


@pytest.mark.parametrize(("side", "success"), [(1.0, True), (-1.0, False)])
def test_a_door_ends_the_episode_and_the_wrong_one_fails(
    side: float, success: bool, engine: EngineConfig
) -> None:
    env: Any = make_env("hidden_cue", 8, engine=engine)
    env.sim.write("qpos", torch.stack([0.2 * side * env.cue, torch.full((8,), 0.59)], dim=-1))
    step = env.step(torch.tensor([[0.0, 1.0]]).expand(8, 2))
    assert step.terminated.all()
    assert (step.info["episode"]["success"] == success).all()
    assert (step.info["episode"]["failure"] == int(not success)).all()
    assert torch.allclose(step.reward, torch.full((8,), side - 0.01))
    env.close()


def test_waiting_is_too_late(fly: Fly) -> None:
    episodes = fly("hidden_cue", lambda obs: torch.zeros(len(obs["privileged"]), 2), 16)
    assert (episodes.metrics["failure"] == 2).all()
    assert (episodes.length == HiddenCueConfig().episode_steps).all()
