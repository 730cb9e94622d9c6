"""The losses, and the mean over what may be learnt from."""

from __future__ import annotations

import pytest
import torch

from robo_ts.distill import DistillConfig
from robo_ts.distill.losses import LOSSES, huber, masked_mean, mse
from robo_ts.errors import RoboTSError


def test_mse_is_the_mean_square_over_actions() -> None:
    student, teacher = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 2.0]]])
    assert torch.equal(mse(student, teacher), torch.tensor([[2.5]]))


def test_huber_is_quadratic_up_to_a_tenth_and_linear_beyond() -> None:
    error = torch.tensor([[0.05], [0.1], [0.5], [-1.0]])
    wanted = torch.tensor([0.5 * 0.05**2, 0.5 * 0.1**2, 0.1 * 0.45, 0.1 * 0.95])
    assert torch.allclose(huber(error, torch.zeros(4, 1)), wanted)


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_keeps_time_and_world_and_is_zero_for_equal_actions(name: str) -> None:
    action = torch.randn(5, 3, 4)
    loss = LOSSES[name](action, action)
    assert loss.shape == (5, 3) and not loss.any()
    assert (LOSSES[name](action, action + 1) > 0).all()


def test_a_masked_mean_counts_the_marked_only() -> None:
    values = torch.tensor([1.0, 2.0, 300.0])
    assert float(masked_mean(values, torch.tensor([1.0, 1.0, 0.0]))) == 1.5
    assert float(masked_mean(values, torch.zeros(3))) == 0.0


def test_an_unknown_loss_is_refused_with_a_near_one() -> None:
    with pytest.raises(RoboTSError) as failure:
        DistillConfig(loss="mes")
    assert "mse" in failure.value.fix
