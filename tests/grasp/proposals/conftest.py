"""The Allegro hand and a cube of 5 cm, as the proposals see them."""

from __future__ import annotations

import pytest
import torch

from robo_ts.envs.grasp.hands import ALLEGRO
from robo_ts.envs.grasp.objects.object_set import ObjectSet, generated
from robo_ts.envs.grasp.proposals.fields import Fields, make_fields
from robo_ts.envs.grasp.proposals.grasps import Grasps
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.kinematics import Kinematics


@pytest.fixture(scope="session")
def shape() -> HandShape:
    return HandShape(Kinematics(ALLEGRO))


@pytest.fixture(scope="session")
def cube(own_cache: object) -> ObjectSet:
    return generated(1, families=["cube"])


@pytest.fixture(scope="session")
def fields(cube: ObjectSet) -> Fields:
    return make_fields(cube, resolution=36)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def open_hands(shape: HandShape) -> Grasps:
    """Three flat hands: far from the cube, with the palm at its face, and in the middle of it."""
    kinematics = shape.kinematics
    flat = kinematics.hand.pose({"thumb_opposition": 0.263}, kinematics.actuators)
    # The palm faces +x: the cube is before it.
    places = torch.tensor([[-0.5, 0.0, 0.0], [-0.027, 0.0, 0.0], [0.0, 0.0, 0.0]])
    return Grasps(
        ids=torch.zeros(3, dtype=torch.long),
        pose=torch.zeros(3, dtype=torch.long),
        rotation=torch.eye(3).repeat(3, 1, 1),
        translation=places,
        lengths=torch.as_tensor(flat, dtype=torch.float32).repeat(3, 1),
    )
