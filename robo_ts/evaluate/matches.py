"""Matches: every contestant against every other, in a task where others can play."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.env.players import HasSeats, Player
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.protocol import run_episodes
from robo_ts.evaluate.ratings import elo
from robo_ts.evaluate.statistics import wilson
from robo_ts.seeds import derive


class PlayerActor:
    """A player as an actor: what plays for one side in a match can play for the other.

    Args:
        player: who.
        seed: of what it draws.
        device: where the worlds live.
    """

    def __init__(self, player: Player, seed: int, device: torch.device) -> None:
        self.player = player
        self._generator = torch.Generator(device=device).manual_seed(seed)
        self._seats = torch.zeros(0, dtype=torch.long, device=device)

    def begin(self, num: int) -> None:
        self._seats = torch.arange(num, device=self._generator.device)
        self.player.sit(num, self._generator)

    def act(self, obs: TensorDict) -> Tensor:
        return self.player.act({name: obs[name] for name in self.player.groups}, self._seats)

    def clear(self, done: Tensor) -> None:
        self.player.clear(torch.nonzero(done).flatten())


def play(
    home: Player, away: Player, make_env: Callable[[int, int], TaskEnv], games: int, seed: int
) -> Tensor:
    """Points of the home side in every game, ``(games,)``: 1 won, 0.5 tied, 0 lost.

    Args:
        home: who plays the agents that have rows.
        away: who plays the others.
        make_env: ``(num_envs, seed) -> TaskEnv``, whose ``evaluate()`` gives ``points``.
        games: how many.
        seed: of the worlds; equal seeds give equal starts.
    """
    agents = 1
    device = torch.device("cpu")

    def seated(num: int, world_seed: int) -> TaskEnv:
        nonlocal agents, device
        env = make_env(num, world_seed)
        agents, device = env.agents, env.device
        cast(HasSeats, env).seat([away])
        return env

    seated(1, seed).close()  # tells how many agents a game has
    actor = PlayerActor(home, derive(seed, "home"), device)
    rows = games * agents
    episodes = run_episodes(actor, seated, rows, min(rows, 1024 * agents), seed)
    return episodes.metrics["points"][::agents]


def check_tournament(names: Collection[str], games: int) -> None:
    """Raise unless these can meet.

    Raises:
        RoboTSError: for fewer than two contestants or an odd number of games.
    """
    if len(names) < 2 or games < 2 or games % 2:
        raise RoboTSError(
            "two contestants or more, and an even number of games per pair",
            f"{len(names)} and {games}",
            "name more policies or opponents, or change the number of games",
        )


def tournament(
    players: Mapping[str, Callable[[], Player]],
    make_env: Callable[[int, int], TaskEnv],
    games: int = 100,
    seed: int = 0,
    only: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Every pair plays ``games`` games, half of them with sides changed.

    Args:
        players: makes each contestant, by name.
        make_env: ``(num_envs, seed) -> TaskEnv`` with seats for others.
        games: per pair; even.
        seed: of the worlds.
        only: pairs without any of these do not meet; everyone meets everyone when empty. Without
            the matches of the others there are no ratings.
        progress: called with the number of games each finished pair added.

    Returns:
        ``pairs``: per pair the points of its first contestant with interval, wins, ties and losses;
        ``overall``: per contestant the mean points with interval; ``elo``: ratings.

    Raises:
        RoboTSError: for fewer than two contestants or an odd number of games.
    """
    names = list(players)
    check_tournament(names, games)
    table: dict[tuple[int, int], Tensor] = {}
    for i, first in enumerate(names):
        for j in range(i + 1, len(names)):
            if only and first not in only and names[j] not in only:
                continue
            one, two = players[first](), players[names[j]]()
            pair = derive(seed, first, names[j])
            there = play(one, two, make_env, games // 2, derive(pair, "there"))
            back = play(two, one, make_env, games // 2, derive(pair, "back"))
            table[i, j] = torch.cat([there, 1.0 - back])
            if progress:
                progress(games)
    found: dict[str, Any] = {
        "games_per_pair": games,
        "pairs": [
            {"first": names[i], "second": names[j], **summary(points)}
            for (i, j), points in table.items()
        ],
        "overall": {name: _overall(index, table) for index, name in enumerate(names)},
    }
    if not only:
        found["elo"] = dict(zip(names, _ratings(len(names), table, games), strict=True))
    return found


def summary(points: Tensor) -> dict[str, Any]:
    """Wins, ties and losses of points ``(games,)``, and their mean with a 95% interval.

    The interval is Wilson's with ties as half wins, which is never too narrow: ties only lower the
    variance.
    """
    games, total = points.numel(), float(points.sum())
    return {
        "points": total / games,
        "ci95": list(wilson(total, games)),
        "wins": int((points == 1.0).sum()),
        "ties": int((points == 0.5).sum()),
        "losses": int((points == 0.0).sum()),
    }


def _overall(index: int, table: Mapping[tuple[int, int], Tensor]) -> dict[str, Any]:
    own = [points for (i, _), points in table.items() if i == index]
    own += [1.0 - points for (_, j), points in table.items() if j == index]
    return summary(torch.cat(own)) if own else {}


def _ratings(count: int, table: Mapping[tuple[int, int], Tensor], games: int) -> list[float]:
    points = [[0.0] * count for _ in range(count)]
    met = [[0 if i == j else games for j in range(count)] for i in range(count)]
    for (i, j), result in table.items():
        points[i][j], points[j][i] = float(result.sum()), float((1.0 - result).sum())
    return elo(points, met)
