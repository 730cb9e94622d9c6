"""Self-play: which snapshots play, that they are frozen, and that a resumed run is the same run."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from robo_ts.env import TaskEnv, get_task, make_env
from robo_ts.envs.soccer import Soccer, SoccerConfig
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.sim import EngineConfig
from robo_ts.teach.config import PPOConfig
from robo_ts.teach.self_play import SelfPlay, SelfPlayConfig, SnapshotPool

GROUPS = get_task("soccer").obs_groups
SETTINGS: dict[str, Any] = {
    "iterations": 40,
    "steps_per_iteration": 4,
    "epochs": 1,
    "minibatches": 2,
    "actor": [8],
    "critic": [8],
}


@pytest.fixture
def make_learner(engine: EngineConfig) -> Iterator[Callable[..., SelfPlay]]:
    made: list[TaskEnv] = []

    def make(seed: int = 0, **self_play: Any) -> SelfPlay:
        config = SoccerConfig(opponents=["still"], episode_s=0.5)
        made.append(make_env("soccer", 8, config, engine, seed))
        return SelfPlay(made[-1], GROUPS, PPOConfig(**SETTINGS), SelfPlayConfig(**self_play), seed)

    yield make
    for env in made:
        env.close()


def small_policy(seed: int = 0) -> Policy:
    torch.manual_seed(seed)
    env = make_env("soccer", 1, engine=EngineConfig(threads=1))
    policy = Policy(PolicyConfig(encoder=[8], memory="none"), env.spec.select(["privileged"]), 5)
    env.close()
    return policy


def names(pool: SnapshotPool) -> list[str]:
    return [player.name for player in pool.players()]


def test_opponents_are_the_first_quarter_of_the_snapshots_and_an_untrained_one() -> None:
    pool = SnapshotPool(SelfPlayConfig(), small_policy())
    assert names(pool) == ["untrained"]
    grown = []
    for iteration in range(1, 10):
        pool.add(10 * iteration, small_policy(iteration))
        grown.append(names(pool))
    assert grown[0] == grown[3] == ["untrained", "snapshot_10"]
    assert grown[4] == grown[7] == ["untrained", "snapshot_10", "snapshot_20"]
    assert grown[8] == ["untrained", "snapshot_10", "snapshot_20", "snapshot_30"]


def test_too_many_opponents_are_thinned_out_evenly() -> None:
    pool = SnapshotPool(SelfPlayConfig(share=1.0, largest=4), small_policy())
    for iteration in range(9):
        pool.add(iteration, small_policy())
    assert names(pool) == ["untrained", "snapshot_0", "snapshot_4", "snapshot_8"]


def test_what_is_kept_is_spread_over_the_training() -> None:
    pool = SnapshotPool(SelfPlayConfig(kept=3), small_policy())
    assert pool.kept() == {}
    made = [small_policy(seed) for seed in range(9)]
    for iteration, policy in enumerate(made):
        pool.add(10 * iteration, policy)
    kept = pool.kept()
    assert list(kept) == ["snapshot_0", "snapshot_40", "snapshot_80"]
    assert torch.equal(kept["snapshot_40"].head.weight, made[4].head.weight)


def test_a_pool_without_opponents_is_refused() -> None:
    pool = SnapshotPool(SelfPlayConfig(untrained=False), small_policy())
    with pytest.raises(RoboTSError, match="pool without opponents"):
        pool.players()


def test_snapshots_do_not_learn(make_learner: Callable[..., SelfPlay]) -> None:
    learner = make_learner(snapshot_every=1)
    for _ in range(3):
        learner.learn_one()
    kept = copy.deepcopy(learner.pool.policy(0).state_dict())
    played = learner.pool.players()[1].policy.state_dict()
    for _ in range(3):
        learner.learn_one()
    now = learner.policy().state_dict()
    assert any(not torch.equal(kept[name], now[name]) for name in kept)
    for weights in (
        learner.pool.policy(0).state_dict(),
        learner.pool.players()[1].policy.state_dict(),
    ):
        assert all(torch.equal(weights[k], played[k]) or "scale" in k for k in weights)
        assert torch.equal(weights["head.weight"], kept["head.weight"])


def test_what_is_seated_in_the_worlds_is_what_the_pool_says(
    make_learner: Callable[..., SelfPlay],
) -> None:
    learner = make_learner(snapshot_every=2)
    numbers = [learner.learn_one() for _ in range(12)][-1]
    env = learner.env
    assert isinstance(env, Soccer) and env.lineup is not None
    assert [p.name for p in env.lineup.players] == names(learner.pool)
    assert numbers["opponents"] == len(env.lineup.players) == 3
    assert env.lineup.playing.max() > 0  # and worlds have taken them up


def test_others_play_their_share_of_the_episodes(make_learner: Callable[..., SelfPlay]) -> None:
    learner = make_learner(snapshot_every=1, others=["chaser", "random"], others_share=0.8)
    for _ in range(6):
        learner.learn_one()
    env = learner.env
    assert isinstance(env, Soccer) and env.lineup is not None
    seated = ["chaser", "random", *names(learner.pool)]
    assert [player.name for player in env.lineup.players] == seated and len(seated) == 5
    assert env.lineup.weights.tolist() == pytest.approx([0.4, 0.4, *[0.2 / 3] * 3])


def test_others_a_task_does_not_know_are_refused(make_learner: Callable[..., SelfPlay]) -> None:
    with pytest.raises(RoboTSError, match="'nobody'"):
        make_learner(others=["nobody"])


def test_snapshots_leave_room_for_others() -> None:
    settings = SelfPlayConfig(share=1.0, largest=5, others=["chaser", "random"])
    pool = SnapshotPool(settings, small_policy())
    for iteration in range(9):
        pool.add(iteration, small_policy())
    assert names(pool) == ["untrained", "snapshot_0", "snapshot_8"]
    with pytest.raises(RoboTSError, match="largest"):
        SelfPlayConfig(largest=3, others=["chaser", "random"])


def test_a_resumed_run_is_the_same_run(make_learner: Callable[..., SelfPlay]) -> None:
    settings: dict[str, Any] = {"snapshot_every": 2, "others": ["chaser", "random"]}
    one, two = make_learner(**settings), make_learner(seed=5, **settings)
    for _ in range(7):
        one.learn_one()
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    # One after the other: PPO draws from torch's global generator, which is part of the state.
    expected = [one.learn_one() for _ in range(4)]
    two.load_state_dict(torch.load(file, weights_only=False))
    assert [two.learn_one() for _ in range(4)] == expected
    ours, theirs = one.policy().state_dict(), two.policy().state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert one.pool.iterations == two.pool.iterations


def test_a_game_nobody_wins_is_half_a_point(make_learner: Callable[..., SelfPlay]) -> None:
    learner = make_learner()
    # Episodes of ten steps, in which nobody can score.
    numbers = [learner.learn_one() for _ in range(4)][-1]
    assert numbers["success"] == 0.0
    assert numbers["points"] == 0.5


def test_a_task_without_seats_is_refused(engine: EngineConfig) -> None:
    env = make_env("reacher", 4, engine=engine)
    with pytest.raises(RoboTSError, match="seat"):
        SelfPlay(env, get_task("reacher").obs_groups, PPOConfig(**SETTINGS), SelfPlayConfig())
    env.close()


@pytest.mark.parametrize(
    "wrong", [{"snapshot_every": 0}, {"share": 0.0}, {"largest": 0}, {"others_share": 2.0}]
)
def test_impossible_settings_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(RoboTSError, match=next(iter(wrong))):
        SelfPlayConfig(**wrong)
