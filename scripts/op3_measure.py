"""Measure OP3's scripted motions, and policies, in a drill.

``python scripts/op3_measure.py op3_get_up|op3_walk [--episodes 256] [--json FILE] [NAME=BUNDLE]``

The script is what teachers of these recipes start from; policies meet the same starts.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env import get_task
from robo_ts.evaluate import PolicyActor, run_episodes
from robo_ts.evaluate.actors import Actor
from robo_ts.evaluate.report import summarise_for
from robo_ts.files import write_json
from robo_ts.lineage import command, commit, hardware, versions
from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.worlds import env_maker
from robo_ts.policies import PolicyBundle


class Script:
    """Does what the scripted motion asks for."""

    groups = ("privileged",)

    def __init__(self, where: slice) -> None:
        self.where = where

    def begin(self, num: int) -> None:
        """It has no memory."""

    def act(self, obs: TensorDict) -> Tensor:
        """Actions ``(num, 20)``."""
        return obs["privileged"][:, self.where]

    def clear(self, done: Tensor) -> None:
        """It has no memory."""


def main(recipe: str, episodes: int, num_envs: int, bundles: dict[str, Path]) -> dict[str, Any]:
    """Figures of the script and of every bundle."""
    torch.set_num_threads(1)
    run = compose_run(["task=soccer", f"recipe={recipe}"])
    make = env_maker(run, training=False)
    env = make(1, 0)
    actors: dict[str, Actor] = {
        "script": Script(env.spec["privileged"].slices()["true_motion_action"])
    }
    for name, path in bundles.items():
        bundle = PolicyBundle.load(path)
        bundle.check_fits("soccer", env.spec, env.num_actions)
        actors[name] = PolicyActor(bundle.policy)
    env.close()
    found: dict[str, Any] = {}
    for name, actor in actors.items():
        seen = run_episodes(actor, make, episodes, num_envs, seed=0)
        found[name] = summarise_for(get_task("soccer"), seen)
        success = found[name]["success"]
        print(f"{name}: {success['mean']:.3f} {success['ci95']}", flush=True)
        print(found[name], flush=True)
    lineage = {"command": command(), "commit": commit()}
    return {**lineage, "hardware": hardware(), "versions": versions(), "results": found}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=("op3_get_up", "op3_walk"))
    parser.add_argument("bundles", nargs="*", metavar="NAME=BUNDLE")
    parser.add_argument("--episodes", type=int, default=256)
    parser.add_argument("--num-envs", type=int, default=128)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    named = dict(word.split("=", 1) for word in given.bundles)
    figures = main(
        given.recipe, given.episodes, given.num_envs, {n: Path(p) for n, p in named.items()}
    )
    if given.json:
        write_json(given.json, figures)
