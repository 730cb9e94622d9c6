"""What the names of metrics say."""

from __future__ import annotations

# How names tell their units, the longer endings first.
_UNITS = {"m_s": "m/s", "rad_s": "rad/s"} | {
    unit: unit for unit in ("m", "s", "rad", "deg", "cm", "mm", "N", "kg")
}


def words_and_unit(name: str) -> tuple[str, str]:
    """``position_error_m`` is (position error, m), ``drops`` is (drops, no unit)."""
    for ending, unit in _UNITS.items():
        words = name.removesuffix(f"_{ending}")
        if words and words != name:
            return words.replace("_", " "), unit
    return name.replace("_", " "), ""
