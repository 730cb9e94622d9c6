"""Distillation window by window: the loss, whom it reaches, and who flies."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from robo_ts.distill.windows import WindowDistillConfig, WindowDistiller
from robo_ts.envs.quadrotor import QuadrotorConfig, QuadrotorTwin
from robo_ts.envs.quadrotor.config import References
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import compose_run
from robo_ts.policies import Policy, PolicyConfig

N = 16


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("envs.quadrotor.twin", "distill.windows"):
        monkeypatch.setattr(f"robo_ts.{module}.compiled", lambda function, *_, **__: function)


def teacher_of(env: QuadrotorTwin, **config: Any) -> Policy:
    torch.manual_seed(5)
    network = PolicyConfig(encoder=[8], base_term="privileged.hover_action", **config)
    return Policy(network, env.spec, 4).requires_grad_(False)


def distiller(seed: int = 0, **config: Any) -> WindowDistiller:
    env = QuadrotorTwin(QuadrotorConfig(references=References(langevin=0.0)), N, seed)
    teacher = teacher_of(env, memory="none")
    torch.manual_seed(seed)
    network = PolicyConfig(encoder=[16], memory_size=8)
    student = Policy(network, env.spec.select(["proprioception"]), 4)
    settings: dict[str, Any] = {
        "num_envs": N,
        "iterations": 40,
        "window": 8,
        "first_window": 8,
        "learning_rate": 1e-2,
        "normalizer_iterations": 3,
        "warmup_iterations": 2,
    }
    return WindowDistiller(env, student, WindowDistillConfig(**settings | config), teacher)


def test_the_loss_falls() -> None:
    one = distiller(loss="mse")
    losses = [one.learn_one()["loss"] for _ in range(40)]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


@pytest.mark.parametrize("loss", ["mse", "distance"])
def test_its_gradient_is_that_of_the_plain_loop_over_what_was_seen(loss: str) -> None:
    one = distiller(warmup_iterations=0, minibatches=1, loss=loss)
    plain = distiller(warmup_iterations=0)
    one.env.running = lambda worlds: torch.arange(N) != 3  # type: ignore[method-assign]
    one._loss(one._gather(8), torch.arange(N)).backward()
    env, student, total = plain.env, plain.policy(), torch.zeros(())
    worlds, hidden = env.worlds, student.initial_state(N)
    for _ in range(8):
        obs = {name: value.t() for name, value in env.observation(worlds).items()}
        action, hidden = student(obs, hidden)
        label = plain.teacher(obs)[0].clamp(-1.0, 1.0)
        error = (action - label).square().mean(dim=1)[torch.arange(N) != 3]
        total = total + (error.mean() if loss == "mse" else (error + 1e-6).sqrt().mean())
        worlds, _ = env.advance(worlds, action.detach().t(), env.draw())
    (total / 8).backward()
    for mine, theirs in zip(one.policy().parameters(), student.parameters(), strict=True):
        assert mine.grad is not None and theirs.grad is not None
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-3, atol=1e-6)


def test_a_window_is_learnt_from_in_as_many_updates_as_minibatches() -> None:
    one = distiller(minibatches=3)
    updates: list[int] = []
    loss = one._loss
    one._loss = lambda data, ids: (updates.extend(ids.tolist()), loss(data, ids))[1]  # type: ignore[method-assign]
    before = [p.detach().clone() for p in one.policy().parameters()]
    one.learn_one()
    steps = {float(state["step"]) for state in one.optimizer.state.values()}
    assert steps == {3.0} and sorted(updates) == list(range(N))
    assert any(
        not torch.equal(b, p) for b, p in zip(before, one.policy().parameters(), strict=True)
    )


def test_the_teacher_flies_first_and_the_student_afterwards() -> None:
    one = distiller(warmup_iterations=1)
    flown: list[torch.Tensor] = []
    advance = one.env.advance
    one.env.advance = lambda w, a, c: (flown.append(a.clone()), advance(w, a, c))[1]  # type: ignore[method-assign]
    obs = {name: value.t() for name, value in one.env.observation(one.env.worlds).items()}
    one.learn_one()
    assert torch.allclose(flown[0].t(), one.teacher(obs)[0].clamp(-1.0, 1.0), atol=1e-6)
    obs = {name: value.t() for name, value in one.env.observation(one.env.worlds).items()}
    expected, _ = one.policy()(obs, one.hidden)
    flown.clear()
    one.learn_one()
    assert torch.allclose(flown[0].t(), expected, atol=1e-6)


def test_a_run_interrupted_goes_on_bit_for_bit() -> None:
    whole, first, second = distiller(), distiller(), distiller(seed=3)
    for _ in range(6):
        whole.learn_one()
    for _ in range(3):
        first.learn_one()
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        second.learn_one()
    mine, theirs = whole.policy().state_dict(), second.policy().state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_teacher_with_memory_is_refused() -> None:
    one = distiller()
    with pytest.raises(RoboTSError, match="distiller=rounds"):
        env = one.env
        assert isinstance(env, QuadrotorTwin)
        WindowDistiller(env, one.policy(), WindowDistillConfig(), teacher_of(env, memory="gru"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["windows.warmup_iterations=-1"], "windows.warmup_iterations"),
        (["windows.window=0"], "windows.window >= 1"),
        (["windows.loss=l1"], "windows.loss"),
        (["windows.minibatches=0"], "windows.minibatches >= 1"),
        (["windows.minibatches=9", "windows.num_envs=8"], "at most windows.num_envs"),
        (["distiller=window"], "did you mean windows"),
        (["distiller=windows", "finetune=reward"], "finetune=none or finetune=apg"),
    ],
)
def test_impossible_settings_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(RoboTSError, match=said):
        compose_run(words)
