"""A memory whose initial state is learnt: by whom, from where on, and how it travels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robo_ts.distill.windows import WindowDistillConfig, WindowDistiller
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.envs.quadrotor import QuadrotorConfig, QuadrotorTwin
from robo_ts.envs.quadrotor.config import References
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.player import PolicyPlayer
from robo_ts.teach.apg import AnalyticPolicyGradient, APGConfig
from robo_ts.teach.windows import WindowLearner, WindowsConfig

SPEC = ObservationSpec([ObservationGroup("sensors", (Term("x", 5),), True)])
N, COMMITTED = 8, Path(__file__).parents[2] / "artifacts" / "quadrotor"


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("envs.quadrotor.twin", "teach.apg", "distill.windows"):
        monkeypatch.setattr(f"robo_ts.{module}.compiled", lambda function, *_, **__: function)


def make(memory: str = "gru", learnt: bool = True) -> Policy:
    torch.manual_seed(0)
    config = PolicyConfig(
        encoder=[6], memory=memory, memory_size=4, memory_layers=2, learn_initial_state=learnt
    )
    policy = Policy(config, SPEC, 2)
    if learnt:
        assert policy.memory is not None and policy.memory.start is not None
        torch.nn.init.normal_(policy.memory.start)
    return policy


def test_raptors_student_has_2068_numbers_and_16_more_when_its_start_is_learnt() -> None:
    sensors = QuadrotorTwin(QuadrotorConfig(), 1).spec.select(["proprioception"])
    counts = [
        Policy(
            PolicyConfig(encoder=[16], memory_size=16, learn_initial_state=learnt), sensors, 4
        ).num_parameters()
        for learnt in (False, True)
    ]
    assert counts == [2068, 2084]


def test_it_begins_as_zeros_do() -> None:
    plain, learnt = (
        Policy(PolicyConfig(memory_size=4, learn_initial_state=flag), SPEC, 2)
        for flag in (False, True)
    )
    for one, two in zip(plain.initial_state(3), learnt.initial_state(3), strict=True):
        assert torch.equal(one, two) and not one.any()


@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_every_world_begins_with_it_and_returns_to_it(memory: str) -> None:
    policy = make(memory)
    assert policy.memory is not None and policy.memory.start is not None
    first = policy.initial_state(N)
    for part, start in zip(first, policy.memory.start, strict=True):
        assert torch.equal(part, start[:, None].expand(-1, N, -1)) and not part.requires_grad
        part += 1.0  # a copy: the policy's own is not touched
    assert torch.equal(policy.initial_state(N)[0] + 1.0, first[0])
    done = torch.arange(N) % 2 == 0
    broken = tuple(torch.full_like(part, float("nan")) for part in first)
    for part, start in zip(policy.reset_state(broken, done), policy.initial_state(N), strict=True):
        assert torch.equal(part[:, done], start[:, done]) and part[:, ~done].isnan().all()
        assert not part.requires_grad
    for part in policy.begun(broken, done):
        assert part.requires_grad


def test_without_a_memory_there_is_none_to_learn() -> None:
    with pytest.raises(RoboTSError, match="memory=gru"):
        PolicyConfig(memory="none", learn_initial_state=True)


def test_a_player_sits_down_anew_with_it() -> None:
    player = PolicyPlayer(make(), "one")
    player.sit(N, torch.Generator())
    begins = [part.clone() for part in player.hidden]
    player.act({"sensors": torch.randn(N, 5)}, torch.arange(N))
    player.clear(torch.tensor([2, 5]))
    for part, begin in zip(player.hidden, begins, strict=True):
        assert torch.equal(part[:, [2, 5]], begin[:, [2, 5]])
        assert not torch.equal(part[:, 0], begin[:, 0])


@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_a_bundle_carries_it(memory: str, tmp_path: Path) -> None:
    policy = make(memory)
    bundle = PolicyBundle(policy, "toy")
    again = PolicyBundle.load(bundle.save(tmp_path / "bundle"))
    assert again.policy.config.learn_initial_state and again.digest() == bundle.digest()
    for one, two in zip(policy.initial_state(2), again.policy.initial_state(2), strict=True):
        assert torch.equal(one, two)


def test_policies_made_before_there_was_the_setting_keep_their_digest() -> None:
    import numpy as np

    bundle = PolicyBundle.load(COMMITTED / "student")
    with np.load(COMMITTED / "export" / "golden.npz") as golden:
        assert bundle.digest() == str(golden["policy_digest"])
    assert "learn_initial_state" not in make(learnt=False).config.architecture()


# -- who learns it ---------------------------------------------------------------------------------


def worlds() -> QuadrotorTwin:
    return QuadrotorTwin(QuadrotorConfig(references=References(langevin=0.0)), N, seed=1)


def student(env: QuadrotorTwin) -> Policy:
    torch.manual_seed(2)
    config = PolicyConfig(encoder=[8], memory_size=4, normalize=False, learn_initial_state=True)
    return Policy(config, env.spec.select(["proprioception"]), 4)


def by_gradients() -> WindowLearner:
    env = worlds()
    config = APGConfig(N, iterations=9, window=4, first_window=4, normalizer_iterations=0)
    return AnalyticPolicyGradient(env, student(env), config)


def by_imitation() -> WindowLearner:
    env = worlds()
    teacher = Policy(PolicyConfig(encoder=[8], memory="none"), env.spec, 4).requires_grad_(False)
    config = WindowDistillConfig(
        N, 9, window=4, first_window=4, minibatches=1, warmup_iterations=0, normalizer_iterations=0
    )
    return WindowDistiller(env, student(env), config, teacher)


LEARNERS: list[Callable[[], WindowLearner]] = [by_gradients, by_imitation]


@pytest.mark.parametrize("make_learner", LEARNERS)
def test_windows_teach_it_where_episodes_begin_and_only_there(
    make_learner: Callable[[], WindowLearner],
) -> None:
    learner = make_learner()
    memory = learner.policy().memory
    assert memory is not None and memory.start is not None
    assert learner.starts.all()
    learner.learn_one()
    assert memory.start.grad is not None and memory.start.grad.any()
    assert memory.start.detach().any()  # it has moved
    learner.starts = torch.zeros(N, dtype=torch.bool)
    memory.start.grad = None
    learner.learn_one()
    assert memory.start.grad is None or not memory.start.grad.any()


@pytest.mark.parametrize("make_learner", LEARNERS)
def test_a_new_episode_begins_with_what_is_learnt_by_then(
    make_learner: Callable[[], WindowLearner],
) -> None:
    learner = make_learner()
    over = torch.arange(N) == 3
    learner.env.next_window = lambda *_: over  # type: ignore[method-assign]
    learner.learn_one()
    assert torch.equal(learner.starts, over)
    begins = learner.policy().initial_state(N)
    for part, begin in zip(learner.hidden, begins, strict=True):
        assert torch.equal(part[:, 3], begin[:, 3]) and not torch.equal(part[:, 2], begin[:, 2])
        assert not part.requires_grad


def test_its_gradient_is_that_of_the_plain_loop() -> None:
    learner = by_gradients()
    policy, env = learner.policy(), learner.env
    memory = policy.memory
    assert memory is not None and memory.start is not None
    learner.starts = torch.arange(N) < 5
    hidden = policy.begun(learner.hidden, learner.starts)
    state, total = env.worlds, torch.zeros(N)
    chance = env.draw  # no chance in these worlds: every draw is empty
    for _ in range(4):
        obs = {name: value.t() for name, value in env.observation(state).items()}
        action, hidden = policy(obs, hidden)
        state, cost = env.advance(state, action.t(), chance())
        total = total + cost
    loss = (total / 4 + env.last_cost(state)).mean()
    (wanted,) = torch.autograd.grad(loss, memory.start)
    learner._descend = lambda cost: (cost.backward(), 0.0)[1]  # type: ignore[method-assign]
    learner._fly(4, looking=False)
    assert memory.start.grad is not None
    assert torch.allclose(memory.start.grad, wanted, rtol=1e-4, atol=1e-7) and wanted.any()


def test_resumed_it_goes_on_bit_for_bit() -> None:
    whole, first, second = by_gradients(), by_gradients(), by_gradients()
    for _ in range(4):
        whole.learn_one()
    for _ in range(2):
        first.learn_one()
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        second.learn_one()
    for one, two in zip(whole.policy().parameters(), second.policy().parameters(), strict=True):
        assert torch.equal(one, two)
    assert isinstance(whole.config, WindowsConfig)
