"""Matches: sides change, points add up, and everyone meets everyone once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from robo_ts.cli import main
from robo_ts.env.players import Player
from robo_ts.envs.soccer import Soccer, SoccerConfig
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.matches import play, summary, tournament
from robo_ts.evaluate.statistics import wilson
from robo_ts.sim import EngineConfig


def maker(engine: EngineConfig, seconds: float = 8.0) -> Callable[[int, int], Soccer]:
    config = SoccerConfig(opponents=["still"], episode_s=seconds)
    return lambda num, seed: Soccer(config, num, engine, seed)


def players(engine: EngineConfig, *names: str) -> dict[str, Callable[[], Player]]:
    env = maker(engine)(1, 0)
    return {name: lambda name=name: env.player(name) for name in names}


def test_points_are_those_of_the_home_side_whoever_that_is(engine: EngineConfig) -> None:
    make, who = maker(engine), players(engine, "chaser", "still")
    won = play(who["chaser"](), who["still"](), make, 6, seed=0)
    lost = play(who["still"](), who["chaser"](), make, 6, seed=0)
    assert float(won.mean()) > 0.8 and float(lost.mean()) < 0.2
    assert torch.equal(won, play(who["chaser"](), who["still"](), make, 6, seed=0))


def test_a_tournament_counts_every_pair_from_both_sides(
    engine: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[tuple[str, str, int]] = []

    def fake(home: Any, away: Any, make: Any, games: int, seed: int) -> torch.Tensor:
        met.append((home, away, games))
        # "a" wins at home and ties away against "b"; "c" loses always.
        table = {"ab": 1.0, "ba": 0.5, "ac": 1.0, "ca": 0.0, "bc": 1.0, "cb": 0.0}
        return torch.full((games,), table[home + away])

    monkeypatch.setattr("robo_ts.evaluate.matches.play", fake)
    who: Any = {name: lambda name=name: name for name in "abc"}
    done: list[int] = []
    found = tournament(who, maker(engine), games=4, progress=done.append)
    assert done == [4, 4, 4]
    assert sorted(met) == sorted((x, y, 2) for x in "abc" for y in "abc" if x != y)
    pair = found["pairs"][0]
    assert (pair["first"], pair["second"], pair["points"]) == ("a", "b", 0.75)
    assert (pair["wins"], pair["ties"], pair["losses"]) == (2, 2, 0)
    assert found["overall"]["b"]["points"] == pytest.approx((1.0 + 4.0) / 8)
    assert found["elo"]["a"] > found["elo"]["b"] > found["elo"]["c"]
    met.clear()
    some = tournament(who, maker(engine), games=4, only=["c"])
    assert {frozenset(m[:2]) for m in met} == {frozenset("ac"), frozenset("bc")}
    assert "elo" not in some


def test_ties_are_half_wins_in_the_interval() -> None:
    found = summary(torch.tensor([1.0, 0.5, 0.5, 0.0]))
    assert found["points"] == 0.5 and found["ci95"] == list(wilson(2, 4))


def test_a_tournament_of_one_or_of_odd_games_is_refused(engine: EngineConfig) -> None:
    who = players(engine, "still", "random")
    with pytest.raises(RoboTSError, match="two contestants"):
        tournament({"still": who["still"]}, maker(engine))
    with pytest.raises(RoboTSError, match="even"):
        tournament(who, maker(engine), games=3)


def test_the_command_line_ranks_players(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ranks.json"
    words = ["matches", "a=chaser", "still", "--games", "4", "--set", "episode_s=8"]
    assert main([*words, "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert figures["players"] == {"a": "chaser", "still": "still"}
    assert figures["elo"]["a"] > figures["elo"]["still"]
    assert "Elo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chaser", "chaser"], "names of their own"),
        (["chaser"], "two contestants"),
        (["chaser", "still", "--games", "3"], "even number"),
        (["chaser", "nobody"], "nobody"),
        (["chaser", "still", "--only", "x"], "--only"),
        (["chaser", "still", "--set", "speed=3"], "speed"),
        (["chaser", "still", "--task", "reacher"], "others can play"),
        (["chaser", "still", "--set", "opponents=[]"], "away team"),
    ],
)
def test_bad_words_get_a_clear_error(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["matches", *words]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "%|" not in printed  # refused before a progress bar begins
