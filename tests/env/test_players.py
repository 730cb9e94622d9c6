"""Line-ups: who plays is drawn at an episode's start, and everyone acts in its own seats."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from robo_ts.env.players import Lineup, Memoryless
from robo_ts.errors import RoboTSError

CPU = torch.device("cpu")


class Constant(Memoryless):
    """Acts ``value``, and remembers which seats were cleared."""

    groups: tuple[str, ...] = ("seen",)

    def __init__(self, value: float) -> None:
        self.name, self.value = str(value), value
        self.cleared: list[int] = []
        self.sat = 0

    def sit(self, seats: int, generator: torch.Generator) -> None:
        self.sat += 1

    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        # What it is shown are the rows of its seats.
        assert torch.equal(obs["seen"][:, 0].long(), seats)
        return torch.full((len(seats), 2), self.value)

    def clear(self, seats: Tensor) -> None:
        self.cleared = seats.tolist()


def lineup(*values: float, worlds: int = 50, seats: int = 2) -> Lineup:
    return Lineup([Constant(v) for v in values], worlds, seats, torch.Generator(), CPU)


def seen(worlds: int = 50, seats: int = 2) -> dict[str, Tensor]:
    return {"seen": torch.arange(worlds * seats, dtype=torch.float32)[:, None]}


def test_every_world_has_one_player_in_all_its_seats() -> None:
    team = lineup(1.0, 2.0, 3.0)
    team.draw(torch.arange(50), torch.Generator().manual_seed(0))
    action = team.act(seen(), 2).unflatten(0, (50, 2))
    assert torch.equal(action, (team.playing + 1.0)[:, None, None].expand(50, 2, 2))
    assert team.playing.bincount(minlength=3).min() > 8


def test_only_worlds_that_begin_anew_are_drawn_and_cleared() -> None:
    team = lineup(1.0, 2.0, worlds=8)
    generator = torch.Generator().manual_seed(0)
    team.draw(torch.arange(8), generator)
    before = team.playing.clone()
    for _ in range(10):
        team.draw(torch.tensor([3, 5]), generator)
        assert torch.equal(team.playing[[0, 1, 2, 4, 6, 7]], before[[0, 1, 2, 4, 6, 7]])
    assert all(p.cleared == [6, 7, 10, 11] for p in team.players if isinstance(p, Constant))


def test_weights_say_how_often_each_is_drawn() -> None:
    team = lineup(1.0, 2.0, worlds=4000)
    team.replace(team.players, [3.0, 1.0])
    team.draw(torch.arange(4000), torch.Generator().manual_seed(0))
    assert float((team.playing == 0).float().mean()) == pytest.approx(0.75, abs=0.03)


def test_players_who_stay_keep_their_seats_and_memories() -> None:
    team = lineup(1.0, 2.0)
    stays = team.players[0]
    assert isinstance(stays, Constant)
    team.replace([stays, Constant(5.0)])
    assert stays.sat == 1
    team.draw(torch.arange(50), torch.Generator().manual_seed(0))
    team.replace([stays])
    assert (team.act(seen(), 2) == 1.0).all() and team.playing.max() == 0


def test_a_pool_without_opponents_is_refused() -> None:
    with pytest.raises(RoboTSError, match="empty pool"):
        lineup()
    with pytest.raises(RoboTSError, match="weights"):
        lineup(1.0).replace([Constant(1.0)], [0.0])
