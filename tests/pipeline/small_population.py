"""A run of a tiny population, which the tests here share."""

from __future__ import annotations

from pathlib import Path

import torch


def words(path: Path, *more: str) -> list[str]:
    return [
        "recipe=population",
        f"run_dir={path}",
        "population=4",
        "processes=1",
        "torch_threads=1",
        "apg.num_envs=8",
        "apg.iterations=3",
        "apg.window=4",
        "apg.first_window=4",
        "apg.hidden=[8]",
        "gate.success=0",
        "gate.member_success=0",
        "gate.episodes=8",
        "evaluate.num_envs=8",
        "evaluate.episodes=8",
        "evaluate.ablation_episodes=4",
        "evaluate.trials=[]",
        "task.episode_steps=8",
        *more,
    ]


def same(mine: torch.nn.Module, theirs: torch.nn.Module, tolerance: float = 1e-6) -> bool:
    pairs = zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True)
    return all(torch.allclose(a, b, atol=tolerance) for a, b in pairs)
