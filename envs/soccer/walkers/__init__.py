"""Bodies that can play: each is an MJCF file under assets/robots and a small class here."""

from robo_ts.envs.soccer.walkers.base import Clock, Planar, Walker
from robo_ts.envs.soccer.walkers.box import Box
from robo_ts.envs.soccer.walkers.op3 import OP3

WALKERS: dict[str, type[Walker]] = {"box": Box, "op3": OP3}

__all__ = ["WALKERS", "Clock", "Planar", "Walker"]
