"""Teachers trained at once are the teachers they would have become alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from robo_ts.envs.quadrotor import DroneRanges, QuadrotorConfig, QuadrotorTwin
from robo_ts.envs.quadrotor.config import References, SensorRanges
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig, PopulationPolicy
from robo_ts.policies.population import StackedLinear
from robo_ts.sim import Range
from robo_ts.teach.apg import AnalyticPolicyGradient, APGConfig
from robo_ts.teach.population import PopulationGradient, new_population

K, EACH, STEPS = 4, 6, 5
NETWORK = PolicyConfig(encoder=[8], memory="none", base_term="privileged.hover_action")


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than these tests; that it changes nothing is tested elsewhere."""
    for module in ("envs.quadrotor.twin", "teach.apg"):
        monkeypatch.setattr(f"robo_ts.{module}.compiled", lambda function, *_, **__: function)


def worlds(seed: int = 0, members: Sequence[int] | None = None, num_envs: int = K * EACH):
    # Short episodes and noise, so that resets and every step's chance are compared too.
    config = QuadrotorConfig(
        episode_steps=12,
        drones=DroneRanges(pool=K, pool_seed=3),
        references=References(langevin=0.5),
        sensors=SensorRanges(noise=Range(1.0, 1.0)),
    )
    return QuadrotorTwin(config, num_envs, seed, members=members)


def settings(**changes: Any) -> APGConfig:
    fixed: dict[str, Any] = {"window": STEPS, "first_window": STEPS, "normalizer_iterations": 3}
    return APGConfig(num_envs=K * EACH, iterations=20, learning_rate=1e-2, **fixed | changes)


def learner(robots: Sequence[int] | None = None, seed: int = 0) -> PopulationGradient:
    env = worlds(seed, robots)
    policy = new_population(NETWORK, _told(env), 4, robots or range(K), seed=7)
    return PopulationGradient(env, policy, settings(), robots)


def _told(env: QuadrotorTwin):
    return env.spec.select(["privileged"])


def alone(robot: int) -> AnalyticPolicyGradient:
    """The plain learner, in the worlds of one robot."""
    env = worlds(0, [robot])
    first = new_population(NETWORK, _told(env), 4, [robot], seed=7).member(0)
    policy = Policy(NETWORK, _told(env), 4)
    policy.load_state_dict(first.state_dict())
    return AnalyticPolicyGradient(env, policy, settings())


def population(one: PopulationGradient) -> PopulationPolicy:
    policy = one.policy()
    assert isinstance(policy, PopulationPolicy)
    return policy


def first_layer(one: PopulationGradient) -> StackedLinear:
    layer = population(one).encoder[0]
    assert isinstance(layer, StackedLinear)
    return layer


def differences(mine: Policy, theirs: Policy) -> float:
    pairs = zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def test_members_trained_at_once_equal_members_trained_alone() -> None:
    whole = learner()
    for _ in range(5):
        whole.learn_one()
    policy = population(whole)
    for robot in range(K):
        one = alone(robot)
        for _ in range(5):
            one.learn_one()
        assert differences(policy.member(robot), one.policy()) < 2e-5
    assert differences(policy.member(0), policy.member(1)) > 1e-2


def test_members_trained_in_two_shares_equal_members_trained_at_once() -> None:
    whole, left, right = learner(), learner([0, 2]), learner([1, 3])
    for one in (whole, left, right):
        for _ in range(4):
            one.learn_one()
    for robot in range(K):
        share = population((left, right)[robot % 2]).member(robot // 2)
        assert differences(population(whole).member(robot), share) < 2e-5


def test_a_member_that_blows_up_stays_as_it_is_and_disturbs_no_other() -> None:
    sound, broken = learner(), learner()
    for _ in range(2):
        sound.learn_one()
        broken.learn_one()
    with torch.no_grad():
        broken.policy().head.weight[1] = torch.nan
    before = first_layer(broken).bias[1].clone()
    moments = broken.optimizer.state[first_layer(broken).bias]["exp_avg"][1].clone()
    measured: dict[str, float] = {}
    for _ in range(3):
        sound.learn_one()
        measured = broken.learn_one()
    assert measured["stuck"] == 1.0
    assert torch.isfinite(torch.tensor([measured["cost"], measured["grad_norm"]])).all()
    for robot in (0, 2, 3):
        mine, theirs = (population(one).member(robot) for one in (broken, sound))
        assert differences(mine, theirs) < 1e-6
    bias = first_layer(broken).bias
    assert torch.equal(bias[1], before)
    assert torch.equal(broken.optimizer.state[bias]["exp_avg"][1], moments)


def test_a_member_stuck_from_the_first_window_on_does_not_move() -> None:
    one = learner()
    with torch.no_grad():
        one.policy().head.weight[2] = torch.inf
    before = first_layer(one).weight.detach().clone()
    one.learn_one()
    after = first_layer(one).weight.detach()
    assert torch.equal(before[2], after[2]) and not torch.equal(before[0], after[0])


def test_each_members_gradient_is_clipped_by_its_own_norm() -> None:
    one = learner()
    one.config.max_grad_norm = 0.1
    mean = one._mean
    one._mean = lambda cost: mean(cost) * torch.tensor([1.0, 1e4, 1.0, 1.0])  # type: ignore[method-assign]
    one.learn_one()
    for k in range(K):
        parts = [p.grad[k].flatten() for p in one.policy().parameters() if p.grad is not None]
        assert float(torch.cat(parts).norm()) == pytest.approx(0.1, rel=1e-3)


def test_a_run_interrupted_goes_on_bit_for_bit() -> None:
    whole, first, second = learner(), learner(), learner(seed=3)
    for _ in range(6):
        whole.learn_one()
    for _ in range(3):
        first.learn_one()
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        second.learn_one()
    mine, theirs = whole.policy().state_dict(), second.policy().state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert torch.equal(whole.costs, second.costs)


def test_first_weights_depend_on_the_robot_and_not_on_who_else_is_made() -> None:
    spec = _told(worlds())
    torch.manual_seed(1)
    before = torch.get_rng_state()
    both = new_population(NETWORK, spec, 4, [1, 3], seed=0)
    assert torch.equal(before, torch.get_rng_state())
    one = new_population(NETWORK, spec, 4, [3], seed=0)
    assert differences(both.member(1), one.member(0)) == 0.0
    assert differences(both.member(0), one.member(0)) > 0.0


def test_worlds_of_other_robots_are_refused() -> None:
    env = worlds(members=[0, 1])
    with pytest.raises(RoboTSError, match="one after the other"):
        policy = new_population(NETWORK, _told(env), 4, [0, 2], seed=0)
        PopulationGradient(env, policy, settings(), [0, 2])
    plain = QuadrotorTwin(QuadrotorConfig(), 4)
    with pytest.raises(RoboTSError, match="drawn anew"):
        PopulationGradient(plain, new_population(NETWORK, _told(plain), 4, [0], seed=0), settings())


def test_worlds_that_cannot_be_shared_out_evenly_are_refused() -> None:
    with pytest.raises(RoboTSError, match="use 24 worlds"):
        worlds(num_envs=23)


def test_an_optimizer_that_mixes_members_is_refused() -> None:
    env = worlds()
    policy = new_population(NETWORK, _told(env), 4, list(range(K)), seed=0)
    with pytest.raises(RoboTSError, match="optimizer"):
        PopulationGradient(env, policy, settings(optimizer="soap"))
