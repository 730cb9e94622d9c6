"""What is minimised between the student's word and the teacher's.

Every loss takes the student's :class:`Output` and the teacher's mean and standard deviation, all
``(..., num_actions)``, and gives one number per step, ``(...)``. Gaussian formulas hold per action
dimension and are averaged, so that weights mean the same for any robot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.policies.policy import Output

Loss = Callable[[Output, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class LossSpec:
    """A loss and what it needs.

    Attributes:
        function: the loss.
        student_std: whether the student has to have a standard deviation.
        teacher_std: whether the teacher has to.
    """

    function: Loss
    student_std: bool = False
    teacher_std: bool = False


def mse(student: Output, teacher: Tensor, std: Tensor | None) -> Tensor:
    """Squared error of the mean."""
    return (student.action - teacher).square().mean(dim=-1)


def huber(student: Output, teacher: Tensor, std: Tensor | None) -> Tensor:
    """Huber error of the mean (delta 0.1, in action units)."""
    return torch.nn.functional.huber_loss(
        student.action, teacher, reduction="none", delta=0.1
    ).mean(dim=-1)


def nll(student: Output, teacher: Tensor, std: Tensor | None) -> Tensor:
    """Negative log-likelihood of the teacher's mean under the student."""
    own = _given(student.std)
    z = (teacher - student.action) / own
    return (0.5 * z.square() + torch.log(own) + 0.5 * math.log(2.0 * math.pi)).mean(dim=-1)


def forward_kl(student: Output, teacher: Tensor, std: Tensor | None) -> Tensor:
    """KL(teacher || student). With something the student cannot see, its optimal variance is the
    teacher's plus the variance of the teacher's mean given what the student sees."""
    return gaussian_kl(teacher, _given(std), student.action, _given(student.std)).mean(dim=-1)


def reverse_kl(student: Output, teacher: Tensor, std: Tensor | None) -> Tensor:
    """KL(student || teacher), as in KDRL (arXiv 2506.02208)."""
    return gaussian_kl(student.action, _given(student.std), teacher, _given(std)).mean(dim=-1)


def balanced_kl(student: Output, teacher: Tensor, std: Tensor | None) -> Tensor:
    """Both, weighted by the entropy gap (BD-KD, arXiv 2212.12965).

    Where the student is surer than the teacher, the forward KL, which widens it, gets the weight;
    where it is less sure, the reverse KL. The weight is the logistic function of the gap.
    """
    own, theirs = _given(student.std), _given(std)
    gap = (torch.log(theirs) - torch.log(own)).mean(dim=-1).detach()
    share = torch.sigmoid(gap)
    return share * forward_kl(student, teacher, std) + (1.0 - share) * reverse_kl(
        student, teacher, std
    )


def sigma_l2(student: Output, teacher: Tensor, std: Tensor | None) -> Tensor:
    """Distance in units of the teacher's standard deviation (DextrAH-RGB): where it is sure, the
    student has to be exact. With a standard deviation of its own, the student also learns that."""
    theirs = _given(std)
    z = (student.action - teacher) / theirs
    distance = (z.square().mean(dim=-1) + 1e-8).sqrt()  # the root's slope is infinite at zero
    if student.std is None:
        return distance
    return distance + ((student.std - theirs).square().mean(dim=-1) + 1e-8).sqrt()


LOSSES: dict[str, LossSpec] = {
    "mse": LossSpec(mse),
    "huber": LossSpec(huber),
    "nll": LossSpec(nll, student_std=True),
    "forward_kl": LossSpec(forward_kl, student_std=True, teacher_std=True),
    "reverse_kl": LossSpec(reverse_kl, student_std=True, teacher_std=True),
    "balanced_kl": LossSpec(balanced_kl, student_std=True, teacher_std=True),
    "sigma_l2": LossSpec(sigma_l2, teacher_std=True),
}


def gaussian_kl(mean_p: Tensor, std_p: Tensor, mean_q: Tensor, std_q: Tensor) -> Tensor:
    """KL(p || q) of Gaussians, per dimension."""
    ratio = (std_p / std_q).square()
    gap = ((mean_p - mean_q) / std_q).square()
    return 0.5 * (ratio + gap - 1.0 - torch.log(ratio))


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``values`` under ``weight``; zero when it is zero everywhere."""
    # Not a product alone: zero times NaN is NaN, and labels that may not be used may be anything.
    kept = torch.where(weight > 0, values, torch.zeros_like(values))
    return (kept * weight).sum() / weight.sum().clamp_min(1.0)


def _given(std: Tensor | None) -> Tensor:
    assert std is not None, "checked before training starts"
    return std
