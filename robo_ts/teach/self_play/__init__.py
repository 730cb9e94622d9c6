"""Self-play: a teacher that learns against its own earlier selves, for any task with free seats."""

from robo_ts.teach.self_play.config import SelfPlayConfig
from robo_ts.teach.self_play.learner import SelfPlay
from robo_ts.teach.self_play.pool import SnapshotPool

__all__ = ["SelfPlay", "SelfPlayConfig", "SnapshotPool"]
