"""What a student sees with: a camera that stands beside the table, one in the palm, points."""

from __future__ import annotations

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.env.cameras import camera_groups
from robo_ts.env.observations import ObservationGroup, Term
from robo_ts.envs.grasp.eyes_config import EyesConfig
from robo_ts.envs.grasp.model import PREFIX
from robo_ts.sim import BatchSim
from robo_ts.sim.cameras import Cameras, PointCloudConfig

HAND_FIELDS = ("geom_xpos", "geom_xmat", "site_xmat")  # what HandPoints reads of the worlds
_PALM = f"{PREFIX}palm"  # the frame of all points: the middle of the palm's face
_REACH = 0.25  # m around the palm within which seen points are kept


class Eyes:
    """Cameras of the worlds, and points on the hand.

    Args:
        sim: the worlds.
        config: settings.

    Attributes:
        cameras: None where there are none.
        groups: what :meth:`read` gives.
    """

    def __init__(self, sim: BatchSim, config: EyesConfig) -> None:
        self.sim = sim
        chosen = config.chosen()
        self.cameras = Cameras(sim, chosen, _clouds(config)) if chosen else None
        self.groups = camera_groups(self.cameras) if self.cameras is not None else []
        self.hand = HandPoints(sim, config.imagined) if config.imagined else None
        if self.hand is not None:
            term = Term("points", 3 * config.imagined, "m", _PALM)
            self.groups.append(ObservationGroup("imagined", (term,), True, points=config.imagined))

    def reset(self, env_ids: Tensor, generator: torch.Generator) -> None:
        """New sensors for worlds whose episodes start."""
        if self.cameras is not None:
            self.cameras.reset(env_ids, generator)

    def step(self) -> None:
        """A control step has passed."""
        if self.cameras is not None:
            self.cameras.step()

    def read(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        """The groups of all worlds, or of ``env_ids``."""
        found = self.cameras.read(env_ids) if self.cameras is not None else {}
        return found | ({"imagined": self.hand.read(env_ids)} if self.hand is not None else {})


def _clouds(config: EyesConfig) -> list[PointCloudConfig]:
    if not config.points:
        return []
    corner = [_REACH] * 3
    low = [-c for c in corner]
    return [
        PointCloudConfig("points", list(config.cameras), config.points, _PALM, low=low, high=corner)
    ]


class HandPoints:
    """Points spread over the hand's collision geoms, where the joint encoders say they are.

    A camera sees little of a hand around an object; its kinematics know all of it.

    Args:
        sim: the worlds, made with ``fields`` that hold ``HAND_FIELDS`` and ``site_xpos``.
        count: points.
    """

    def __init__(self, sim: BatchSim, count: int) -> None:
        self.sim, model = sim, sim.model
        geoms, points = spread_points(model, count)
        self.geoms, self.points = geoms.to(sim.device), points.to(sim.device)
        self.palm = int(model.site(_PALM).id)

    def read(self, env_ids: Tensor | None = None) -> Tensor:
        """``(n, 3 * count)`` m, in the palm's frame."""
        rows = slice(None) if env_ids is None else env_ids
        place = self.sim.read("geom_xpos")[rows][:, self.geoms]
        turn = self.sim.read("geom_xmat")[rows].unflatten(-1, (3, 3))[:, self.geoms]
        world = place + (turn @ self.points[..., None])[..., 0]
        palm = self.sim.read("site_xpos")[rows][:, self.palm]
        frame = self.sim.read("site_xmat")[rows].unflatten(-1, (3, 3))[:, self.palm]
        return ((world - palm[:, None]) @ frame).flatten(1)


def spread_points(model: mujoco.MjModel, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points on the hand's collision geoms, larger geoms having more.

    Returns:
        Whose geom's each is, ``(count,)``, and where in that geom's frame, ``(count, 3)`` m.
    """
    rng = np.random.default_rng(seed)
    geoms = [g for g in range(model.ngeom) if model.geom_contype[g] and _is_hand(model, g)]
    size = model.geom_rbound[geoms]
    chosen = np.sort(rng.choice(geoms, count, p=size / size.sum()))
    return torch.from_numpy(chosen), torch.stack([_on_surface(model, g, rng) for g in chosen])


def _is_hand(model: mujoco.MjModel, geom: int) -> bool:
    return model.body(model.geom_bodyid[geom]).name.startswith(PREFIX)


def _on_surface(model: mujoco.MjModel, geom: int, rng: np.random.Generator) -> Tensor:
    """Where a ray from outside, aimed at a point inside, first meets the geom."""
    box = model.geom_aabb[geom]
    inside = box[:3] + 0.8 * rng.uniform(-1.0, 1.0, 3) * box[3:]
    away = rng.normal(size=3)
    away /= np.linalg.norm(away)
    kind, half = int(model.geom_type[geom]), model.geom_size[geom]
    length = mujoco.mju_rayGeom(
        np.zeros(3), np.eye(3).ravel(), half, inside + away, -away, kind, None
    )
    # A corner of the box may lie outside a rounded geom, and the ray may miss it.
    point = inside + (1.0 - length) * away if length >= 0.0 else np.zeros(3)
    return torch.tensor(point, dtype=torch.float32)
