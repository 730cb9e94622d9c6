"""The conditions soccer policies are compared under."""

from __future__ import annotations

from typing import Any

from robo_ts.env.trials import Trial
from robo_ts.envs.soccer.scripted import SCRIPTED

_TEXTS = {
    "chaser": "one that goes behind the ball and kicks",
    "dribbler": "one that pushes the ball and never kicks",
    "defender": "one that attacks only in its own half",
    "goalkeeper": "one that stays between ball and goal",
    "random": "one that wanders",
    "still": "one that stands",
}
# Rooms that no training shows. Cameras are made only for those who look.
_UNSEEN: dict[str, Any] = {"enabled": True, "unseen": True}


def _start(**shares: float) -> dict[str, float]:
    return {"kickoff": 0.0, "set_piece": 0.0, "anywhere": 0.0} | shares


def _alone(text: str, seconds: float, eyes: dict[str, Any] | None = None, **start: float) -> Trial:
    changes: dict[str, Any] = {"opponents": [], "episode_s": seconds, "start": _start(**start)}
    return Trial("set_pieces", text, changes | {"eyes": _UNSEEN | (eyes or {})}, 512)


def _looking(text: str, eyes: dict[str, Any] | None = None, neck: bool = True) -> Trial:
    """A set piece under other conditions for the eyes."""
    base = _alone(text, 10.0, eyes, set_piece=1.0)
    return Trial("eyes", text, base.changes | {"neck": neck}, 512)


def _match(name: str, players: int) -> Trial:
    changes: dict[str, Any] = {"opponents": [name], "team_size": players, "episode_s": 50.0}
    changes |= {"start": _start(kickoff=1.0), "eyes": _UNSEEN}
    # Rows are players; a game of two has two.
    group = f"match_{players}v{players}"
    return Trial(group, f"50 s against {_TEXTS[name]}", changes, 100 * players)


def trials() -> dict[str, Trial]:
    """All of them, by name."""
    return {
        "score": _alone(
            "score within 10 s; ball in the attacked half, up to 2 m away", 10.0, set_piece=1.0
        ),
        "anywhere": _alone("score within 10 s, starting anywhere", 10.0, anywhere=1.0),
        "anywhere_20s": _alone("score within 20 s, starting anywhere", 20.0, anywhere=1.0),
        "known_rooms": _looking("score in the rooms of training", {"unseen": False}),
        "skyboxes": _looking("score with rooms as cube maps", {"background": "skyboxes"}),
        "no_room": _looking("score before a plain background", {"background": "plain"}),
        "stiff_neck": _looking("score with a head that cannot turn", neck=False),
        **{f"{name}_{n}v{n}": _match(name, n) for n in (1, 2) for name in SCRIPTED},
    }
