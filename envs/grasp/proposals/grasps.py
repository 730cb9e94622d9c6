"""Grasps as arrays, and as a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from robo_ts.envs.grasp.geometry import quat_to_matrix
from robo_ts.envs.grasp.objects.object_set import ObjectSet
from robo_ts.envs.grasp.proposals.energy import Lying
from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path

FORMAT = 1


@dataclass
class Grasps:
    """Poses of a hand around objects, one row each, in the object's frame.

    Attributes:
        ids: of the objects, ``(n,)``.
        pose: which of the object's ways to lie, ``(n,)``.
        rotation: of the hand's model, ``(n, 3, 3)``.
        translation: of the hand's site ``palm``, ``(n, 3)`` m.
        lengths: of the finger actuators, ``(n, u)`` rad.
    """

    ids: Tensor
    pose: Tensor
    rotation: Tensor
    translation: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, which: Tensor | slice) -> Grasps:
        """Some rows only."""
        return Grasps(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def lying(self, objects: ObjectSet) -> Lying:
        """How each grasp's object lies."""
        turn = rest_rotation(objects, self.ids, self.pose)
        height = torch.as_tensor(objects.pose_height, dtype=torch.float32)
        return Lying(self.ids, turn[:, 2], height[self.ids, self.pose])


def rest_rotation(objects: ObjectSet, ids: Tensor, pose: Tensor) -> Tensor:
    """From an object's frame to the world, as it lies, ``(n, 3, 3)``."""
    quat = torch.as_tensor(objects.pose_quat, dtype=torch.float32)
    return quat_to_matrix(quat[ids, pose])


def together(parts: list[Grasps]) -> Grasps:
    """Several sets, one after the other."""
    return Grasps(
        **{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Grasps)}
    )


def save_grasps(path: Path, grasps: Grasps, about: dict[str, Any], **more: Tensor) -> None:
    """Write grasps and further arrays with one row each as one safetensors file.

    Args:
        path: the file.
        grasps: what to write.
        about: where they come from; has to fit in JSON.
        more: for instance which of them held.
    """
    tensors = {f.name: getattr(grasps, f.name).contiguous() for f in fields(Grasps)}
    tensors |= {name: value.contiguous() for name, value in more.items()}
    text = json.dumps({"format": FORMAT, **about})
    with atomic_path(path) as partial:
        save_file(tensors, partial, metadata={"robo_ts": text})


def load_grasps(path: Path) -> tuple[Grasps, dict[str, Any], dict[str, Tensor]]:
    """What :func:`save_grasps` wrote.

    Raises:
        RoboTSError: when the file is missing, damaged, or of something else.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            about = json.loads((file.metadata() or {})["robo_ts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        grasps = Grasps(**{f.name: tensors.pop(f.name) for f in fields(Grasps)})
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise RoboTSError(
            f"a file of grasps at {path}",
            f"{type(error).__name__}: {error}",
            "make it with scripts/grasp_proposals.py",
        ) from error
    if about.get("format") != FORMAT:
        raise RoboTSError(
            f"grasps of format {FORMAT}", str(about.get("format")), f"make {path} anew"
        )
    return grasps, about, tensors
