"""The losses, and the mean over what may be learnt from."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from robo_ts.distill import DistillConfig
from robo_ts.distill.losses import (
    LOSSES,
    balanced_kl,
    forward_kl,
    huber,
    masked_mean,
    mse,
    nll,
    reverse_kl,
    sigma_l2,
)
from robo_ts.errors import RoboTSError
from robo_ts.policies.policy import Output


def said(mean: Tensor, std: Tensor | None = None) -> Output:
    return Output(mean, std, mean)


def draws() -> tuple[Output, Tensor, Tensor]:
    torch.manual_seed(0)
    student = said(torch.randn(5, 3, 4), torch.rand(5, 3, 4) + 0.1)
    return student, torch.randn(5, 3, 4), torch.rand(5, 3, 4) + 0.1


def test_mse_is_the_mean_square_over_actions() -> None:
    student, teacher = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 2.0]]])
    assert torch.equal(mse(said(student), teacher, None), torch.tensor([[2.5]]))


def test_huber_is_quadratic_up_to_a_tenth_and_linear_beyond() -> None:
    error = torch.tensor([[0.05], [0.1], [0.5], [-1.0]])
    wanted = torch.tensor([0.5 * 0.05**2, 0.5 * 0.1**2, 0.1 * 0.45, 0.1 * 0.95])
    assert torch.allclose(huber(said(error), torch.zeros(4, 1), None), wanted)


def test_divergences_and_likelihood_are_those_of_torchs_gaussians() -> None:
    student, mean, std = draws()
    assert student.std is not None
    own, theirs = Normal(student.action, student.std), Normal(mean, std)
    assert torch.allclose(forward_kl(student, mean, std), kl_divergence(theirs, own).mean(-1))
    assert torch.allclose(reverse_kl(student, mean, std), kl_divergence(own, theirs).mean(-1))
    assert torch.allclose(nll(student, mean, None), -own.log_prob(mean).mean(-1), atol=1e-6)


def test_the_balanced_divergence_widens_a_student_that_is_too_sure() -> None:
    mean, std = torch.zeros(1, 2), torch.ones(1, 2)
    sure, unsure = said(mean + 1, 0.05 * std), said(mean + 1, 20.0 * std)
    assert torch.allclose(
        balanced_kl(sure, mean, std), forward_kl(sure, mean, std), rtol=0.06, atol=0
    )
    assert torch.allclose(
        balanced_kl(unsure, mean, std), reverse_kl(unsure, mean, std), rtol=0.06, atol=0
    )


def test_the_sigma_weighted_distance_counts_in_the_teachers_deviations() -> None:
    error = torch.tensor([[0.1, 0.1]])
    near = sigma_l2(said(error), torch.zeros(1, 2), torch.full((1, 2), 0.1))
    assert float(near) == pytest.approx(1.0, abs=1e-3)
    assert float(sigma_l2(said(error), torch.zeros(1, 2), torch.full((1, 2), 0.01))) > 9


@pytest.mark.parametrize("cue_gap", [0.5, 2.0])
def test_only_the_forward_divergence_learns_what_the_student_cannot_see(cue_gap: float) -> None:
    """Facts of the Gaussian: with a hidden cue the forward KL's optimal variance is the teacher's
    plus that of its mean, the reverse KL's is the teacher's alone."""
    means, theirs = torch.tensor([[-cue_gap], [cue_gap]]), torch.full((2, 1), 0.3)
    found = {}
    for name in ("forward_kl", "reverse_kl"):
        mean, log_std = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.Adam([mean, log_std], lr=0.02)
        for _ in range(1500):
            student = said(mean.expand(2, 1), log_std.exp().expand(2, 1))
            loss = LOSSES[name].function(student, means, theirs).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found[name] = float(log_std.detach().exp())
    assert found["forward_kl"] == pytest.approx(math.hypot(0.3, cue_gap), rel=0.02)
    assert found["reverse_kl"] == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_keeps_time_and_world_and_is_least_for_equal_words(name: str) -> None:
    student, mean, std = draws()
    equal = LOSSES[name].function(said(mean, std), mean, std)
    other = LOSSES[name].function(student, mean, std)
    assert equal.shape == other.shape == (5, 3)
    assert torch.isfinite(equal).all()
    assert (other.mean() > equal.mean()) and (name == "nll" or (equal.abs() < 1e-3).all())


@pytest.mark.parametrize("name", list(LOSSES))
def test_gradients_stay_finite_where_student_and_teacher_agree(name: str) -> None:
    mean = torch.zeros(3, 2, requires_grad=True)
    std = torch.full((3, 2), 0.2, requires_grad=True)
    LOSSES[name].function(
        said(mean, std), torch.zeros(3, 2), torch.full((3, 2), 0.2)
    ).sum().backward()
    assert mean.grad is not None and torch.isfinite(mean.grad).all()


def test_a_masked_mean_counts_the_marked_only() -> None:
    values = torch.tensor([1.0, 2.0, math.nan])
    assert float(masked_mean(values, torch.tensor([1.0, 1.0, 0.0]))) == 1.5
    assert float(masked_mean(values, torch.zeros(3))) == 0.0


def test_an_unknown_loss_is_refused_with_a_near_one() -> None:
    with pytest.raises(RoboTSError) as failure:
        DistillConfig(loss="mes")
    assert "mse" in failure.value.fix
