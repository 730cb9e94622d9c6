"""scripts/grasp_start.py: a network that imitates the reactive script, for PPO to begin from."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

from robo_ts.env import get_task
from robo_ts.envs.grasp.config import PhysicsConfig
from robo_ts.envs.grasp.reactive import ReactiveGrasp
from robo_ts.pipeline.config import compose_run
from robo_ts.policies import Policy, PolicyBundle
from tests.grasp.conftest import MakeGrasp

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "grasp_start.py"


@pytest.mark.slow
def test_the_start_has_learnt_most_of_what_the_script_does(make_grasp: MakeGrasp) -> None:
    imitate = runpy.run_path(str(SCRIPT))["imitate"]
    groups = get_task("grasp").obs_groups["actor"]
    physics = PhysicsConfig(timestep=0.01, time_constant=0.02)
    policy: Policy = imitate(make_grasp(num_envs=16, physics=physics), groups, [64, 32], 20, 0)
    env = make_grasp(num_envs=16, physics=physics, seed=9)
    script, errors, sizes = ReactiveGrasp(env), [], []
    hidden = policy.initial_state(env.num_envs)
    for _ in range(40):
        told = script.act()
        with torch.no_grad():
            said, hidden = policy.act(env.observe(), hidden)
        errors.append((said - told).square().mean())
        sizes.append((told - told.mean(dim=0)).square().mean())
        env.step(told)
    assert torch.stack(errors).mean() < 0.5 * torch.stack(sizes).mean()
    assert policy.log_std is not None  # PPO begins with this noise
    torch.testing.assert_close(policy.log_std.exp(), torch.full((env.num_actions,), 0.25))


@pytest.mark.parametrize("recipe", ["default", "blind", "points"])
def test_the_recipe_begins_from_the_committed_start(recipe: str, make_grasp: MakeGrasp) -> None:
    config = compose_run(["task=grasp", f"recipe={recipe}"]).config
    root = SCRIPT.parents[1]
    start = PolicyBundle.load(root / config.teacher.start_from)
    env = make_grasp(num_envs=1)
    start.check_fits("grasp", env.spec, env.num_actions)
    assert start.policy.config.encoder == config.teacher.actor
    assert not start.policy.is_recurrent
