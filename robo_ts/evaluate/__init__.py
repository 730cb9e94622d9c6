"""Measuring policies: the same worlds for everyone, intervals, failure classes, ablations."""

from robo_ts.evaluate.ablations import AblatedActor, image_ablation
from robo_ts.evaluate.actors import Actor, PolicyActor
from robo_ts.evaluate.config import EvaluateConfig
from robo_ts.evaluate.protocol import Episodes, run_episodes
from robo_ts.evaluate.report import compare_pairs, memory_ablation, summarise, summarise_for

__all__ = [
    "AblatedActor",
    "Actor",
    "Episodes",
    "EvaluateConfig",
    "PolicyActor",
    "compare_pairs",
    "image_ablation",
    "memory_ablation",
    "run_episodes",
    "summarise",
    "summarise_for",
]
