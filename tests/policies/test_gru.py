"""The GRU that runs over whole sequences on a CPU."""

from __future__ import annotations

import pytest
import torch

from robo_ts.policies import memory as memories
from robo_ts.policies.memory import Memory, masked

TIME, NUM, WIDTH, SIZE = 20, 9, 7, 16


def _gradients(memory: Memory, run, x: torch.Tensor, weight: torch.Tensor) -> list[torch.Tensor]:
    memory.zero_grad(set_to_none=True)
    x.grad = None
    out = run()
    (out * weight).sum().backward()
    assert x.grad is not None
    grads = [p.grad.clone() for p in memory.parameters() if p.grad is not None]
    return [out.detach(), x.grad.clone(), *grads]


@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_outputs_and_gradients_are_those_of_stepping(share, dtype, bound):
    torch.manual_seed(0)
    memory = Memory("gru", WIDTH, SIZE, 1).to(dtype)
    x = torch.randn(TIME, NUM, WIDTH, dtype=dtype, requires_grad=True)
    hidden = memory.initial(NUM)[0] + 1.0
    starts = torch.rand(TIME, NUM) < share
    weight = torch.randn(TIME, NUM, SIZE, dtype=dtype)

    def stepped():
        state, outputs = (hidden,), []
        for t in range(TIME):
            out, state = memory.step(x[t], masked(state, starts[t]))
            outputs.append(out)
        return torch.stack(outputs)

    whole = _gradients(memory, lambda: memory.sequence(x, (hidden,), starts)[0], x, weight)
    single = _gradients(memory, stepped, x, weight)
    assert len(whole) == 6
    for ours, theirs in zip(whole, single, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=bound, atol=bound * float(theirs.abs().max()))


def test_a_start_forgets_even_a_broken_state():
    memory = Memory("gru", WIDTH, SIZE, 1)
    starts = torch.zeros(3, NUM, dtype=torch.bool)
    starts[0] = True
    broken = (torch.full((1, NUM, SIZE), float("nan")),)
    out, last = memory.sequence(torch.randn(3, NUM, WIDTH), broken, starts)
    assert out.isfinite().all() and last[0].isfinite().all()
    out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in memory.parameters())


def test_the_general_path_gives_the_same(monkeypatch):
    """On a GPU and under autocast torch's fused layer runs over pieces cut at the starts."""
    torch.manual_seed(1)
    memory = Memory("gru", WIDTH, SIZE, 1)
    x, starts = torch.randn(TIME, NUM, WIDTH), torch.rand(TIME, NUM) < 0.2
    hidden = (torch.randn(1, NUM, SIZE),)
    fast, fast_last = memory.sequence(x, hidden, starts)
    monkeypatch.setattr(memories, "can_run", lambda *_: False)
    cut, cut_last = memory.sequence(x, hidden, starts)
    torch.testing.assert_close(fast, cut)
    torch.testing.assert_close(fast_last[0], cut_last[0])


def test_a_state_that_wants_its_gradient_gets_it():
    memory = Memory("gru", WIDTH, SIZE, 1)
    hidden = torch.randn(1, NUM, SIZE, requires_grad=True)
    starts = torch.zeros(4, NUM, dtype=torch.bool)
    out, _ = memory.sequence(torch.randn(4, NUM, WIDTH), (hidden,), starts)
    out.sum().backward()
    assert hidden.grad is not None and float(hidden.grad.abs().sum()) > 0
