"""The twin with gradients flies as the task does, and its gradients teach."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from robo_ts.env import make_env
from robo_ts.envs.quadrotor import QuadrotorConfig, QuadrotorTwin
from robo_ts.envs.quadrotor.config import CostConfig, References
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.sim import EngineConfig
from robo_ts.teach.apg import AnalyticPolicyGradient, APGConfig, limit_gradients

N = 16


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than these tests; that it changes nothing is tested elsewhere."""
    for module in ("robo_ts.sim.analytic", "robo_ts.envs.quadrotor.twin", "robo_ts.teach.apg"):
        monkeypatch.setattr(f"{module}.compiled", lambda function, *_, **__: function)


def hold() -> QuadrotorConfig:
    return QuadrotorConfig(references=References(langevin=0.0))


def learner(seed: int = 0, iterations: int = 10, **config: object) -> AnalyticPolicyGradient:
    env = QuadrotorTwin(hold(), N, seed)
    torch.manual_seed(seed)
    network = PolicyConfig(encoder=[16], memory="gru", memory_size=8, normalize=True)
    policy = Policy(network, env.spec.select(["proprioception"]), 4)
    settings = {"window": 10, "first_window": 10, "normalizer_iterations": 2} | config
    return AnalyticPolicyGradient(
        env,
        policy,
        APGConfig(num_envs=N, iterations=iterations, **settings),  # type: ignore[arg-type]
    )


def test_the_twin_flies_as_the_task_on_the_analytic_engine() -> None:
    config = hold()
    config.limit_arms = config.limit_velocity = config.limit_angular_velocity = 1e9
    env = make_env("quadrotor", N, config, EngineConfig(name="analytic"), seed=0)
    env.reset()
    twin = QuadrotorTwin(config, N, seed=1)
    flight = twin.flight
    twin.state = env.state.clone()  # type: ignore[attr-defined]
    twin.parameters = env.parameters.clone()  # type: ignore[attr-defined]
    twin.constants = env.constants.clone()  # type: ignore[attr-defined]
    for _ in range(20):
        action = 2.0 * torch.rand(N, 4) - 1.0
        obs = env.step(action).obs
        seen, _ = twin.fly(action.t())
        for name, value in seen.items():
            assert torch.allclose(value.t(), obs[name], atol=2e-5)
    assert flight.state.rows == twin.state.shape[0]


def test_gradients_reach_the_first_action() -> None:
    twin = QuadrotorTwin(hold(), N)
    first = torch.zeros(4, N, requires_grad=True)
    worlds, cost = twin.advance(twin.worlds, first, twin.draw())
    for _ in range(10):
        worlds, more = twin.advance(worlds, torch.zeros(4, N), twin.draw())
        cost = cost + more
    cost.sum().backward()
    assert first.grad is not None and (first.grad.abs().sum(dim=0) > 0).all()
    assert torch.isfinite(first.grad).all()


def test_gradients_are_those_of_small_differences() -> None:
    def cost(action: torch.Tensor) -> torch.Tensor:
        twin = QuadrotorTwin(hold(), N, seed=3)
        for name in ("state", "parameters", "constants", "limit"):
            setattr(twin, name, getattr(twin, name).double())
        worlds, total = twin.advance(twin.worlds, action, twin.draw())
        for _ in range(15):
            worlds, more = twin.advance(worlds, 0.5 * action, twin.draw())
            total = total + more
        return total.sum()

    action = (0.1 * torch.randn(4, N)).double().requires_grad_()
    cost(action).backward()
    assert action.grad is not None
    for world, rotor in ((0, 0), (3, 2), (7, 1)):
        shift = torch.zeros_like(action)
        shift[rotor, world] = 1e-6
        slope = (cost(action + shift) - cost(action - shift)).detach() / 2e-6
        assert float(slope) == pytest.approx(float(action.grad[rotor, world]), rel=1e-4, abs=1e-6)


def test_worlds_that_crash_cost_nothing_more_and_begin_anew_with_the_next_window() -> None:
    twin = QuadrotorTwin(hold(), N)
    rows = twin.flight.state.slice("rate")
    twin.state[rows, 3] = 100.0
    before = twin.parameters[:, 3].clone()
    worlds, cost = twin.advance(twin.worlds, torch.zeros(4, N), twin.draw())
    assert float(cost[3]) == 0.0
    assert not worlds[1][3] and worlds[1].sum() == N - 1
    over = twin.next_window(worlds, 1)
    assert bool(over[3]) and bool(twin.alive.all())
    assert not torch.equal(twin.parameters[:, 3], before)
    assert not twin.state.requires_grad


def test_gradients_stay_finite_however_long_a_lost_world_is_kept() -> None:
    twin = QuadrotorTwin(hold(), N)
    twin.state[twin.flight.state.slice("rate"), 3] = 100.0
    first = torch.zeros(4, N, requires_grad=True)
    worlds, total = twin.advance(twin.worlds, first, twin.draw())
    for _ in range(60):
        worlds, more = twin.advance(worlds, torch.zeros(4, N), twin.draw())
        total = total + more
    assert torch.equal(worlds[0][:, 3], twin.state[:, 3])
    (total + twin.last_cost(worlds)).sum().backward()
    assert first.grad is not None and torch.isfinite(first.grad).all()
    assert float(first.grad[:, 3].abs().sum()) == 0.0


def test_what_counts_as_lost_is_a_setting() -> None:
    config = hold()
    config.cost.lost_speed = 20.0
    twin = QuadrotorTwin(config, N)
    twin.state[twin.flight.state.slice("velocity"), 3] = 10.0
    worlds, _ = twin.advance(twin.worlds, torch.zeros(4, N), twin.draw())
    assert bool(worlds[1].all())
    with pytest.raises(RoboTSError, match="lost_speed"):
        CostConfig(lost_speed=0.0)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_a_policy_gets_better(optimizer: str) -> None:
    @torch.no_grad()
    def cost() -> float:
        twin, policy = QuadrotorTwin(hold(), 64, seed=9), one.policy()
        hidden, total = policy.initial_state(64), torch.zeros(64)
        obs = twin.observation(twin.worlds)
        for _ in range(100):
            action, hidden = policy({name: x.t() for name, x in obs.items()}, hidden)
            obs, more = twin.fly(action.t())
            total += more
            total += 5.0 * ~twin.alive
        return float(total.mean())

    env = QuadrotorTwin(hold(), 64)
    torch.manual_seed(0)
    network = PolicyConfig(encoder=[32], memory="none", base_term="privileged.hover_action")
    config = APGConfig(num_envs=64, iterations=80, window=25, first_window=25, learning_rate=5e-3)
    config.optimizer = optimizer
    one = AnalyticPolicyGradient(env, Policy(network, env.spec, 4), config)
    before = cost()
    for _ in range(80):
        one.learn_one()
    assert cost() < 0.7 * before


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_a_run_interrupted_goes_on_bit_for_bit(optimizer: str) -> None:
    whole = learner(0, optimizer=optimizer)
    for _ in range(6):
        whole.learn_one()
    first = learner(0, optimizer=optimizer)
    for _ in range(3):
        first.learn_one()
    second = learner(1, optimizer=optimizer)
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        second.learn_one()
    mine, theirs = whole.policy().state_dict(), second.policy().state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_the_pull_of_each_world_is_limited_by_itself() -> None:
    before = torch.tensor([[1.0, 1.0], [2.0, 2.0]], requires_grad=True)
    alive = torch.ones(2, dtype=torch.bool)
    after = before * 1.0
    limit_gradients((after, alive), 5.0)
    (after * torch.tensor([[3.0, 30.0], [4.0, 40.0]])).sum().backward()
    assert before.grad is not None
    assert torch.allclose(before.grad, torch.tensor([[3.0, 3.0], [4.0, 4.0]]))


def test_only_a_limit_that_worlds_reach_changes_an_update() -> None:
    sizes = [learner(max_world_grad=limit).learn_one()["grad_norm"] for limit in (0.0, 1e9, 1e-3)]
    assert sizes[0] == sizes[1] > 0.0
    assert sizes[2] != sizes[0]


def test_a_power_below_one_lets_good_flights_count_beside_bad_ones() -> None:
    def pull(costs: list[float], power: float) -> Tensor:
        one = learner(cost_power=power, window=1, first_window=1, normalizer_iterations=0)
        given = torch.tensor(costs + [0.0] * (N - len(costs)), requires_grad=True)
        one._step = lambda worlds, hidden, _: (worlds, hidden, given)  # type: ignore[method-assign]
        one.env.last_cost = lambda _: torch.zeros(N)  # type: ignore[method-assign]
        one._descend = lambda aim: float(aim.backward() or 0.0)  # type: ignore[method-assign]
        assert one.learn_one()["cost"] == pytest.approx(sum(costs) / N)
        assert given.grad is not None
        return given.grad * N

    good, bad, *others = pull([0.25, 100.0], 1.0).tolist()
    assert good == bad == others[0] == pytest.approx(1.0)
    good, bad, *others = pull([0.25, 100.0], 0.5).tolist()
    assert (good, bad) == pytest.approx((1.0, 0.05))  # half of one over the root
    assert others == [0.0] * (N - 2)  # what costs nothing has no infinite pull


def test_windows_grow_over_the_first_third() -> None:
    one = learner(iterations=9, first_window=4, window=10)
    samples = [0]
    for _ in range(9):
        one.learn_one()
        samples.append(one.samples)
    windows = [(b - a) // N for a, b in itertools.pairwise(samples)]
    assert windows[0] == 4 and windows[3:] == [10] * 6


@pytest.mark.parametrize(
    "wrong",
    [{"window": 0}, {"learning_rate": float("nan")}, {"betas": [0.9, 1.5]}, {"optimizer": "sgd"}],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RoboTSError, match=next(iter(wrong))):
        APGConfig(**wrong)  # type: ignore[arg-type]
