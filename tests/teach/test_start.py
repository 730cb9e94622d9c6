"""A PPO actor that starts from an earlier policy acts as that policy did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robo_ts.env import TaskEnv, get_task, make_env
from robo_ts.envs.soccer import SoccerConfig
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.policies import PolicyBundle
from robo_ts.policies.player import PolicyPlayer
from robo_ts.sim import EngineConfig
from robo_ts.teach.config import PPOConfig
from robo_ts.teach.ppo import PPOTeacher

GROUPS = get_task("soccer").obs_groups


def settings(start: str = "", width: int = 8) -> PPOConfig:
    return PPOConfig(
        steps_per_iteration=8, epochs=1, minibatches=2, actor=[width], critic=[8], start_from=start
    )


def soccer(engine: EngineConfig, opponents: list[str]) -> TaskEnv:
    start = {"kickoff": 0.0, "anywhere": 1.0}
    config = SoccerConfig(opponents=opponents, episode_s=1.0)
    config.start.kickoff, config.start.anywhere = start.values()
    return make_env("soccer", 8, config, engine)


@pytest.fixture
def alone(engine: EngineConfig, tmp_path: Path) -> Path:
    """The bundle of a teacher that played alone for a moment."""
    torch.manual_seed(0)
    env = soccer(engine, [])
    learner = PPOTeacher(env, GROUPS, settings())
    for _ in range(3):
        learner.learn_one()
    folder = PolicyBundle(learner.policy(), "soccer").save(tmp_path / "alone")
    env.close()
    return folder


def test_it_acts_as_the_earlier_policy_and_ignores_opponents_at_first(
    engine: EngineConfig, alone: Path
) -> None:
    env = soccer(engine, ["still"])
    fresh = PPOTeacher(env, GROUPS, settings(str(alone))).policy()
    earlier = PolicyBundle.load(alone).policy
    assert torch.equal(fresh.head.weight, earlier.head.weight)
    assert fresh.log_std is not None and earlier.log_std is not None
    assert torch.allclose(fresh.log_std, earlier.log_std)
    obs = {"privileged": env.observe()["privileged"].clone()}
    unmoved = obs["privileged"].clone()
    where = env.spec["privileged"].slices()
    for name, part in where.items():
        if name.startswith(("true_opponent", "true_teammate")):
            unmoved[:, part] = 0.0
    wanted, _ = earlier({"privileged": unmoved})
    action, _ = fresh(obs)
    assert torch.allclose(action, wanted, atol=1e-3)
    assert not torch.equal(obs["privileged"], unmoved)
    env.close()


def test_it_begins_with_the_noise_it_is_told(engine: EngineConfig, alone: Path) -> None:
    env = soccer(engine, [])
    config = replace(settings(str(alone)), start_std=0.13)
    learner = PPOTeacher(env, GROUPS, config)
    earlier, policy = PolicyBundle.load(alone).policy, learner.policy()
    assert earlier.log_std is not None and policy.log_std is not None
    assert torch.allclose(policy.log_std.exp(), torch.full_like(policy.log_std, 0.13))
    assert not torch.allclose(earlier.log_std.exp(), policy.log_std.exp(), atol=0.05)
    assert torch.equal(policy.head.weight, earlier.head.weight)
    learner.algorithm.act(env.observe())
    std = learner.algorithm.get_policy().output_std
    assert torch.allclose(std, torch.full_like(std, 0.13))
    env.close()


def test_its_noise_falls_as_planned(engine: EngineConfig, alone: Path) -> None:
    env = soccer(engine, [])
    # While the critic warms up the actor stays what it was when it acted.
    plan = {"iterations": 4, "critic_warmup": 4, "start_std": 0.3, "final_std": 0.1}
    learner = PPOTeacher(env, GROUPS, replace(settings(str(alone)), **plan))
    found = []
    for _ in range(3):
        learner.learn_one()
        log_std = learner.policy().log_std
        assert log_std is not None and torch.equal(log_std, log_std.max().expand_as(log_std))
        found.append(float(log_std.detach().max().exp()))
    assert found == pytest.approx([0.3, 0.25, 0.2])
    env.close()


def test_a_player_ignores_what_never_varied_in_its_training(
    engine: EngineConfig, alone: Path
) -> None:
    env = soccer(engine, ["still"])
    policy = PolicyBundle.load(alone).policy
    player = PolicyPlayer(policy, "alone")
    player.sit(8, torch.Generator())
    obs = {"privileged": env.observe()["privileged"].clone()}
    unmoved = obs["privileged"].clone()
    for name, part in env.spec["privileged"].slices().items():
        if name.startswith(("true_opponent", "true_teammate")):
            unmoved[:, part] = 0.0
    seats = torch.arange(8)
    wanted, _ = policy.act({"privileged": unmoved})
    assert torch.allclose(player.act(obs, seats), wanted.clamp(-1, 1), atol=1e-3)
    blown_up, _ = policy({"privileged": obs["privileged"]})
    assert not torch.allclose(blown_up, policy({"privileged": unmoved})[0], atol=0.1)
    env.close()


def test_only_the_critic_learns_while_it_warms_up(engine: EngineConfig, alone: Path) -> None:
    env = soccer(engine, ["still"])
    config = settings(str(alone))
    config.critic_warmup = 2
    learner = PPOTeacher(env, GROUPS, config)
    names = [name for name, _ in learner.algorithm.get_policy().named_parameters()]

    def actor() -> dict[str, torch.Tensor]:
        weights = learner.algorithm.get_policy().state_dict()
        return {name: weights[name].clone() for name in names}

    def critic() -> torch.Tensor:
        return learner.algorithm.save()["critic_state_dict"]["mlp.0.weight"].clone()

    first, known = actor(), critic()
    for _ in range(2):
        learner.learn_one()
    assert all(torch.equal(first[name], value) for name, value in actor().items())
    assert not torch.equal(known, critic())
    learner.learn_one()
    assert any(not torch.equal(first[name], value) for name, value in actor().items())
    env.close()


def test_what_does_not_fit_is_refused(engine: EngineConfig, alone: Path, tmp_path: Path) -> None:
    env = soccer(engine, [])
    with pytest.raises(RoboTSError, match="layers"):
        PPOTeacher(env, GROUPS, settings(str(alone), width=16))
    with pytest.raises(BundleError, match="does not exist"):
        PPOTeacher(env, GROUPS, settings(str(tmp_path / "nothing")))
    env.close()
    other = make_env("reacher", 4, engine=engine)
    with pytest.raises(BundleError, match="task"):
        PPOTeacher(other, get_task("reacher").obs_groups, settings(str(alone)))
    other.close()


def test_with_a_zero_head_it_begins_as_its_base_action(engine: EngineConfig) -> None:
    config = SoccerConfig(walker="op3", opponents=[], episode_s=1.0)
    env = make_env("soccer", 4, config, engine)
    base = {"base_term": "privileged.true_motion_action"}
    plain, zeroed = (
        PPOTeacher(env, GROUPS, replace(settings(), zero_head=flag, **base)).policy()
        for flag in (False, True)
    )
    obs = env.observe()
    where = env.spec["privileged"].slices()["true_motion_action"]
    told = obs["privileged"][:, where]
    assert torch.equal(zeroed.run(obs)[0].action, told)
    assert not torch.allclose(plain.run(obs)[0].action, told)
    env.close()
