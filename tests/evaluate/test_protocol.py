"""Whole episodes in the same worlds for everyone."""

import torch
from tensordict import TensorDict

from robo_ts.env import make_env
from robo_ts.env.base import TaskEnv
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.evaluate import PolicyActor, run_episodes
from robo_ts.policies import Policy, PolicyConfig


class HoverActor:
    """Emits the privileged hover action plus a constant, so that two of them differ."""

    def __init__(self, extra: float) -> None:
        self.extra = extra
        self.starts: list[torch.Tensor] = []

    def begin(self, num: int) -> None:
        self.first = True

    def act(self, obs: TensorDict) -> torch.Tensor:
        if self.first:
            self.starts.append(torch.cat([obs["proprioception"], obs["privileged"]], dim=-1))
            self.first = False
        return (obs["privileged"][:, 4:5] + self.extra).expand(-1, 4).clamp(-1, 1)

    def clear(self, done: torch.Tensor) -> None:
        pass


def _make(num_envs: int, seed: int) -> TaskEnv:
    return make_env("quadrotor", num_envs, QuadrotorConfig(episode_steps=40), seed=seed)


def test_every_policy_meets_the_same_worlds():
    first, second = HoverActor(0.0), HoverActor(0.3)
    a = run_episodes(first, _make, 20, 8, seed=5)
    b = run_episodes(second, _make, 20, 8, seed=5)
    assert all(torch.equal(x, y) for x, y in zip(first.starts, second.starts, strict=True))
    for name in ("thrust_to_weight", "torque_to_inertia", "moving_reference"):
        assert torch.equal(a.metrics[name], b.metrics[name])
    assert not torch.equal(a.reward, b.reward)


def test_another_seed_gives_other_worlds():
    first, second = HoverActor(0.0), HoverActor(0.0)
    run_episodes(first, _make, 8, 8, seed=5)
    run_episodes(second, _make, 8, 8, seed=6)
    assert not torch.equal(first.starts[0], second.starts[0])


def test_exactly_the_asked_number_of_whole_episodes_is_counted():
    episodes = run_episodes(HoverActor(0.0), _make, 20, 8, seed=5)
    assert len(episodes) == 20
    assert int(episodes.length.max()) <= 40
    survived = episodes.metrics["failure"] % 4 == 0
    assert torch.equal(episodes.length[survived], torch.full_like(episodes.length[survived], 40))


def test_a_memory_cleared_at_every_step_acts_like_no_past():
    env = _make(4, 0)
    policy = Policy(
        PolicyConfig(encoder=[8], memory_size=8), env.spec.select(["proprioception"]), 4
    )
    obs = env.reset(seed=1)
    actor = PolicyActor(policy, memory_reset_every=1)
    actor.begin(4)
    first = actor.act(obs)
    assert torch.equal(first, actor.act(obs))
    keeping = PolicyActor(policy)
    keeping.begin(4)
    keeping.act(obs)
    assert not torch.equal(first, keeping.act(obs))
