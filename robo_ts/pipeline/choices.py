"""Groups chosen by a word, such as ``teacher=ppo``, beside a recipe that has the last word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from robo_ts.errors import RoboTSError
from robo_ts.pipeline.complaints import flat_keys

GROUPS = ("teacher", "student", "distill", "engine")


def check_choices(words: Sequence[str], folder: Path, node: DictConfig) -> None:
    """Refuse a chosen group of which nothing is left once the recipe has changed it.

    Args:
        words: of the command line.
        folder: where the groups lie.
        node: the composed settings.

    Raises:
        RoboTSError: names what the group says, and what stands in its place.
    """
    for word in words:
        group, _, option = word.partition("=")
        path = folder / group / f"{option}.yaml"
        if group not in GROUPS or not path.is_file():
            continue
        wanted = _settings(path, group)
        found = {key: OmegaConf.select(node, key) for key in wanted}
        if wanted and not any(found[key] == value for key, value in wanted.items()):
            raise RoboTSError(
                f"{_listed(wanted)}, as {word} says",
                f"{_listed(found)}, which the recipe or a later word set",
                f"leave {word} out, or write {' '.join(f'{k}={v}' for k, v in wanted.items())}",
            )


def _settings(path: Path, group: str) -> dict[str, Any]:
    """What a group's file sets, by dotted name."""
    everywhere = path.read_text().startswith("# @package _global_")
    node = OmegaConf.load(path)
    leaves = {key: OmegaConf.select(node, key) for key in flat_keys(node)}
    prefix = "" if everywhere else f"{group}."
    return {f"{prefix}{k}": v for k, v in leaves.items() if not isinstance(v, DictConfig)}


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items())
