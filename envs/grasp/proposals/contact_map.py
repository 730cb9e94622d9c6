"""Which parts of an object a hand touches, and a network that says which parts it should.

The map and its 10 steps are those of UniDexGrasp's ContactNet (arXiv 2303.00938), which follows
GraspTTA (Jiang et al. 2021, arXiv 2104.03304).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.kinematics import Frames
from robo_ts.policies.points import PointEncoder

STEEPNESS = 60.0  # 1/m: 1 at the hand's surface, 0.71 a centimetre off
STEPS = 10
SCALE = 10.0  # clouds in decimetres are of the size networks like


def contact_map(shape: HandShape, frames: Frames, points: Tensor) -> Tensor:
    """``2 - 2 sigmoid(60 D)`` of the distances D from points ``(n, p, 3)`` m to the hand,
    ``(n, p)``."""
    distance = shape.distance(frames, points).amin(dim=-1).clamp_min(0.0)
    return 2.0 - 2.0 * torch.sigmoid(STEEPNESS * distance)


class ContactNet(nn.Module):
    """From a hand about an object to the contact map of a good grasp nearby.

    Args:
        width: of the layers.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self._each = nn.Sequential(
            nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self._hand = PointEncoder([width, width], width)
        self._rate = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, STEPS))

    def forward(self, cloud: Tensor, hand: Tensor) -> Tensor:
        """Ratings of each step of the map.

        Args:
            cloud: the object's points in the hand's orientation, ``(n, p, 3)`` m.
            hand: the hand's points likewise, ``(n, h, 3)`` m.

        Returns:
            ``(n, p, STEPS)``.
        """
        each = self._each(SCALE * cloud)
        whole = torch.cat([each.amax(dim=1), self._hand(SCALE * hand.flatten(1))], dim=-1)
        return self._rate(torch.cat([each, whole[:, None].expand(-1, each.shape[1], -1)], dim=-1))

    @torch.no_grad()
    def expected(self, cloud: Tensor, hand: Tensor) -> Tensor:
        """The map itself, ``(n, p)``."""
        middle = (torch.arange(STEPS) + 0.5) / STEPS
        return torch.softmax(self(cloud, hand), dim=-1) @ middle


def contact_loss(rated: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of ratings ``(n, p, STEPS)`` against a map ``(n, p)``."""
    step = (wanted * STEPS).long().clamp(0, STEPS - 1)
    return nn.functional.cross_entropy(rated.flatten(0, 1), step.flatten())
