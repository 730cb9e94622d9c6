"""A teacher to begin from: ``python scripts/grasp_start.py runs/grasp-start recipe=default``.

A network imitates the reactive script (``envs/grasp/reactive.py``) on the recipe's objects and
starts, labelled where the network itself gets to (DAgger). PPO goes on from there:
``python scripts/train_grasp.py teacher.start_from=runs/grasp-start``.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill import Distiller
from robo_ts.distill.config import DatasetConfig, DistillConfig, RollinConfig
from robo_ts.distill.labels import Label
from robo_ts.env import get_task
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.envs.grasp.reactive import ReactiveGrasp
from robo_ts.envs.grasp.task import Grasp
from robo_ts.lineage import command, commit
from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.worlds import env_maker
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.policy import Output
from robo_ts.progress import Progress
from robo_ts.seeds import derive

_ACTING = 20  # steps a world acts between two updates


class ScriptTeacher:
    """The script's word on the worlds as they are; it keeps nothing."""

    def __init__(self, env: Grasp) -> None:
        self.script = ReactiveGrasp(env)

    @torch.no_grad()
    def label(self, obs: TensorDict, student: Output) -> Label:
        """What the script does now."""
        return Label(self.script.act())

    def reset(self, done: Tensor) -> None:
        """It has no memory."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


def imitate(env: Grasp, groups: list[str], widths: list[int], rounds: int, seed: int) -> Policy:
    """A network of PPO's shape that does what the script does; ``std`` is PPO's first noise."""
    env.reset()
    env.scatter_episode_steps()
    torch.manual_seed(derive(seed, "start"))
    network = PolicyConfig(
        encoder=widths, activation="elu", memory="none", std="constant", initial_std=0.25
    )
    policy = Policy(network, env.spec.select(groups), env.num_actions)
    config = DistillConfig(
        num_envs=env.num_envs,
        iterations=rounds,
        steps_per_iteration=_ACTING,
        bptt_length=_ACTING,
        learning_rate=2e-3,
        normalizer_iterations=6,
        privileged_student=True,
        dataset=DatasetConfig(window=20),
        rollin=RollinConfig(warmup_iterations=3, schedule="exponential", decay_iterations=2),
    )
    learner = Distiller(RslRlEnv(env), ScriptTeacher(env), policy, config, seed)
    bar = Progress("imitate", rounds, "round")
    for _ in range(rounds):
        numbers = learner.learn_one()
        bar.update(1, loss=numbers["loss"], success=numbers.get("success", 0.0))
    bar.close()
    return learner.policy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("settings", nargs="*", help="as robo-ts pipeline takes them")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--num-envs", type=int, default=256)
    words = parser.parse_args()
    run = compose_run(["task=grasp", "task.eyes.cameras=[]", *words.settings])
    torch.set_num_threads(run.config.torch_threads or 1)
    seed = run.config.seed
    env = env_maker(run, training=True)(words.num_envs, derive(seed, "start"))
    assert isinstance(env, Grasp)
    groups = get_task("grasp").obs_groups["actor"]
    policy = imitate(env, groups, list(run.config.teacher.actor), words.rounds, seed)
    lineage = {"kind": "teacher", "command": command(), "commit": commit(), "seed": seed}
    lineage["samples"] = words.rounds * _ACTING * words.num_envs
    PolicyBundle(
        policy=policy.eval(),
        task="grasp",
        task_config=asdict(run.config.task),
        action=env.action_contract(),
        lineage=lineage,
    ).save(words.out)
    env.close()


if __name__ == "__main__":
    main()
