"""The soccer task keeps the contract of every task, with one row per learning player."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from torch import Tensor

from robo_ts.env import get_task, make_env
from robo_ts.envs.soccer import Soccer, SoccerConfig
from robo_ts.envs.soccer.scripted import SCRIPTED
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.trials import with_changes
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.sim import EngineConfig
from tests.soccer.conftest import MakeSoccer, still

SIDES = [{"opponents": []}, {"opponents": ["chaser", "random"]}]
SIDES += [{"opponents": ["chaser", "random"], "team_size": 2}]


def actions(env: Soccer, steps: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2.4 * torch.rand(steps, env.num_envs, env.num_actions, generator=generator) - 1.2


def roll(env: Soccer, steps: int, seed: int = 1) -> list[dict[str, Tensor]]:
    """Everything a learner sees over ``steps``."""
    found = []
    for action in actions(env, steps, seed):
        step = env.step(action)
        seen = {name: step.obs[name].clone() for name in env.spec}
        found.append(seen | {"reward": step.reward, "done": step.done} | env.evaluate())
    return found


def same(one: list[dict[str, Tensor]], two: list[dict[str, Tensor]]) -> bool:
    pairs = zip(one, two, strict=True)
    return all(torch.equal(a[name], b[name]) for a, b in pairs for name in a)


@pytest.mark.parametrize("config", SIDES)
def test_steps_have_the_promised_shapes_and_finite_values(
    make_soccer: MakeSoccer, config: dict
) -> None:
    env = make_soccer(num_envs=6, episode_s=1.0, **config)
    ended = 0
    for action in actions(env, 22):
        step = env.step(action)
        for group in env.spec.values():
            assert step.obs[group.name].shape == (6, group.size)
            assert step.obs[group.name].dtype == torch.float32
            assert step.obs[group.name].isfinite().all()
        assert step.reward.shape == (6,) and step.reward.dtype == torch.float32
        ended += len(step.info["final_ids"])
        assert all(value.shape == (6,) for value in env.evaluate().values())
        if len(step.info["final_ids"]):
            episode = step.info["episode"]
            assert torch.equal(episode["success"], episode["failure"] == 0)
            assert (episode["failure"] < len(env.failure_names)).all()
            assert not (episode["success"] & ~episode["success_ever"]).any()
    assert ended == 6


@pytest.mark.parametrize("config", SIDES)
def test_a_saved_state_goes_on_bit_for_bit(make_soccer: MakeSoccer, config: dict) -> None:
    env = make_soccer(episode_s=1.0, **config)
    other = make_soccer(episode_s=1.0, seed=1, **config)
    roll(env, 7)
    file = io.BytesIO()
    torch.save(env.state_dict(), file)
    file.seek(0)
    roll(other, 3, seed=2)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert same(roll(env, 25), roll(other, 25))


def test_one_seed_gives_one_rollout_and_another_seed_another(make_soccer: MakeSoccer) -> None:
    first = roll(make_soccer(seed=7), 20)
    assert same(first, roll(make_soccer(seed=7), 20))
    assert not same(first, roll(make_soccer(seed=8), 20))


@pytest.mark.parametrize("config", SIDES)
def test_resets_touch_only_the_asked_worlds(make_soccer: MakeSoccer, config: dict) -> None:
    env = make_soccer(num_envs=8, **config)
    roll(env, 5)
    team = env.agents
    before, qpos, action = env.observe(), env.sim.read("qpos"), env.action.clone()
    after = env.reset(env_ids=[5])
    rows = list(range(5 // team * team, 5 // team * team + team))  # with whom it shares a world
    kept = [row for row in range(8) if row not in rows]
    for group in env.spec:
        assert torch.equal(after[group][kept], before[group][kept])
    assert (after["privileged"][rows] != before["privileged"][rows]).any(dim=1).all()
    others = [world for world in range(env.worlds) if world != 5 // team]
    assert torch.equal(env.sim.read("qpos")[others], qpos[others])
    assert torch.equal(env.action[others], action[others])
    assert env.episode_step.tolist() == [0 if row in rows else 5 for row in range(8)]


def test_team_mates_begin_and_end_together_even_with_clocks_apart(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=8, team_size=2, opponents=["still"], episode_s=1.0)
    env.scatter_episode_steps()
    assert torch.equal(env.episode_step[::2], env.episode_step[1::2])
    env.episode_step[3] = 19  # as a learner may set it
    env.episode_step[[0, 1, 2, 4, 5, 6, 7]] = 5
    step = env.step(still(env))
    assert step.info["final_ids"].tolist() == [2, 3]
    assert env.episode_step.tolist() == [6, 6, 0, 0, 6, 6, 6, 6]


def test_an_odd_number_of_rows_leaves_one_player_without(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=3, team_size=2, opponents=["still"])
    assert env.worlds == 2 and env.observe().batch_size == torch.Size([3])
    forward = still(env)
    forward[:, 0] = 1.0
    env.step(forward)
    moved = torch.linalg.vector_norm(env.field.players.velocity[:, :2], dim=-1)
    assert (moved.flatten()[:3] > 0.1).all() and float(moved[1, 1]) < 1e-3


def test_both_players_of_a_team_get_a_goal_and_only_the_nearer_is_paid_for_walking(
    make_soccer: MakeSoccer,
) -> None:
    env = make_soccer(
        num_envs=2,
        team_size=2,
        opponents=["still"],
        reward={"facing": 0.0, "advance": 0.0, "approach": 1.0},
        start={"kickoff": 0.0, "anywhere": 1.0},
    )
    reward = env.step(actions(env, 1)[0]).reward
    nearer = int(env._to_ball[0, :2].argmin())
    assert float(reward[nearer]) != 0.0 and float(reward[1 - nearer]) == 0.0


def test_the_critic_alone_is_told_who_the_opponent_is(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=64, opponents=["still", "random", "chaser"])
    told = env.observe()["opponent"]
    assert env.lineup is not None
    assert torch.equal(told.argmax(dim=1), env.lineup.playing) and (told.sum(dim=1) == 1.0).all()
    assert env.lineup.playing.bincount(minlength=3).min() > 5
    groups = get_task("soccer").obs_groups
    assert "opponent" in groups["critic"]
    assert not any("opponent" in groups[name] for name in ("actor", "teacher", "student"))
    assert not (set(groups["student"]) & set(env.spec.privileged()))
    assert make_soccer(opponents=[]).observe()["opponent"].abs().max() == 0.0


def test_a_policy_can_be_the_opponent_and_students_too(
    make_soccer: MakeSoccer, tmp_path: Path
) -> None:
    spec = make_soccer().spec
    for groups in (["privileged"], ["proprioception", "perception"]):
        memory = "none" if groups == ["privileged"] else "gru"
        config = PolicyConfig(encoder=[16], memory=memory, memory_size=8)
        policy = Policy(config, spec.select(groups), 5)
        folder = PolicyBundle(policy, "soccer").save(tmp_path / memory)
        env = make_soccer(opponents=[str(folder), "still"], episode_s=0.5, seed=3)
        assert env.lineup is not None
        where = env.lineup.playing == 0
        assert where.any()
        env.step(still(env))
        moved = env.action[:, 1].abs().amax(dim=1) > 0.0
        assert torch.equal(moved, where)
        copy = make_soccer(opponents=[str(folder), "still"], episode_s=0.5, seed=4)
        copy.load_state_dict(env.state_dict())
        assert same(roll(env, 12), roll(copy, 12))


def test_bad_settings_are_refused_by_name(tmp_path: Path) -> None:
    for wrong, word in (
        ({"walker": "dog"}, "walker"),
        ({"team_size": 3}, "team_size"),
        ({"episode_s": 0.0}, "episode_s"),
        ({"start": {"kickoff": 0.0}}, "kickoff"),
        ({"start": {"nearest": 3.0}}, "nearest"),
        ({"perception": {"dropout": 1.5}}, "dropout"),
        ({"opponents": ["still"] * 17}, "opponents"),
    ):
        with pytest.raises(RoboTSError, match=word):
            with_changes(SoccerConfig(), wrong)
    engine = EngineConfig(threads=1)
    for name in ("chasser", str(tmp_path / "nothing")):
        with pytest.raises(RoboTSError, match="opponents"):
            make_env("soccer", 1, SoccerConfig(opponents=[name]), engine)
    with pytest.raises(RoboTSError, match="legs"):
        make_env("soccer", 1, SoccerConfig(opponents=["chaser"], walker="op3"), engine)
    alone = make_env("soccer", 1, SoccerConfig(opponents=[]), engine)
    assert isinstance(alone, Soccer)
    with pytest.raises(RoboTSError, match="away team"):
        alone.seat([alone.player("still")])
    alone.close()


def test_every_trial_can_be_built_and_matches_have_six_opponents() -> None:
    task = get_task("soccer")
    assert task.trials is not None
    found = task.trials()
    for trial in found.values():
        with_changes(SoccerConfig(), trial.changes)
    for size in (1, 2):
        group = [t for t in found.values() if t.group == f"match_{size}v{size}"]
        assert len({t.changes["opponents"][0] for t in group}) == 6
        assert all(t.episodes == 100 * size for t in group)


@pytest.mark.parametrize("name", ["chaser", "dribbler"])
def test_a_scripted_attacker_scores_from_most_kick_offs(make_soccer: MakeSoccer, name: str) -> None:
    env = make_soccer(num_envs=16, opponents=["still"], episode_s=20.0)
    player, seats = env.player(name), torch.arange(16)
    obs, won = env.observe(), torch.zeros(16, dtype=torch.bool)
    for _ in range(env.max_episode_steps):
        step = env.step(player.act(obs, seats))
        obs = step.obs
        if step.done.any():
            won[step.info["final_ids"][step.info["episode"]["success"]]] = True
        if won.all():
            break
    assert int(won.sum()) >= 13


@pytest.mark.parametrize("name", SCRIPTED)
def test_every_scripted_player_plays(make_soccer: MakeSoccer, name: str) -> None:
    env = make_soccer(num_envs=4, opponents=[name])
    before = env.observe()["privileged"].clone()
    steps = [env.step(torch.zeros(4, env.num_actions)) for _ in range(5)]
    moved = (steps[-1].obs["privileged"] - before).abs().max() > 1e-3
    assert bool(moved) == (name != "still")
