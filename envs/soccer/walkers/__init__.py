"""Bodies that can play: each is an MJCF file under assets/robots and a small class here."""

from robo_ts.envs.soccer.walkers.base import Planar, Walker
from robo_ts.envs.soccer.walkers.box import Box

WALKERS: dict[str, type[Walker]] = {"box": Box}

__all__ = ["WALKERS", "Planar", "Walker"]
