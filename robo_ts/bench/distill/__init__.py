"""Our distiller against rsl_rl's own: same network, same data, same optimiser steps, one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from robo_ts.bench.distill.contestants import ACTIVATION, WIDTH, Sizes
from robo_ts.bench.distill.memory import ImageSizes, measure_memory
from robo_ts.bench.distill.speed import measure_cell, torch_threads
from robo_ts.distill.config import DistillConfig
from robo_ts.errors import RoboTSError
from robo_ts.lineage import commit, hardware, versions

GRID, HEADLINE = (32, 64, 256, 1024), 64
# Of one data set: larger minibatches take more memory besides it.
IMAGES = (ImageSizes(minibatches=64), ImageSizes(minibatches=128))

__all__ = ["GRID", "HEADLINE", "IMAGES", "ImageSizes", "Sizes", "run_bench_distill", "run_suite"]


def run_bench_distill(
    num_envs: Sequence[int] = GRID,
    steps: int = 60,
    bptt_length: int = 15,
    seconds: float = 8.0,
    rounds: int = 40,
    seed: int = 0,
    threads: int = 1,
    images: Sequence[ImageSizes] = IMAGES,
) -> dict[str, Any]:
    """Samples per second and memory of our update against rsl_rl's ``Distillation.update``.

    A sample is one control step of one world, learnt from once. Variants: ``rsl_rl``; ``ours``,
    with as many optimiser steps; ``recommended``, ours with four minibatches, which takes four
    times as many. Time is the process's own processor time, so that a busy machine's other
    processes do not count, though they share its caches; ratios by the wall stand beside it.

    Args:
        num_envs: numbers of worlds, that is, of sequences; one cell each.
        steps: of each sequence.
        bptt_length: steps of truncated back-propagation; 15 is rsl_rl's own choice.
        seconds: processor time per variant and cell, over all rounds.
        rounds: every variant is measured once per round.
        seed: of data and weights.
        threads: of torch, for all variants; 0 leaves them as they are.
        images: the camera students whose memory is measured.

    Returns:
        Plain data: ``cells``, each as :func:`robo_ts.bench.distill.speed.measure_cell` gives it;
        ``memory``, each as :func:`robo_ts.bench.distill.memory.measure_memory` gives it;
        settings, and where the figures come from.
    """
    if rounds < 1 or seconds <= 0 or not num_envs:
        raise RoboTSError(
            "at least one number of worlds, one round and some time",
            f"{list(num_envs)} worlds, {rounds} rounds in {seconds} s",
            "ask for more",
        )
    sizes = [Sizes(count, steps, bptt_length) for count in num_envs]
    settings = {name: value for name, value in asdict(sizes[0]).items() if name != "num_envs"}
    with torch_threads(threads) as used:
        cells = [measure_cell(one, seconds, rounds, seed) for one in sizes]
        memory = [measure_memory(one, used, seed) for one in images]
    return {
        **settings,
        "seed": seed,
        "seconds": seconds,
        "torch_threads": used,
        "network": f"GRU {WIDTH}, dense {WIDTH} ({ACTIVATION})",
        "minibatches": {"rsl_rl": 1, "ours": 1, "recommended": DistillConfig().minibatches},
        "unit": "control steps of one world learnt from per second of processor time",
        "headline_num_envs": HEADLINE,
        "cells": cells,
        "memory": memory,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }


def run_suite(seeds: Sequence[int] | None = None, threads: int = 0) -> dict[str, Any]:
    """:func:`run_bench_distill` as ``robo-ts bench distill`` runs it: one seed, one thread.

    Raises:
        RoboTSError: for several seeds, as speed does not depend on them.
    """
    if seeds is not None and len(seeds) != 1:
        raise RoboTSError("one seed", f"{len(seeds)} seeds", "leave --seeds out")
    return run_bench_distill(seed=0 if seeds is None else seeds[0], threads=threads or 1)
