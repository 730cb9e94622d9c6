"""The soccer task is the same on both engines, and for any number of threads."""

from __future__ import annotations

import pytest

from robo_ts.env import make_env
from robo_ts.envs.soccer import Soccer, SoccerConfig
from robo_ts.sim import EngineConfig
from tests.soccer.parity import assert_bit_identical, assert_engines_agree, random_actions


def match(engine: EngineConfig, num_envs: int) -> Soccer:
    env = make_env("soccer", num_envs, SoccerConfig(opponents=["chaser", "random"]), engine, 3)
    assert isinstance(env, Soccer)
    return env


def test_matches_are_bit_identical_for_one_and_three_threads() -> None:
    one, three = (match(EngineConfig(threads=n), 7) for n in (1, 3))
    assert_bit_identical(one, three, steps=30)


@pytest.mark.slow
def test_a_control_step_on_the_other_engine_differs_by_rounding() -> None:
    """Slow, because the other engine compiles its kernels first."""
    cpu = match(EngineConfig(threads=1), 4)
    warp = match(EngineConfig("warp", device="cpu"), 4)
    # A control step has five steps with contacts.
    assert_engines_agree(cpu, warp, random_actions(cpu), tolerance=2e-3)
