"""Snapshots of a policy that learns, and which of them are opponents."""

from __future__ import annotations

import copy
import math
from typing import Any

from torch import Tensor

from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.player import PolicyPlayer
from robo_ts.teach.self_play.config import SelfPlayConfig


class SnapshotPool:
    """Keeps snapshots in memory and hands out players.

    Args:
        config: the settings.
        untrained: a policy that never learnt; snapshots have its architecture.
    """

    def __init__(self, config: SelfPlayConfig, untrained: Policy) -> None:
        self.config, self._untrained = config, untrained
        self.iterations: list[int] = []
        self._weights: list[dict[str, Tensor]] = []
        self._players: dict[int, PolicyPlayer] = {}

    def __len__(self) -> int:
        return len(self.iterations)

    def add(self, iteration: int, policy: Policy) -> None:
        """Keep a copy of ``policy`` as it is in round ``iteration``."""
        weights = {k: v.detach().cpu().clone() for k, v in policy.state_dict().items()}
        self.iterations.append(iteration)
        self._weights.append(weights)

    def opponents(self) -> list[int]:
        """Places of the snapshots that play, oldest first."""
        count = math.ceil(self.config.share * len(self))
        return _evenly(count, self.config.room)

    def kept(self) -> dict[str, Policy]:
        """What is saved of the training, oldest first, by name."""
        places = _evenly(len(self), self.config.kept)
        return {f"snapshot_{self.iterations[place]}": self.policy(place) for place in places}

    def players(self) -> list[PolicyPlayer]:
        """Who plays: the untrained one, where it is wanted, and then the snapshots.

        Raises:
            RoboTSError: when there is nobody.
        """
        places = ([-1] if self.config.untrained else []) + self.opponents()
        if not places:
            raise RoboTSError(
                "at least one opponent to play against",
                "a pool without opponents",
                "set self_play.untrained=true, or add a snapshot first",
            )
        self._players = {place: self._player(place) for place in places}
        return list(self._players.values())

    def policy(self, place: int) -> Policy:
        """The snapshot at ``place``; -1 is the untrained one."""
        policy = copy.deepcopy(self._untrained)
        if place >= 0:
            policy.load_state_dict(self._weights[place])
        return policy.eval()

    def _player(self, place: int) -> PolicyPlayer:
        if place in self._players:  # it goes on with the memories it has
            return self._players[place]
        name = f"snapshot_{self.iterations[place]}" if place >= 0 else "untrained"
        return PolicyPlayer(self.policy(place), name)

    def state_dict(self) -> dict[str, Any]:
        """For bit-exact resume."""
        return {
            "iterations": list(self.iterations),
            "weights": list(self._weights),
            "untrained": self._untrained.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.iterations = list(state["iterations"])
        self._weights = [dict(weights) for weights in state["weights"]]
        self._untrained.load_state_dict(state["untrained"])
        self._players = {}


def _evenly(count: int, room: int) -> list[int]:
    """At most ``room`` of ``count`` places, from the first to the last where there is room."""
    if count <= room:
        return list(range(count))
    return [round(i * (count - 1) / max(room - 1, 1)) for i in range(room)]
