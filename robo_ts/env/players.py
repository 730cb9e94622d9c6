"""Who acts for the agents of a world that nobody trains, such as opponents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from robo_ts.errors import RoboTSError


class Player(Protocol):
    """Acts for some of many seats; a seat is one agent of one world.

    Attributes:
        name: for reports.
        groups: the observation groups it reads.
    """

    name: str
    groups: tuple[str, ...]

    def sit(self, seats: int, generator: torch.Generator) -> None:
        """Make room for ``seats``; ``generator`` is what a player may draw from."""
        ...

    def act(self, obs: Mapping[str, Tensor], seats: Tensor) -> Tensor:
        """Actions ``(n, num_actions)`` in [-1, 1].

        Args:
            obs: its groups, ``(n, ...)``.
            seats: whose these rows are, ``(n,)``.
        """
        ...

    def clear(self, seats: Tensor) -> None:
        """Forget ``seats``, whose episode begins."""
        ...

    def memory(self) -> dict[str, Tensor]:
        """What it remembers from step to step, for bit-exact resume."""
        ...

    def load_memory(self, memory: Mapping[str, Tensor]) -> None:
        """Restore :meth:`memory`."""
        ...


class Memoryless:
    """What players without a memory need not write."""

    def sit(self, seats: int, generator: torch.Generator) -> None:
        """Nothing to prepare."""

    def clear(self, seats: Tensor) -> None:
        """Nothing to forget."""

    def memory(self) -> dict[str, Tensor]:
        """None."""
        return {}

    def load_memory(self, memory: Mapping[str, Tensor]) -> None:
        """Nothing to restore."""


class HasSeats(Protocol):
    """An environment some of whose agents are played by others."""

    def player(self, name: str) -> Player:
        """One of the task's own players, or a policy: ``name`` is then a bundle's folder."""
        ...

    def seat(self, players: Sequence[Player], weights: Sequence[float] | None = None) -> None:
        """Let these play from the worlds' next episodes on, each as often as its weight says."""
        ...


class Lineup:
    """The players of every world's free seats: one of several in each, drawn at an episode's start.

    Args:
        players: who may play.
        worlds: how many there are.
        seats: free seats per world; one player takes them all.
        generator: what players draw from while they act.
        device: where the worlds live.

    Raises:
        RoboTSError: for no players.
    """

    def __init__(
        self,
        players: Sequence[Player],
        worlds: int,
        seats: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.worlds, self.seats, self.device = worlds, seats, device
        self.generator = generator
        self.playing = torch.zeros(worlds, dtype=torch.long, device=device)
        self.players: list[Player] = []
        self.weights = torch.ones(0)
        self.replace(players)

    @property
    def groups(self) -> tuple[str, ...]:
        """The observation groups any of them reads."""
        return tuple(dict.fromkeys(group for player in self.players for group in player.groups))

    def replace(self, players: Sequence[Player], weights: Sequence[float] | None = None) -> None:
        """Other players; worlds go on with the one of the same place until their next episode.

        Args:
            players: who may play from now on.
            weights: how often each is drawn; alike when left out.

        Raises:
            RoboTSError: for no players, or weights that do not fit them.
        """
        if not players:
            raise RoboTSError(
                "at least one opponent", "an empty pool", "name players, or play without a team"
            )
        known = {id(player) for player in self.players}
        self.players = list(players)
        self.weights = torch.tensor(weights or [1.0] * len(players), device=self.device)
        if len(self.weights) != len(players) or not float(self.weights.sum()) > 0.0:
            raise RoboTSError(
                f"{len(players)} weights, one per player", str(weights), "give each a share"
            )
        for player in self.players:
            if id(player) not in known:
                player.sit(self.worlds * self.seats, self.generator)
        self.playing.clamp_(max=len(players) - 1)

    def draw(self, worlds: Tensor, generator: torch.Generator) -> None:
        """New episodes begin in ``worlds (n,)``: who plays is drawn, and remembers nothing."""
        drawn = torch.multinomial(self.weights, len(worlds), replacement=True, generator=generator)
        self.playing[worlds] = drawn
        seats = worlds[:, None] * self.seats + torch.arange(self.seats, device=self.device)
        for player in self.players:
            player.clear(seats.flatten())

    def act(self, obs: Mapping[str, Tensor], num_actions: int) -> Tensor:
        """Actions of all free seats, ``(worlds * seats, num_actions)``.

        Args:
            obs: the groups of :attr:`groups`, a row per seat, worlds one after the other.
            num_actions: length of the action vector.
        """
        total = self.worlds * self.seats
        if len(self.players) == 1:
            return self.players[0].act(obs, torch.arange(total, device=self.device))
        action = torch.zeros(total, num_actions, device=self.device)
        who = self.playing.repeat_interleave(self.seats)
        for index, player in enumerate(self.players):
            seats = torch.nonzero(who == index).flatten()
            if len(seats):
                action[seats] = player.act({g: obs[g][seats] for g in player.groups}, seats)
        return action

    def state(self) -> dict[str, Tensor]:
        """Who plays where and what they remember; not the players themselves."""
        found: dict[str, Tensor] = {"lineup.playing": self.playing}
        for index, player in enumerate(self.players):
            found |= {f"lineup.{index}.{k}": v for k, v in player.memory().items()}
        return found

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore :meth:`state`, for the same players."""
        self.playing = state["lineup.playing"]
        for index, player in enumerate(self.players):
            prefix = f"lineup.{index}."
            player.load_memory(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
