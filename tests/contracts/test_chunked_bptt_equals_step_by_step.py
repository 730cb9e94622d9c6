"""Contract 6: the fused sequence path has the outputs and gradients of the plain loop."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from robo_ts.distill import DistillConfig, Distiller, PolicyTeacher, update
from robo_ts.distill.dataset import Rollout
from robo_ts.env import ObservationGroup, ObservationSpec, TaskEnv, Term
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.memory import Hidden, detached

SPEC = ObservationSpec([ObservationGroup("sensors", (Term("x", 5),), deployable=True)])
TIME, N = 13, 7
# Sums in another order: some hundred units in the last place.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def random_starts(share: float, first: bool) -> Tensor:
    starts = torch.rand(TIME, N, generator=torch.Generator().manual_seed(2)) < share
    starts[0] &= first
    return starts


def only_at_first() -> Tensor:
    starts = torch.zeros(TIME, N, dtype=torch.bool)
    starts[0, ::2] = True
    return starts


def consecutive() -> Tensor:
    starts = torch.zeros(TIME, N, dtype=torch.bool)
    starts[4:7, 0] = True
    starts[0:2, 1] = True
    starts[TIME - 2 :, 2] = True
    starts[0, 3] = True
    starts[TIME - 1, 4] = True
    return starts


STARTS: dict[str, Callable[[], Tensor]] = {
    "nowhere": lambda: torch.zeros(TIME, N, dtype=torch.bool),
    "everywhere": lambda: torch.ones(TIME, N, dtype=torch.bool),
    "at random": lambda: random_starts(0.2, first=False),
    "at random and at the first step": lambda: random_starts(0.5, first=True),
    "at the first step only": only_at_first,
    "one after another": consecutive,
}


def policy_with(memory: str, layers: int, dtype: torch.dtype, learnt: bool = False) -> Policy:
    torch.manual_seed(0)
    config = PolicyConfig(
        encoder=[9],
        memory=memory,
        memory_size=6,
        memory_layers=layers,
        decoder=[8],
        learn_initial_state=learnt,
    )
    policy = Policy(config, SPEC, 3)
    if policy.memory is not None and policy.memory.start is not None:
        torch.nn.init.normal_(policy.memory.start)
    policy.normalizer.update(2.0 * torch.randn(50, 5) + 1.0)  # type: ignore[operator]
    return policy.to(dtype)


def random_hidden(policy: Policy, num: int, dtype: torch.dtype) -> Hidden:
    return tuple(torch.randn(p.shape, dtype=dtype) for p in policy.initial_state(num))


def plain_loop(policy: Policy, x: Tensor, hidden: Hidden, starts: Tensor) -> tuple[Tensor, Hidden]:
    """What the fused path must equal: one world after the other, one step after the other."""
    outputs = []
    for t in range(len(x)):
        rows = []
        for world in range(x.shape[1]):
            own = tuple(part[:, world : world + 1] for part in hidden)
            if starts[t, world]:
                own = policy.begun(own, torch.ones(1, dtype=torch.bool))
            rows.append(policy({"sensors": x[t, world : world + 1]}, own))
        outputs.append(torch.cat([action for action, _ in rows]))
        hidden = tuple(torch.cat(parts, dim=1) for parts in zip(*(h for _, h in rows), strict=True))
    return torch.stack(outputs), hidden


def gradients(policy: Policy, loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    wanted = [*policy.parameters(), *inputs]
    return list(torch.autograd.grad(loss, wanted, materialize_grads=True))


def assert_close(one: list[Tensor], two: list[Tensor], dtype: torch.dtype) -> None:
    for a, b in zip(one, two, strict=True):
        scale = max(1.0, float(b.detach().abs().max()))
        assert float((a - b).detach().abs().max()) <= TOLERANCE[dtype] * scale


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("where", list(STARTS))
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_a_sequence_has_the_outputs_states_and_gradients_of_a_loop(
    memory: str, layers: int, where: str, dtype: torch.dtype
) -> None:
    policy, starts = policy_with(memory, layers, dtype), STARTS[where]()
    x = torch.randn(TIME, N, 5, dtype=dtype, requires_grad=True)
    hidden = tuple(part.requires_grad_() for part in random_hidden(policy, N, dtype))
    target = torch.randn(TIME, N, 3, dtype=dtype)

    fused, looped = (
        policy.sequence({"sensors": x}, hidden, starts),
        plain_loop(policy, x, hidden, starts),
    )
    found = []
    for action, last in (fused, looped):
        # The last state is part of the loss, so that its gradient is compared as well.
        loss = (action - target).square().sum() + sum(part.square().sum() for part in last)
        assert isinstance(loss, Tensor)
        found.append([action, *last, *gradients(policy, loss, x, *hidden)])
    assert_close(found[0], found[1], dtype)


@pytest.mark.parametrize("gradient", [True, False], ids=["general path", "fused path"])
@pytest.mark.parametrize("where", list(STARTS))
@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_a_learnt_initial_state_has_the_gradient_of_a_loop(
    memory: str, where: str, gradient: bool
) -> None:
    # Only a state that wants no gradient takes the path written for CPUs.
    policy, starts = policy_with(memory, 1, torch.float64, learnt=True), STARTS[where]()
    assert policy.memory is not None and policy.memory.start is not None
    x = torch.randn(TIME, N, 5, dtype=torch.float64, requires_grad=True)
    hidden = tuple(
        part.requires_grad_(gradient) for part in random_hidden(policy, N, torch.float64)
    )
    target = torch.randn(TIME, N, 3, dtype=torch.float64)
    found = []
    for action, last in (
        policy.sequence({"sensors": x}, hidden, starts),
        plain_loop(policy, x, hidden, starts),
    ):
        loss = (action - target).square().sum() + sum(part.square().sum() for part in last)
        assert isinstance(loss, Tensor)
        found.append([action, *last, *gradients(policy, loss, x)])
    assert_close(found[0], found[1], torch.float64)
    loss = (policy.sequence({"sensors": x}, hidden, starts)[0] - target).square().sum()
    (own,) = gradients_of(loss, policy.memory.start)
    assert bool(own.any()) == bool(starts.any())


def gradients_of(loss: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, inputs, materialize_grads=True)


def test_nothing_flows_across_an_episodes_start() -> None:
    policy = policy_with("gru", 2, torch.float64)
    x = torch.randn(TIME, N, 5, dtype=torch.float64, requires_grad=True)
    starts = torch.zeros(TIME, N, dtype=torch.bool)
    starts[6, 2] = True
    action, _ = policy.sequence({"sensors": x}, policy.initial_state(N), starts)
    (flow,) = torch.autograd.grad(action[6:, 2].square().sum(), x)
    assert not flow[:6].any() and not flow[:, [0, 1, 3, 4, 5, 6]].any()
    assert flow[6:, 2].any(dim=-1).all()


def test_a_policy_without_memory_has_the_same_sequence_path() -> None:
    torch.manual_seed(0)
    policy = Policy(PolicyConfig(memory="none"), SPEC, 3)
    x = torch.randn(TIME, N, 5)
    action, hidden = policy.sequence({"sensors": x}, (), STARTS["at random"]())
    assert hidden == ()
    steps = torch.stack([policy({"sensors": row})[0] for row in x])
    assert torch.allclose(action, steps, atol=1e-6)


@pytest.mark.parametrize("memory", ["gru", "lstm"])
@pytest.mark.parametrize("bptt_length", [5, 6, 12])
def test_the_distillers_chunks_have_the_losses_and_gradients_of_a_loop_that_detaches(
    memory: str,
    bptt_length: int,
    make_quadrotor: Callable[..., TaskEnv],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps, dtype = 12, torch.float64
    env = RslRlEnv(make_quadrotor(num_envs=N))
    student = Policy(
        PolicyConfig(memory=memory, memory_size=6), env.env.spec.select(["proprioception"]), 4
    ).to(dtype)
    teacher = Policy(PolicyConfig(memory="none"), env.env.spec, 4)
    config = DistillConfig(
        num_envs=N, steps_per_iteration=steps, bptt_length=bptt_length, minibatches=1
    )
    distiller = Distiller(env, PolicyTeacher(teacher, N), student, config)
    batch = rollout(
        torch.randn(steps, N, student.spec.size(), dtype=dtype),
        torch.randn(steps, N, 4, dtype=dtype),
        torch.rand(steps, N) < 0.8,
        torch.rand(steps, N) < 0.2,
        random_hidden(student, N, dtype),
        fresh=True,
    )
    monkeypatch.setattr(update, "_full", lambda output: output)  # stays in float64
    chunked = [
        (found["total"], gradients(student, found["total"]))
        for found in distiller.updater._chunks(batch, 0)
    ]

    hidden = batch.hidden
    expected = []
    for begin in range(0, steps, bptt_length):
        error, count = torch.zeros((), dtype=dtype), 0
        hidden = detached(hidden)
        for t in range(begin, min(begin + bptt_length, steps)):
            keep = (~batch.starts[t])[None, :, None]
            obs = {"proprioception": batch.obs["proprioception"][t]}
            action, hidden = student(obs, tuple(part * keep for part in hidden))
            for world in range(N):
                if batch.valid[t, world]:
                    error = error + (action[world] - batch.label[t, world]).square().mean()
                    count += 1
        expected.append((error / count, gradients(student, error / count)))
    assert len(chunked) == len(expected) == -(-steps // bptt_length)
    for (loss, grads), (wanted, wanted_grads) in zip(chunked, expected, strict=True):
        assert_close([loss, *grads], [wanted, *wanted_grads], dtype)


def test_burn_in_steps_warm_the_memory_but_are_not_learnt_from(
    make_quadrotor: Callable[..., TaskEnv],
) -> None:
    env = RslRlEnv(make_quadrotor(num_envs=N))
    student = Policy(PolicyConfig(memory_size=6), env.env.spec.select(["proprioception"]), 4)
    config = DistillConfig(
        num_envs=N, steps_per_iteration=8, bptt_length=8, minibatches=1, burn_in=3
    )
    teacher = PolicyTeacher(Policy(PolicyConfig(memory="none"), env.env.spec, 4), N)
    distiller = Distiller(env, teacher, student, config)
    for fresh in (False, True):
        batch = rollout(
            torch.randn(8, N, student.spec.size()),
            torch.randn(8, N, 4),
            torch.ones(8, N, dtype=torch.bool),
            torch.zeros(8, N, dtype=torch.bool),
            random_hidden(student, N, torch.float32),
            fresh,
        )
        (found,) = distiller.updater._chunks(batch, 0)
        action, _ = student.sequence(batch.obs, batch.hidden, batch.starts)
        wanted = (action - batch.label)[0 if fresh else 3 :].square().mean()
        assert torch.allclose(found["total"], wanted)
        assert batch.valid.all()  # the data itself is as it was


def rollout(
    x: Tensor, label: Tensor, valid: Tensor, starts: Tensor, hidden: Hidden, fresh: bool
) -> Rollout:
    """A minibatch as the data set hands it out."""
    num = x.shape[1]
    fields = {"obs.proprioception": x, "label": label, "valid": valid, "starts": starts}
    return Rollout(fields, hidden, torch.full((num,), fresh), torch.ones(num), torch.arange(num))
