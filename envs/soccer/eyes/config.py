"""Settings of the head cameras and of what is around the pitch."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one, check_one_of, check_positive
from robo_ts.errors import RoboTSError
from robo_ts.sim import Range
from robo_ts.sim.cameras import Recolour, SceneConfig, SensorConfig

BACKGROUNDS = ("rooms", "skyboxes", "plain")


@dataclass
class CaptureConfig:
    """A captured scene that stands around the pitch instead of a made-up room.

    Attributes:
        path: a binary ``.ply`` of 3D Gaussian splats.
        scale: metres per unit of the file.
        rotation: unit quaternion, w first, that turns the file's axes into the pitch's: x towards
            the attacked goal, z up.
        position: of the file's origin, after that, on the pitch, m.
        splats: at most so many of them, those that cover most; 0 for all.
    """

    path: str = ""
    scale: float = 1.0
    rotation: list[float] = field(default_factory=lambda: [1.0, 0.0, 0.0, 0.0])
    position: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    splats: int = 4000

    def __post_init__(self) -> None:
        check_positive(self, "task.eyes.captures", ("scale",))
        if len(self.rotation) != 4 or not any(self.rotation) or len(self.position) != 3:
            raise RoboTSError(
                "task.eyes.captures with a rotation of four numbers and a position of three",
                f"{self.rotation} and {self.position}",
                "mend the capture",
            )


def _sensor() -> SensorConfig:
    return SensorConfig(
        delay=Range(0.0, 1.0),
        position=Range(-0.01, 0.01),
        rotation=Range(-2.0, 2.0),
        exposure=Range(0.8, 1.2),
        tint=Range(0.93, 1.07),
        colour_noise=Range(0.0, 4.0),
        blur=Range(0.0, 0.5),
    )


def _scene() -> SceneConfig:
    some = Range(-0.1, 0.1)
    return SceneConfig(
        textures=False,
        background=[0.5, 0.55, 0.6],
        light=Range(0.7, 1.3),
        light_direction=Range(0.0, 30.0),
        recolour=[
            Recolour(["ball"], hue=Range(-0.03, 0.03), value=some),
            Recolour(["world"], hue=Range(-0.06, 0.06), saturation=some, value=some),
            Recolour(["goal_front"], hue=Range(-0.04, 0.04), value=some),
            Recolour(["goal_rear"], hue=Range(-0.03, 0.03), value=some),
        ],
    )


@dataclass
class EyesConfig:
    """What players see.

    Attributes:
        enabled: whether there is an observation group ``head_rgb``. Cameras are made when somebody
            looks through them.
        width: of the picture, pixels.
        height: of the picture, pixels.
        every: control steps between two frames.
        background: what is around the pitch: ``rooms`` of Gaussian splats; ``skyboxes``, which are
            these rooms as seen from the middle of the pitch, three times as fast; or ``plain``, one
            colour.
        rooms: how many there are; every world has another one in every episode.
        splats: of each room.
        unseen: whether the rooms are those that training never shows.
        captures: captured scenes, which take the place of the made-up rooms.
        sensor: what the camera spoils: lens, mounting, latency, colours, blur.
        scene: lights and colours, and rays per pixel.
    """

    enabled: bool = False
    width: int = 40
    height: int = 30
    every: int = 1
    background: str = "rooms"
    rooms: int = 16
    splats: int = 2000
    unseen: bool = False
    captures: list[CaptureConfig] = field(default_factory=list)
    sensor: SensorConfig = field(default_factory=_sensor)
    scene: SceneConfig = field(default_factory=_scene)

    def __post_init__(self) -> None:
        check_one_of("task.eyes.background", self.background, BACKGROUNDS)
        check_at_least_one(self, "task.eyes", ("width", "height", "every", "rooms", "splats"))
