"""The joints of OP3: ranges of the controls, and where it stands with bent knees."""

from __future__ import annotations

# Joint, the control's range on the left side, and the angle there when it stands with bent knees
# (rad). The right side's are the negatives.
_HEAD = {"head_pan": (-0.79, 0.79, 0.0), "head_tilt": (-0.63, -0.16, -0.4)}
_ARM = {
    "sho_pitch": (-2.2, 2.2, -0.534),
    "sho_roll": (-0.8, 1.6, 0.88),
    "el": (-1.4, 0.2, -0.628),
}
_LEG = {
    "hip_yaw": (-0.3, 0.3, 0.0),
    "hip_roll": (-0.4, -0.1, -0.1),
    "hip_pitch": (-1.6, 0.5, -0.597),
    "knee": (-0.2, 2.2, 1.131),
    "ank_pitch": (-0.4, 1.8, 0.534),
    "ank_roll": (-0.4, 0.4, -0.1),
}


def _both_sides() -> dict[str, tuple[float, float, float]]:
    """All joints in the model's order."""
    found = dict(_HEAD)
    for part in (_ARM, _LEG):
        found |= {f"l_{name}": value for name, value in part.items()}
        found |= {f"r_{n}": (-high, -low, -mid) for n, (low, high, mid) in part.items()}
    return found


JOINTS = _both_sides()
