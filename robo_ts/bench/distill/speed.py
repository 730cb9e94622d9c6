"""Time of one update, ours against rsl_rl's, in turn in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from robo_ts.bench.distill.contestants import Sizes, variants
from robo_ts.evaluate.statistics import bootstrap_interval, iqm

REFERENCE = "rsl_rl"


@dataclass
class _Rates:
    """Samples per second of one variant in every round, by processor time and by the wall."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def measure_cell(sizes: Sizes, seconds: float, rounds: int, seed: int) -> dict[str, Any]:
    """One number of worlds.

    Args:
        sizes: what is learnt from.
        seconds: processor time per variant, over all rounds.
        rounds: every variant is measured once per round.
        seed: of data and weights.

    Returns:
        Plain data: ``num_envs``; ``rates``, medians over the rounds; for both our variants the
        ratio to rsl_rl, as :func:`_ratio` gives it, by processor time (``..._over_rsl_rl``) and by
        the wall (``..._over_rsl_rl_wall``); and every round's rates.
    """
    contestants = variants(sizes, seed)
    measured = _interleaved(contestants, sizes.num_envs * sizes.steps, seconds / rounds, rounds)
    found: dict[str, Any] = {"num_envs": sizes.num_envs}
    found["rates"] = {name: statistics.median(rates.cpu) for name, rates in measured.items()}
    theirs = measured[REFERENCE]
    for name, rates in measured.items():
        if name != REFERENCE:
            found[f"{name}_over_rsl_rl"] = _ratio(rates.cpu, theirs.cpu)
            found[f"{name}_over_rsl_rl_wall"] = _ratio(rates.wall, theirs.wall)
    found["rounds"] = {name: rates.cpu for name, rates in measured.items()}
    found["rounds_wall"] = {name: rates.wall for name, rates in measured.items()}
    return found


def _interleaved(
    contestants: dict[str, Callable[[], Any]], samples: int, share: float, rounds: int
) -> dict[str, _Rates]:
    measured = {name: _Rates() for name in contestants}
    for update in contestants.values():
        update()  # memory is allocated, kernels are chosen
    for index in range(rounds):
        # Every other round runs backwards, so that no variant always follows the same one.
        for name in list(contestants) if index % 2 else list(reversed(contestants)):
            cpu, wall, count = _stretch(contestants[name], share)
            measured[name].cpu.append(count * samples / cpu)
            measured[name].wall.append(count * samples / wall)
    return measured


def _stretch(update: Callable[[], Any], share: float) -> tuple[float, float, int]:
    """Processor time, wall time and number of updates until ``share`` seconds are used up."""
    count, wall, cpu = 0, time.perf_counter(), time.process_time()
    while True:
        update()
        count += 1
        used = time.process_time() - cpu
        if used >= share:
            return used, time.perf_counter() - wall, count


def _ratio(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """Of each round's ratios the median, the interquartile mean and its bootstrap interval."""
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    return {
        "median": statistics.median(ratios),
        "iqm": iqm(ratios),
        "ci95": list(bootstrap_interval(ratios)),
    }


@contextmanager
def torch_threads(threads: int) -> Iterator[int]:
    """Torch with so many threads inside the block (0: as it is); gives how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
