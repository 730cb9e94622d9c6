"""A scripted controller that feels the joint velocities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.envs.benchmarks.reacher.config import LINK


@dataclass(frozen=True)
class Gains:
    """Gains of the controller.

    Attributes:
        stiffness: action per rad of joint error, for shoulder and elbow.
        damping: action per rad/s of joint velocity, for shoulder and elbow.
        largest_error: joint errors are scaled down to this, rad.
        singularity: damping of the inverse near the stretched and the folded arm, m.
    """

    stiffness: tuple[float, float] = (2.0, 2.0)
    damping: tuple[float, float] = (0.25, 0.25)
    largest_error: float = 1.5
    singularity: float = 0.02


GAINS = Gains()
STD = 0.1  # of the action


def act(obs: Mapping[str, Tensor], gains: Gains = GAINS) -> Tensor:
    """Torques that pull the fingertip to the target and brake the joints.

    The fingertip's error becomes a joint error by damped least squares; a spring and a damper in
    each joint do the rest.

    Args:
        obs: groups ``proprioception (n, 6)`` and ``privileged (n, 2)``.
        gains: of spring and damper.

    Returns:
        Actions ``(n, 2)`` in [-1, 1].
    """
    (c1, c2), (s1, s2) = obs["proprioception"][:, :2].T, obs["proprioception"][:, 2:4].T
    ex, ey = obs["proprioception"][:, 4:6].T
    velocity = obs["privileged"]
    c12, s12 = c1 * c2 - s1 * s2, s1 * c2 + c1 * s2
    # Columns of the fingertip's Jacobian.
    xb, yb = -LINK * s12, LINK * c12
    xa, ya = -LINK * s1 + xb, LINK * c1 + yb
    # J^T (J J^T + l^2 1)^-1 e, with the 2x2 inverse written out.
    extra = gains.singularity**2
    xx, yy, xy = xa * xa + xb * xb + extra, ya * ya + yb * yb + extra, xa * ya + xb * yb
    determinant = xx * yy - xy * xy
    ux, uy = (yy * ex - xy * ey) / determinant, (xx * ey - xy * ex) / determinant
    error = torch.stack([xa * ux + ya * uy, xb * ux + yb * uy], dim=-1)
    size = torch.linalg.vector_norm(error, dim=-1, keepdim=True)
    error = error * (gains.largest_error / size.clamp_min(gains.largest_error))
    stiffness, damping = velocity.new_tensor(gains.stiffness), velocity.new_tensor(gains.damping)
    return (stiffness * error - damping * velocity).clamp(-1.0, 1.0)


def distribution(obs: Mapping[str, Tensor], gains: Gains = GAINS) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the teacher's Gaussian action, ``(n, 2)`` each."""
    mean = act(obs, gains)
    return mean, torch.full_like(mean, STD)
