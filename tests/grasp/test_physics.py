"""Grasps hold by friction, not by pressing fingers into things."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from robo_ts.envs.grasp import Grasp
from robo_ts.envs.grasp.config import PhysicsConfig
from robo_ts.envs.grasp.scripted import scripted_action
from robo_ts.errors import RoboTSError
from robo_ts.sim import Range

MakeGrasp = Callable[..., Grasp]
CUBE = {
    "count": 1,
    "families": ["cube"],
    "density": Range(800.0, 800.0),  # 0.1 kg
    "friction": Range(0.8, 0.8),
}


def grasped(make_grasp: MakeGrasp, **settings: object) -> tuple[Grasp, Tensor]:
    """Worlds in which the script has lifted a cube, and which these are."""
    env = make_grasp(
        num_envs=8, objects=CUBE, difficulty=0.0, seed=1, episode_seconds=20.0, **settings
    )
    for _ in range(70):
        env.step(scripted_action(env))
    return env, env.evaluate()["success"]


def penetration(env: Grasp) -> np.ndarray:
    """Depths of all contacts of hand and object, m."""
    depths = []
    for world in range(env.num_envs):
        model, data = env.sim.world(world)
        thing = model.body("object").id
        for contact in data.contact:
            bodies = model.geom_bodyid[[contact.geom1, contact.geom2]]
            if thing in bodies and 0 not in bodies:
                depths.append(-contact.dist)
    return np.array(depths)


def test_a_lifted_cube_is_held_for_five_seconds_of_shaking(make_grasp: MakeGrasp) -> None:
    env, lifted = grasped(make_grasp)
    assert int(lifted.sum()) >= 6
    moved: list[Tensor] = []
    depths = []
    for step in range(100):
        shake = torch.zeros(8, env.num_actions)
        phase = 2.0 * math.pi * 2.0 * step * env.step_dt  # 2 Hz
        shake[:, 0], shake[:, 2] = math.cos(phase), math.sin(phase)
        env.step(shake)
        moved.append(env.scene.wrist[:, :3].clone())
        if step % 20 == 10:
            depths.append(penetration(env))
    reach = torch.stack(moved)
    swing = torch.linalg.vector_norm(reach.amax(dim=0) - reach.amin(dim=0), dim=-1)
    assert float(swing.min()) > 0.06  # it was shaken
    assert bool(env.scene.held[lifted].all())
    assert float(env.record.height[lifted].min()) > 0.1
    found = np.concatenate(depths)
    assert len(found) > 50
    assert np.median(found) < 1e-3 and np.quantile(found, 0.95) < 2e-3


def test_soft_contacts_let_fingers_sink_in(make_grasp: MakeGrasp) -> None:
    """The measure above is no formality: MuJoCo's default contacts are several times as soft."""
    soft = PhysicsConfig(timestep=0.01, time_constant=0.02, impedance=[0.9, 0.95])
    depth = {}
    for name, physics in (("soft", soft), ("stiff", PhysicsConfig())):
        env, lifted = grasped(make_grasp, physics=physics)
        assert lifted.any()
        depth[name] = np.median(penetration(env))
    assert depth["soft"] > 3.0 * depth["stiff"]


def test_a_contact_faster_than_two_steps_is_refused() -> None:
    with pytest.raises(RoboTSError, match="at least two time steps"):
        PhysicsConfig(timestep=0.005, time_constant=0.008)
