"""Fly a bundle in a few worlds and draw it: ``python scripts/picture.py BUNDLE out.png``."""

import sys

import torch

from robo_ts.env import make_env
from robo_ts.evaluate import PolicyActor
from robo_ts.policies import PolicyBundle
from robo_ts.view.picture import render_flights


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
        quaternions.append(env.quaternion.clone())  # type: ignore[attr-defined]
    arms = obs["privileged"][:, 8]
    print(
        render_flights(
            torch.stack(positions).numpy(), torch.stack(quaternions).numpy(), arms.numpy(), out
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
