"""Where is the success lost? A ladder of cheap experiments between teacher and exported file."""

from robo_ts.explain.config import ExplainConfig
from robo_ts.explain.ladder import FILE, explain
from robo_ts.explain.verdict import Verdict, judge

__all__ = ["FILE", "ExplainConfig", "Verdict", "explain", "judge"]
