"""Settings of what a student sees with: a camera beside the table, one in the palm, points."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from robo_ts.checks import check_not_negative, check_one_of
from robo_ts.errors import RoboTSError
from robo_ts.sim import Range
from robo_ts.sim.cameras import CameraConfig, SensorConfig

CAMERAS = ("fixed", "palm")
_ERRORS = ("delay", "position", "rotation", "fovy", "depth_noise", "depth_noise_square")
_ERRORS += ("depth_step", "dropout", "holes", "edges")
# Changes to a camera's settings with which it neither errs nor lags.
PERFECT = {"sensor": {name: {"low": 0.0, "high": 0.0} for name in _ERRORS} | {"lost": 0.0}}


def _sensor(position: float, rotation: float) -> SensorConfig:
    """A depth camera as they are: noise, holes, lag, and a mounting that is only known roughly."""
    return SensorConfig(
        delay=Range(0.0, 1.0),
        position=Range(-position, position),
        rotation=Range(-rotation, rotation),
        depth_noise=Range(0.0, 0.003),
        depth_noise_square=Range(0.0, 0.004),
        dropout=Range(0.0, 0.02),
        holes=Range(0.0, 0.03),
        edges=Range(0.0, 0.3),
    )


def _fixed() -> CameraConfig:
    return CameraConfig(
        "fixed", ["depth"], 32, 32, near=0.4, far=1.1, every=2, sensor=_sensor(0.01, 1.0)
    )


def _palm() -> CameraConfig:
    return CameraConfig(
        "palm", ["depth"], 32, 32, near=0.01, far=0.4, every=2, sensor=_sensor(0.002, 1.0)
    )


@dataclass
class EyesConfig:
    """What a student may see with. Nothing here is segmented: what is object and what is table a
    student has to find out.

    Attributes:
        cameras: among ``fixed`` (beside the table) and ``palm`` (in the hand); none for no eyes.
        fixed: what it gives, as the group ``fixed_depth``, and what its sensor spoils.
        palm: the same, as ``palm_depth``.
        points: of a partial point cloud, the group ``points``, made from the depth of ``cameras``
            within 25 cm of the palm, in the palm's frame; 0 for none.
        imagined: points on the hand's own surface by its joint encoders, the group ``imagined``, in
            the same frame (DexPoint, arXiv 2211.09423); 0 for none.
    """

    cameras: list[str] = field(default_factory=lambda: list(CAMERAS))
    fixed: CameraConfig = field(default_factory=_fixed)
    palm: CameraConfig = field(default_factory=_palm)
    points: int = 0
    imagined: int = 0

    def __post_init__(self) -> None:
        for name in self.cameras:
            check_one_of("task.eyes.cameras", name, CAMERAS)
        check_not_negative(self, "task.eyes", ("points", "imagined"))
        if self.points and not self.cameras:
            raise RoboTSError(
                "cameras for task.eyes.points", "none", "name some in task.eyes.cameras"
            )

    def chosen(self) -> list[CameraConfig]:
        """The settings of ``cameras``, under the names the model has for them."""
        return [replace(getattr(self, name), name=name) for name in self.cameras]
