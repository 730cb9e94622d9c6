"""Optimizers made by name."""

from __future__ import annotations

import torch

from robo_ts.optimizers import make_optimizer


def left_after(name: str, updates: int) -> float:
    """What is left of a least squares loss whose inputs are correlated, of what it was."""
    torch.manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(8, 8))
    inputs = torch.randn(512, 8) * torch.logspace(0, -2, 8) @ turn
    wanted = inputs @ torch.randn(8, 4)
    layer = torch.nn.Linear(8, 4)
    optimizer = make_optimizer(name, layer.parameters(), 1e-2, [0.9, 0.99])
    losses = []
    for _ in range(updates):
        loss = (layer(inputs) - wanted).square().mean()
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[-1] / losses[0]


def test_soap_gets_further_than_adam_where_inputs_are_correlated() -> None:
    assert left_after("soap", 400) < 0.2 * left_after("adam", 400)


def test_neither_shrinks_weights_without_a_gradient() -> None:
    for name in ("adam", "soap"):
        layer = torch.nn.Linear(3, 2)
        before = layer.weight.detach().clone()
        optimizer = make_optimizer(name, layer.parameters(), 0.1, [0.9, 0.99])
        for _ in range(3):
            layer.weight.grad = torch.zeros_like(layer.weight)
            optimizer.step()
        assert torch.equal(layer.weight, before)
