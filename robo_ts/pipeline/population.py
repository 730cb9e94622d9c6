"""A population of teachers: its members shared out among processes or Ray tasks, and put together.

Members have nothing in common, so how they are shared out changes neither their worlds nor their
first weights, and their results only by round-off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from robo_ts.distributed import gathered, rank, world_size
from robo_ts.env import get_task
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.learning import Spent, learn
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.worlds import differentiable, env_maker
from robo_ts.policies import PopulationPolicy
from robo_ts.seeds import derive
from robo_ts.teach.population import PopulationGradient, new_population

SHOWN = ("cost", "worst_cost", "stuck")


@dataclass
class Share:
    """Members that were trained together, on the CPU.

    Attributes:
        robots: their robots, by number in the pool.
        weights: their part of the population's state.
        samples: control steps they took.
    """

    robots: list[int]
    weights: dict[str, Tensor]
    samples: int


def train_population(run: Run, folder: RunDir) -> tuple[PopulationPolicy, Spent, int]:
    """All members, here or as Ray tasks; the policy, the time and the control steps it took."""
    if run.config.launcher == "ray":
        from robo_ts.pipeline.ray_tasks import train_shares

        shares, spent = train_shares(run, folder)
    else:
        robots = shared_out(range(run.config.population), world_size())[rank()]
        learner = member_learner(run, robots)
        spent = learn(run, folder, "teacher", learner, run.config.apg.iterations, SHOWN)
        shares = gathered(_share(learner, robots))
    return put_together(run, shares), spent, sum(share.samples for share in shares)


def train_share(
    run: Run, robots: Sequence[int], progress: Callable[[int], None] | None = None
) -> Share:
    """Some members from their first weights to their last; can be pickled and run anywhere.

    Args:
        run: its settings.
        robots: the members' robots, by number in the pool.
        progress: called with the number of windows done, after each.
    """
    learner = member_learner(run, robots)
    while learner.iteration < run.config.apg.iterations:
        learner.learn_one()
        if progress:
            progress(learner.iteration)
    return _share(learner, robots)


def member_learner(run: Run, robots: Sequence[int]) -> PopulationGradient:
    """The learner of some members, before its first window."""
    config, seed = run.config.apg, run.config.seed
    # The same worlds in every process: chance is drawn for the whole pool.
    worlds = differentiable(run, run.training_task, config.num_envs, "teach", members=robots)
    told = worlds.spec.select(get_task(run.task).obs_groups["teacher"])
    policy = new_population(config.network(), told, worlds.num_actions, robots, _weights(seed))
    return PopulationGradient(worlds, policy.to(worlds.device), config, robots)


def put_together(run: Run, shares: Sequence[Share]) -> PopulationPolicy:
    """One policy of all shares, on the CPU."""
    env = env_maker(run, training=True)(1, 0)
    told = env.spec.select(get_task(run.task).obs_groups["teacher"])
    everyone = range(run.config.population)
    whole = new_population(run.config.apg.network(), told, env.num_actions, everyone, 0)
    env.close()
    state = whole.state_dict()
    for share in shares:
        for name, value in share.weights.items():
            state[name][torch.tensor(share.robots)] = value
    whole.load_state_dict(state)
    return whole.eval()


def shared_out(robots: Sequence[int], count: int) -> list[list[int]]:
    """``robots`` in ``count`` parts, as even as can be."""
    ends = [len(robots) * i // count for i in range(count + 1)]
    return [list(robots[a:b]) for a, b in pairwise(ends)]


def _share(learner: PopulationGradient, robots: Sequence[int]) -> Share:
    weights = {k: v.detach().cpu().clone() for k, v in learner.policy().state_dict().items()}
    return Share(list(robots), weights, learner.samples)


def _weights(seed: int) -> int:
    return derive(seed, "teacher")
