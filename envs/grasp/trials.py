"""The conditions grasp policies are compared under."""

from __future__ import annotations

from typing import Any

from robo_ts.env.trials import Trial

_BINS = {
    "friction": [0.5, 0.7, 0.9, 1.2001],
    "mass_kg": [0.0, 0.03, 0.1, 0.3, 2.0],
    "start_distance_m": [0.0, 0.15, 0.2, 0.25, 0.3, 0.5],
}


def trials() -> dict[str, Trial]:
    """All of them, by name: seen and unseen objects; then what makes a grasp hard, one at a time.

    The difficulty of the start is 1 everywhere, whatever the policy was trained with.
    """
    found = {
        "train": _objects("objects of the training set", count=3000),
        "held_out_instance": _objects(
            "unseen objects of the training families", split="instance", count=300
        ),
        "held_out_family": _objects("objects of unseen families", split="family", count=300),
    }
    for friction in (0.5, 0.8, 1.2):
        found[f"friction_{friction:g}"] = _one("friction", friction)
    for density in (200.0, 500.0, 800.0):
        found[f"density_{density:g}"] = _one("density", density)
    return found


def _objects(text: str, episodes: int = 1500, **changes: Any) -> Trial:
    settings: dict[str, Any] = {"objects": changes, "start": {"difficulty": _always(1.0)}}
    return Trial("objects", text, settings, episodes, bins=_BINS)


def _one(what: str, value: float) -> Trial:
    objects: dict[str, Any] = {"split": "instance", "count": 300, what: _always(value)}
    settings = {"objects": objects, "start": {"difficulty": _always(1.0)}}
    return Trial(what, f"{what} {value:g}, unseen objects of the training families", settings, 600)


def _always(value: float) -> dict[str, Any]:
    return {"low": value, "high": value, "law": "uniform"}
