"""Does S-Aware Gating hold its promise while the student changes under it?

A synthetic novice decides, round after round. Its uncertainty is gamma-distributed, with shape 4
where it fails and 2 where it succeeds, so the log-odds of failure grow with the logarithm of the
uncertainty: the gate's logistic regression is near the truth, but is not it. As training goes on
the novice fails less often and the scale of its uncertainty falls.

The control asks by the gate's first threshold for ever after (with the same random questions).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robo_ts.distill.sag import TARGETS, SagConfig, SAwareGate
from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive

FAILURE_SHARE = (0.6, 0.15)
UNCERTAINTY_SCALE = (1.0, 0.4)


def novice(update: int, updates: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Decisions of the novice after so many updates.

    Returns:
        Uncertainty ``(count,)`` and whether each fails ``(count,)``.
    """
    rng = np.random.default_rng(derive(seed, "novice", update))
    done = update / max(updates - 1, 1)
    share, scale = (a * (b / a) ** done for a, b in (FAILURE_SHARE, UNCERTAINTY_SCALE))
    fails = rng.random(count) < share
    uncertainty = scale * rng.gamma(np.where(fails, 4.0, 2.0))
    return torch.from_numpy(uncertainty), torch.from_numpy(fails)


def run_once(
    config: SagConfig,
    seed: int,
    updates: int = 200,
    decisions: int = 64,
    frozen: bool = False,
) -> dict[str, float]:
    """One novice through its whole training.

    Args:
        config: what the gate aims at.
        seed: of the novice and the gate.
        updates: rounds of training.
        decisions: of the novice per round.
        frozen: keep the first threshold (the control).

    Returns:
        Realised sensitivity, specificity and success, and the share of questions saved against
        asking always, all from the first threshold on; and the rounds before it, in which
        everything is asked.
    """
    gate = SAwareGate(config, derive(seed, "gate"))
    generator = torch.Generator().manual_seed(derive(seed, "random questions"))
    asked_all, fails_all = [], []
    warmup = 0
    for update in range(updates):
        uncertainty, fails = novice(update, updates, decisions, seed)
        asked = gate.query(uncertainty, generator)
        if gate.threshold() == -math.inf:
            warmup += 1
        else:
            asked_all.append(asked)
            fails_all.append(fails)
            if frozen:
                continue
        gate.record(uncertainty, torch.where(fails, -1, 1), asked, update)
        gate.update(update + 1)
    if not asked_all:
        raise RoboTSError(
            f"enough updates for {config.least_relevant} labels", str(updates), "raise updates"
        )
    asked, fails = torch.cat(asked_all), torch.cat(fails_all)
    return {
        "sensitivity": float(asked[fails].double().mean()),
        "specificity": float((~asked)[~fails].double().mean()),
        "success": float((asked | ~fails).double().mean()),
        "saved": float((~asked).double().mean()),
        "warmup": float(warmup),
    }


def run(
    seeds: Sequence[int] = range(5),
    targets: Sequence[float] = (0.5, 0.7, 0.9),
    aims: Sequence[str] = TARGETS,
    decisions: int = 64,
    updates: int = 200,
) -> dict[str, Any]:
    """Measure the gate and its control for every aim and target.

    Returns:
        ``results``: one row per aim, target and arm (``gate`` or ``frozen``) with mean and spread
        (standard deviation) over the seeds, and the mean's distance from the target. Success
        above target is no fault: random questions alone may reach it.

    Raises:
        RoboTSError: with fewer than two seeds, or before any threshold is found.
    """
    if len(seeds) < 2:
        raise RoboTSError("two seeds or more", str(list(seeds)), "one seed has no spread")
    rows: list[dict[str, Any]] = []
    for aim in aims:
        for target in targets:
            config = SagConfig(target=aim, value=target)
            for arm in ("gate", "frozen"):
                runs = [run_once(config, s, updates, decisions, arm == "frozen") for s in seeds]
                row: dict[str, Any] = {"aim": aim, "target": target, "arm": arm}
                for name in runs[0]:
                    values = np.array([one[name] for one in runs])
                    row[name] = {"mean": float(values.mean()), "spread": float(values.std(ddof=1))}
                row["error"] = row[aim]["mean"] - target
                rows.append(row)
    return {
        "seeds": list(seeds),
        "targets": list(targets),
        "decisions": decisions,
        "updates": updates,
        "random_share": SagConfig().random_share,
        "results": rows,
    }
