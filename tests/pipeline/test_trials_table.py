"""What ``robo-ts trials`` prints."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from robo_ts.pipeline.trials import show


def _share(mean: float) -> dict[str, Any]:
    return {"mean": mean, "ci95": [mean - 0.02, mean + 0.02], "episodes": 400}


def _printed(**reports: dict[str, Any]) -> str:
    trials = {"somewhere": {"group": "objects", "text": "", "policies": reports}}
    console = Console(file=io.StringIO(), width=200, color_system=None)
    show({"task": "any", "trials": trials}, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_trials_show_the_figures_their_own_task_reports() -> None:
    report = {
        "success": _share(0.281),
        "success_ever": _share(0.619),
        "success_per_variant": {"mean": 0.3, "ci95": [0.2, 0.4], "variants": 9},
        "return": {"median": 10.0, "mean": 8.6},
        "held_distance_m": {"median": 0.057, "mean": 0.0678},
        "drops": {"median": 0.0, "mean": 0.15},
    }
    shown = _printed(hand=report)
    assert "28.1% (26.1 to 30.1)" in shown
    assert "61.9%" in shown
    assert "held distance, cm" in shown
    assert "5.70 / 6.78" in shown
    assert "tracking" not in shown
    assert "variant" not in shown


def test_a_figure_that_only_one_policy_has_is_left_empty_for_the_others() -> None:
    plain = {"success": _share(0.5), "return": {"median": 1.0, "mean": 1.0}}
    shown = _printed(kicker={**plain, "kick_speed_m_s": {"median": 2.0, "mean": 2.5}}, walker=plain)
    rows = {line.split("│")[2].strip(): line for line in shown.splitlines() if "50.0%" in line}
    assert "2.00 / 2.50" in rows["kicker"]
    assert "kick speed, m/s" in shown
    assert " / " not in rows["walker"]


def test_distances_are_in_centimetres_only_where_all_are_small() -> None:
    plain = {"success": _share(0.5), "return": {"median": 1.0, "mean": 1.0}}
    near, far = ({**plain, "gap_m": {"median": x, "mean": x}} for x in (0.5, 2.0))
    assert "gap, cm" in _printed(near=near)
    both = _printed(near=near, far=far)
    assert "gap, m" in both
    assert "2.00 / 2.00" in both


def test_what_no_flight_lasted_long_enough_to_say_is_a_dash() -> None:
    plain = {"success": _share(0.5), "return": {"median": 1.0, "mean": 1.0}}
    shown = _printed(lost={**plain, "position_error_m": {"median": None, "mean": None}})
    assert "- / -" in shown
