"""What a camera gives, what its sensor spoils, and what a scene looks like: all as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one, check_not_negative, check_one_of, check_shares
from robo_ts.errors import RoboTSError
from robo_ts.sim.randomize import Range

OUTPUTS = ("depth", "rgb", "segmentation")
DEPTH_DTYPES = ("uint16", "uint8", "float16", "float32")
# What a depth pixel reads where nothing lies within [near, far].
OUTSIDE = ("clip", "hole")


def _constant(value: float) -> Range:
    return Range(value, value)


@dataclass
class SensorConfig:
    """What one camera does to its images. Every :class:`Range` is drawn per world and episode.

    Noise is a function of (world's key of the episode, frame, pixel), so a world's images do not
    depend on which other worlds are rendered beside it, nor on the device.

    Attributes:
        delay: control steps from exposure to arrival, rounded to whole ones.
        lost: probability that the camera gives only zeros for a whole episode.
        position: mounting error, m, drawn for each axis of the camera frame.
        rotation: mounting error, degrees, drawn for each axis of the camera frame.
        fovy: error of the vertical field of view, degrees.
        depth_noise: standard deviation of depth at distance zero, m.
        depth_noise_square: what is added to it per squared metre of distance, 1/m. A Kinect has
            0.0012 + 0.0019 (z - 0.4)^2 (Nguyen et al. 2012, eq. 1).
        depth_step: depth is rounded to multiples of this, m; 0 for none.
        dropout: share of depth pixels without a reading, each by itself.
        holes: share of patches of 4 x 4 depth pixels without a reading.
        edges: share of the depth pixels beside a depth step of more than 5% that have no reading,
            as stereo cameras lose what only one of the two sees.
        exposure: factor on colours.
        tint: factor on each colour channel, drawn for each.
        colour_noise: standard deviation of every colour channel of every pixel, of 255.
        blur: standard deviation of a Gaussian blur of 3 x 3 pixels, pixels; colour only.
    """

    delay: Range = field(default_factory=Range)
    lost: float = 0.0
    position: Range = field(default_factory=Range)
    rotation: Range = field(default_factory=Range)
    fovy: Range = field(default_factory=Range)
    depth_noise: Range = field(default_factory=Range)
    depth_noise_square: Range = field(default_factory=Range)
    depth_step: Range = field(default_factory=Range)
    dropout: Range = field(default_factory=Range)
    holes: Range = field(default_factory=Range)
    edges: Range = field(default_factory=Range)
    exposure: Range = field(default_factory=lambda: _constant(1.0))
    tint: Range = field(default_factory=lambda: _constant(1.0))
    colour_noise: Range = field(default_factory=Range)
    blur: Range = field(default_factory=Range)

    def __post_init__(self) -> None:
        check_shares(self, "sensor", ("lost",))
        if self.delay.law == "normal":
            raise RoboTSError(
                "a delay with a longest one", "law normal", "use law uniform for sensor.delay"
            )
        for name in ("dropout", "holes", "edges"):
            _check_range(name, getattr(self, name), 0.0, 1.0)
        for name in ("delay", "depth_noise", "depth_noise_square", "depth_step", "blur"):
            _check_range(name, getattr(self, name), 0.0, None)
        for name in ("exposure", "tint", "colour_noise"):
            _check_range(name, getattr(self, name), 0.0, None)


@dataclass
class CameraConfig:
    """One camera of the model and the images it gives.

    Every output is an observation group ``<name>_<output>`` of shape ``(num_envs, channels, height,
    width)``: ``rgb`` has three channels of uint8; ``depth`` one channel, see below;
    ``segmentation`` one channel of uint8, 0 for everything that is in no class and 1, 2, ... for
    ``classes`` in order.

    Depth is planar (along the optical axis), in metres between ``near`` and ``far``. It is stored
    in ``dtype``: for integers 0 is a hole (no reading) and 1 to the greatest number are ``near`` to
    ``far`` linearly (:func:`depth_in_metres` undoes it); for floats it is metres, with 0 for a
    hole.

    Attributes:
        name: name of the camera in the model.
        outputs: among ``depth``, ``rgb``, ``segmentation``.
        width: of the image, pixels.
        height: of the image, pixels.
        dtype: how depth is stored: ``uint16``, ``uint8``, ``float16`` (m) or ``float32`` (m).
        near: nearest depth the camera measures, m.
        far: farthest depth the camera measures, m.
        outside: what depth reads out of [near, far] and where nothing is hit: ``clip`` (the nearer
            end; a miss reads ``far``) or ``hole``.
        every: control steps between two frames; in between the last frame is held. A world's first
            frame is exposed at its reset.
        classes: names of segmentation classes, each with the bodies that belong to it (with all
            bodies below them). Required for ``segmentation``.
        segmenter: whether the deployed system segments images as well. The renderer does it without
            a fault; only with this is the group marked as deployable.
        emit: whether the images are observation groups; without it only point clouds read them.
        sensor: what the sensor spoils.
    """

    name: str = ""
    outputs: list[str] = field(default_factory=lambda: ["depth"])
    width: int = 64
    height: int = 64
    dtype: str = "uint16"
    near: float = 0.05
    far: float = 2.0
    outside: str = "clip"
    every: int = 1
    classes: dict[str, list[str]] = field(default_factory=dict)
    segmenter: bool = False
    emit: bool = True
    sensor: SensorConfig = field(default_factory=SensorConfig)

    def __post_init__(self) -> None:
        for output in self.outputs:
            check_one_of("a camera's output", output, OUTPUTS)
        if not self.outputs or len(set(self.outputs)) < len(self.outputs):
            raise RoboTSError(
                f"different outputs among {', '.join(OUTPUTS)}",
                f"{self.outputs} for camera {self.name!r}",
                "name each output once",
            )
        check_one_of("a depth dtype", self.dtype, DEPTH_DTYPES)
        check_one_of("outside", self.outside, OUTSIDE)
        check_at_least_one(self, f"camera {self.name!r}", ("width", "height", "every"))
        if not 0.0 <= self.near < self.far:
            raise RoboTSError(
                "0 <= near < far", f"[{self.near}, {self.far}] m", f"mend camera {self.name!r}"
            )
        if "segmentation" in self.outputs and not self.classes:
            raise RoboTSError(
                "classes for a segmentation camera",
                f"none for camera {self.name!r}",
                "give classes={'ball': ['ball'], ...} with the names of bodies",
            )
        if len(self.classes) > 255:
            raise RoboTSError(
                "at most 255 classes", f"{len(self.classes)} for {self.name!r}", "join some"
            )

    def group(self, output: str) -> str:
        """Name of the observation group of an output."""
        return f"{self.name}_{output}"


@dataclass
class PointCloudConfig:
    """Points that depth cameras see, as an observation group ``(num_envs, 3 * num_points)``.

    Points are made from depth as it is stored, with all its noise and delay, and with the camera's
    nominal pose and field of view: what a calibrated robot would believe. They are drawn evenly
    over the valid pixels of all cameras, and repeated where there are too few; a world without any
    valid pixel has all points at zero. Pixels at ``far`` and holes are not valid.

    Attributes:
        name: of the observation group.
        cameras: names of the cameras, whose outputs hold ``depth``.
        num_points: per world.
        frame: ``world``, ``camera`` (of the first camera), or the name of a site or a body, such as
            the hand's palm; its pose is that of the frame's exposure.
        low: lower corner of the box of ``frame`` within which points are kept, m; empty for all.
        high: upper corner of that box, m.
        bodies: only points on these bodies (with all bodies below them) are kept; empty for all.
            The renderer tells which they are. A deployed system then needs a segmenter of its own.
        segmenter: whether the deployed system has that segmenter; without it a group with
            ``bodies`` is marked as privileged.
    """

    name: str = "points"
    cameras: list[str] = field(default_factory=list)
    num_points: int = 256
    frame: str = "world"
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    segmenter: bool = False

    def __post_init__(self) -> None:
        check_at_least_one(self, f"point cloud {self.name!r}", ("num_points",))
        if not self.cameras:
            raise RoboTSError(
                "cameras for a point cloud", f"none for {self.name!r}", "name depth cameras"
            )
        if len(self.low) not in (0, 3) or len(self.low) != len(self.high):
            raise RoboTSError(
                "low and high with three numbers each, or none",
                f"{self.low} and {self.high}",
                f"mend point cloud {self.name!r}",
            )


@dataclass
class Recolour:
    """New colours for some bodies, drawn per world and episode.

    Attributes:
        bodies: names of the bodies whose geoms change colour; all geoms of all of them get the same
            shift, so that parts of one thing stay alike.
        hue: added to the hue, as a share of the colour circle (0.5 reaches every colour with
            ``Range(-0.5, 0.5)``).
        saturation: added to the saturation, of 1.
        value: added to the brightness, of 1.
    """

    bodies: list[str] = field(default_factory=list)
    hue: Range = field(default_factory=Range)
    saturation: Range = field(default_factory=Range)
    value: Range = field(default_factory=Range)


@dataclass
class SceneConfig:
    """How scenes are drawn and how their looks vary; ranges are drawn per world and episode.

    Attributes:
        textures: whether materials' textures are drawn.
        shadows: whether lights with ``castshadow`` cast shadows (slower).
        samples: rays per pixel and axis for colours; 2 costs four times as much.
        geom_groups: MuJoCo geom groups that are drawn.
        background: red, green and blue in [0, 1] where nothing is hit.
        recolour: colours that vary.
        light: factor on every light's colour. The headlight is shared by all worlds: keep it weak.
        light_position: added to each axis of every light's position, m.
        light_direction: turn of every light about a random axis, degrees.
    """

    textures: bool = True
    shadows: bool = False
    samples: int = 1
    geom_groups: list[int] = field(default_factory=lambda: [0, 1, 2])
    background: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    recolour: list[Recolour] = field(default_factory=list)
    light: Range = field(default_factory=lambda: _constant(1.0))
    light_position: Range = field(default_factory=Range)
    light_direction: Range = field(default_factory=Range)

    def __post_init__(self) -> None:
        check_at_least_one(self, "scene", ("samples",))
        check_not_negative(self, "scene", ())
        _check_range("light", self.light, 0.0, None)
        if len(self.background) != 3 or not all(0.0 <= c <= 1.0 for c in self.background):
            raise RoboTSError(
                "a background of three numbers in [0, 1]", str(self.background), "mend it"
            )


def is_constant(drawn: Range, value: float = 0.0) -> bool:
    """Whether a range is the single number ``value``, which is to say that it changes nothing."""
    if drawn.law == "normal":
        return drawn.high == 0.0 and drawn.low == value
    return drawn.low == drawn.high == value


def _check_range(name: str, drawn: Range, least: float, greatest: float | None) -> None:
    ends = (drawn.low, drawn.low if drawn.law == "normal" else drawn.high)
    if min(ends) < least or (greatest is not None and max(ends) > greatest):
        where = f">= {least:g}" if greatest is None else f"in [{least:g}, {greatest:g}]"
        raise RoboTSError(f"{name} {where}", f"[{drawn.low}, {drawn.high}]", "mend the range")
