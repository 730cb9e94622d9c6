"""A student of two teachers is labelled by the one that is in charge where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from robo_ts.env import make_env
from robo_ts.env.observations import ObservationSpec
from robo_ts.envs.soccer import SoccerConfig
from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.stages import _further_teachers, _label
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.sim import EngineConfig


def constant(spec: ObservationSpec, value: float) -> Policy:
    """A policy that always asks for ``value``."""
    policy = Policy(PolicyConfig(encoder=[4], memory="none"), spec, 20)
    torch.nn.init.zeros_(policy.head.weight)
    torch.nn.init.constant_(policy.head.bias, value)
    return policy.eval()


def test_the_gate_names_the_teacher(engine: EngineConfig, tmp_path: Path) -> None:
    config = SoccerConfig(walker="op3", opponents=[])
    config.start.lying = 0.5
    env = make_env("soccer", 16, config, engine)
    sees = env.spec.select(["privileged"])
    folder = PolicyBundle(constant(sees, -0.5), "soccer", action=env.action_contract()).save(
        tmp_path / "gets_up"
    )
    words = ["task=soccer", "recipe=op3_smoke", f"route.bundles=[{folder}]"]
    run = compose_run([*words, "route.term=privileged.true_rising", "route.edges=[0.5]"])
    teacher = _label(run, env, [constant(sees, 0.5), *_further_teachers(run, env)])
    obs = env.observe()
    student = constant(sees, 0.0).run(obs)[0]
    rising = obs["privileged"][:, env.spec["privileged"].slices()["true_rising"]][:, 0]
    assert 0 < int(rising.sum()) < 16
    wanted = torch.where(rising > 0.5, -0.5, 0.5)[:, None].expand(-1, 20)
    assert torch.equal(teacher.label(obs, student).action, wanted)
    env.close()


def test_one_teacher_needs_no_route(engine: EngineConfig) -> None:
    run = compose_run(["task=soccer", "recipe=op3_smoke"])
    env = make_env("soccer", 2, SoccerConfig(walker="op3", opponents=[]), engine)
    only = constant(env.spec.select(["privileged"]), 0.25)
    label = _label(run, env, [only, *_further_teachers(run, env)])
    assert float(label.label(env.observe(), only.run(env.observe())[0]).action.mean()) == (
        pytest.approx(0.25)
    )
    env.close()
