"""Fly a bundle in a few worlds and draw it: ``python scripts/picture.py BUNDLE out.png``."""

import os
import sys

os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo reads it when it is imported

import torch

from robo_ts.env import make_env
from robo_ts.envs.quadrotor.picture import render_flights
from robo_ts.errors import RoboTSError
from robo_ts.evaluate import PolicyActor
from robo_ts.policies import PolicyBundle


def main(bundle: str, out: str, num: int = 21, steps: int = 150) -> None:
    """Record ``num`` flights of the quadrotor bundle and render them."""
    actor = PolicyActor(PolicyBundle.load(bundle).policy)
    env = make_env("quadrotor", num, seed=7)
    obs = env.reset(seed=7)
    actor.begin(num)
    positions, quaternions = [], []
    for _ in range(steps):
        step = env.step(actor.act(obs))
        actor.clear(step.done)
        obs = step.obs
        positions.append(obs["proprioception"][:, :3].clone())
        quaternions.append(env.sim.read("qpos")[:, 3:].clone())
    arms = obs["privileged"][:, env.spec["privileged"].slices()["arm"]].squeeze(1)
    print(
        render_flights(
            torch.stack(positions).numpy(), torch.stack(quaternions).numpy(), arms.numpy(), out
        )
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python scripts/picture.py BUNDLE out.png")
    try:
        main(sys.argv[1], sys.argv[2])
    except RoboTSError as error:
        sys.exit(f"picture: {error}")
