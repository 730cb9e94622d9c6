"""What success is where legs are drilled instead of playing."""

from __future__ import annotations

import torch
from torch import Tensor

from robo_ts.envs.soccer.legs import GET_UP_BAR, WALK_BAR, Legs
from robo_ts.envs.soccer.record import FAILURES

_TOO_LATE, _FALLEN = FAILURES.index("too late"), FAILURES.index("fallen")


def outcome(aim: str, legs: Legs, home: slice, fallen: Tensor) -> dict[str, Tensor]:
    """Success and failure of the drill ``aim``, ``(worlds, home)`` each; nothing for the game.

    Args:
        aim: ``score``, ``get_up`` or ``walk``.
        legs: what is kept of the players.
        home: who is drilled.
        fallen: who lies on the floor, bool.
    """
    if aim == "score":
        return {}
    if aim == "get_up":
        success, ever = legs.up_since[:, home] <= GET_UP_BAR, legs.up_since[:, home].isfinite()
        failed = fallen
    else:
        success = ever = legs.speed[:, home].nan_to_num(0.0) >= WALK_BAR
        failed = fallen | (legs.falls[:, home] > 0)
        success, ever = success & ~failed, ever & ~failed
    failure = torch.where(failed, _FALLEN, _TOO_LATE).masked_fill(success, 0)
    return {"success": success, "success_ever": ever, "failure": failure}
