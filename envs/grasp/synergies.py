"""Grasp synergies: the few directions in which a hand's joints move together when it grasps.

As Santello et al. (1998) found for people, and DextrAH-G uses for robots: a principal component
analysis of grasps. Here they are the hand's own: scripted grasps with random closing poses, of
which those that lift the object count.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from robo_ts.env import make_env
from robo_ts.envs.grasp.config import GraspConfig, ObjectsConfig, StartConfig
from robo_ts.envs.grasp.scripted import Script, scripted_action
from robo_ts.envs.grasp.task import Grasp
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig, Range

_STEPS = (0.0, 0.5, 1.0)  # of the way from open to closed that belong to a grasp


def collect_grasps(
    hand: str,
    rounds: int,
    num_envs: int = 128,
    objects: int = 60,
    seed: int = 0,
    engine: EngineConfig | None = None,
    noise: float = 0.4,
) -> tuple[Tensor, Tensor, list[str]]:
    """Actuator lengths of grasps that hold their object, ``(n, u)`` rad, the open pose, and the
    actuators' names.

    Args:
        hand: its name.
        rounds: episodes per world, each round with another depth.
        num_envs: worlds.
        objects: generated objects.
        seed: of everything random.
        engine: the CPU when left out.
        noise: standard deviation of the closing pose, rad.
    """
    config = GraspConfig(
        hand=hand,
        objects=ObjectsConfig(count=objects, density=Range(300.0, 300.0)),
        start=StartConfig(difficulty=Range(0.0, 0.0), finger_noise=0.0),
    )
    env = make_env("grasp", num_envs, config, engine, seed)
    assert isinstance(env, Grasp)
    rng = torch.Generator().manual_seed(derive(seed, "synergies"))
    usual = torch.as_tensor(
        env.hand.pose(env.hand.closed, env.layout.actuators), dtype=torch.float32
    )
    low, high = env.layout.target_range[6:].cpu().T
    found = []
    for _ in range(rounds):
        env.reset()
        draw = torch.randn(num_envs, len(usual), generator=rng)
        closed = (usual + noise * draw).clamp(low, high).to(env.device)
        depth = 0.02 * (2.0 * float(torch.rand(1, generator=rng)) - 1.0)
        script = replace(Script(), depth=depth)
        for _ in range(env.max_episode_steps - 1):
            env.step(scripted_action(env, script, closed))
        lengths = env.scene.joints @ env.layout.transmission.T
        good = env.record.success & (env.episode_step == env.max_episode_steps - 1)
        found.append(lengths[good].cpu())
    opened, actuators = env.open_pose.cpu(), env.layout.actuators
    env.close()
    return torch.cat(found), opened, actuators


def principal(grasps: Tensor, opened: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first ``count`` principal directions of the ways from the open pose to the grasps.

    Args:
        grasps: ``(n, u)`` rad.
        opened: ``(u,)`` rad.
        count: directions wanted.

    Returns:
        Directions ``(count, u)``, each scaled so that its largest entry is 1, signed so that most
        of it closes; and the share of the variance that each explains.
    """
    ways = torch.cat([opened + step * (grasps - opened) for step in _STEPS])
    centred = (ways - ways.mean(dim=0)).double()
    _, spread, axes = torch.linalg.svd(centred, full_matrices=False)
    share = spread.square() / spread.square().sum()
    axes = axes[:count] / axes[:count].abs().amax(dim=1, keepdim=True)
    closing = (axes @ (grasps.mean(dim=0) - opened).double()).sign()
    return (axes * torch.where(closing == 0, 1.0, closing)[:, None]).float(), share[:count].float()


def synergy_data(hand: str, actuators: list[str], grasps: Tensor, opened: Tensor) -> dict[str, Any]:
    """What is written to a hand's ``synergies.json``."""
    directions, share = principal(grasps, opened, min(6, len(actuators)))
    return {
        "hand": hand,
        "actuators": actuators,
        "grasps": len(grasps),
        "explained": [round(float(x), 4) for x in share],
        "components": [[round(float(x), 4) for x in row] for row in directions],
    }
