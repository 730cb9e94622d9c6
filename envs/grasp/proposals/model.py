"""The proposal model: p(R|X) p(t,q|X,R) and the contact map that refines what it draws.

X is the object's surface as it lies, z up, around its centre of mass; the table's height comes
beside it. Translation and fingers are drawn in the orientation already drawn: clouds and
translations are turned by ``R^-1``, so that one grasp looks the same from everywhere (UniDexGrasp,
section 3.2).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.config import ModelConfig
from robo_ts.envs.grasp.proposals.contact_map import SCALE, ContactNet
from robo_ts.envs.grasp.proposals.flow import PoseFlow
from robo_ts.envs.grasp.proposals.grasps import Grasps, rest_rotation
from robo_ts.envs.grasp.proposals.rotation_model import RotationModel
from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path
from robo_ts.policies.points import PointEncoder

FORMAT = 1


class ProposalModel(nn.Module):
    """See the module.

    Args:
        hand: its name, kept with the weights.
        actuators: finger actuators of the hand.
        config: sizes.
    """

    def __init__(self, hand: str, actuators: int, config: ModelConfig) -> None:
        super().__init__()
        self.hand, self.actuators, self.config = hand, actuators, config
        width = config.width
        self._as_it_lies = PointEncoder([width, 2 * width], width)
        self.rotation = RotationModel(width + 1, 2 * width, config.queries, config.grid)
        self._as_the_hand_sees = PointEncoder([width, 2 * width], width)
        self.pose = PoseFlow(3 + actuators, width + 4, config.transforms, width)
        self.contact = ContactNet(width)

    def log_prob(
        self, cloud: Tensor, height: Tensor, rotation: Tensor, translation: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logarithms of p(R|X) and p(t,q|X,R), ``(n,)`` each; t in decimetres.

        Args:
            cloud: the objects' points, z up, ``(n, p, 3)`` m.
            height: of their origins above the table, ``(n,)`` m.
            rotation: ``(n, 3, 3)`` in the same frame.
            translation: ``(n, 3)`` m in the same frame.
            lengths: ``(n, u)``.
        """
        first = self.rotation.log_prob(self._lying(cloud, height), rotation, self.training)
        values = self.values(rotation, translation, lengths)
        return first, self.pose.log_prob(values, self._held(cloud, height, rotation))

    @staticmethod
    def values(rotation: Tensor, translation: Tensor, lengths: Tensor) -> Tensor:
        """What the flow is a density of: translation in the hand's orientation, lengths."""
        own = (rotation.transpose(1, 2) @ translation[..., None])[..., 0]
        return torch.cat([SCALE * own, lengths], dim=-1)

    @torch.no_grad()
    def sample(self, objects: ObjectSet, ids: Tensor, pose: Tensor, rng: torch.Generator) -> Grasps:
        """A grasp for each row of ``ids (n,)`` and ways to lie ``pose (n,)``."""
        turn = rest_rotation(objects, ids, pose)
        cloud = torch.as_tensor(objects.points, dtype=torch.float32)[ids] @ turn.transpose(1, 2)
        height = torch.as_tensor(objects.pose_height, dtype=torch.float32)[ids, pose]
        rotation = self.rotation.sample(self._lying(cloud, height), rng)
        values = self.pose.sample(self._held(cloud, height, rotation), rng)
        translation = (rotation @ values[:, :3, None])[..., 0] / SCALE
        back = turn.transpose(1, 2)
        return Grasps(
            ids, pose, back @ rotation, (back @ translation[..., None])[..., 0], values[:, 3:]
        )

    def _lying(self, cloud: Tensor, height: Tensor) -> Tensor:
        return torch.cat(
            [self._as_it_lies(SCALE * cloud.flatten(1)), SCALE * height[:, None]], dim=-1
        )

    def _held(self, cloud: Tensor, height: Tensor, rotation: Tensor) -> Tensor:
        seen = self._as_the_hand_sees(SCALE * (cloud @ rotation).flatten(1))
        # The table in the hand's orientation: which way is up, and how far down it is.
        return torch.cat([seen, rotation[:, 2], SCALE * height[:, None]], dim=-1)

    def save(self, path: Path) -> None:
        """Write weights and settings as one safetensors file."""
        about = {
            "format": FORMAT,
            "hand": self.hand,
            "actuators": self.actuators,
            "config": asdict(self.config),
        }
        with atomic_path(path) as partial:
            save_file(self.state_dict(), partial, metadata={"robo_ts": json.dumps(about)})

    @staticmethod
    def load(path: Path) -> ProposalModel:
        """What :meth:`save` wrote.

        Raises:
            RoboTSError: when the file is missing, damaged, or of something else.
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                about = json.loads((file.metadata() or {})["robo_ts"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about["format"] != FORMAT:
                raise KeyError(f"format {about['format']}, not {FORMAT}")
            model = ProposalModel(about["hand"], about["actuators"], ModelConfig(**about["config"]))
            model.load_state_dict(weights)
        except (
            OSError, SafetensorError, KeyError, TypeError, RuntimeError, json.JSONDecodeError
        ) as error:  # fmt: skip
            raise RoboTSError(
                f"a proposal model at {path}",
                f"{type(error).__name__}: {error}",
                "train it with scripts/grasp_proposals.py",
            ) from error
        return model.eval()
