"""The objects that a task's settings ask for."""

from __future__ import annotations

from pathlib import Path

from robo_ts.envs.grasp.config import ObjectsConfig
from robo_ts.envs.grasp.objects.object_set import ObjectSet, generated


def choose_objects(config: ObjectsConfig) -> ObjectSet:
    """Generated objects, or a user's own meshes."""
    if config.meshes:
        from robo_ts.envs.grasp.objects.meshes import load_meshes

        return load_meshes(Path(config.meshes))
    return generated(config.count, config.split, config.seed, config.families)
