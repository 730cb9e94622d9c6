"""The faults of every world's sensors: drawn at an episode's start, applied to every frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from robo_ts.sim.cameras import kernels
from robo_ts.sim.cameras.config import CameraConfig, SensorConfig, is_constant
from robo_ts.sim.cameras.rotations import rotation_from_vector

# Settings of a sensor beside the columns they fill.
_COLUMN_OF = {
    "depth_noise": (kernels.NOISE,),
    "depth_noise_square": (kernels.NOISE_SQUARE,),
    "depth_step": (kernels.STEP,),
    "dropout": (kernels.DROPOUT,),
    "holes": (kernels.HOLES,),
    "edges": (kernels.EDGES,),
    "exposure": (kernels.EXPOSURE,),
    "tint": (kernels.RED, kernels.GREEN, kernels.BLUE),
    "colour_noise": (kernels.COLOUR_NOISE,),
    "blur": (kernels.BLUR,),
}
_ONE = ("exposure", "tint")  # these change nothing at one, the others at zero


class Sensors:
    """What is wrong with each camera of each world, one row per world.

    Attributes:
        table: per camera, the parameters of its pixels, ``(num, kernels.COLUMNS)``.
        delay: per camera, control steps from exposure to arrival, ``(num,)`` long.
        position: per camera, mounting error in its own frame, ``(num, 3)`` m.
        rotation: per camera, mounting error, ``(num, 3, 3)``: true = nominal @ rotation.
        fovy: per camera, error of the vertical field of view, ``(num,)`` degrees.
        key: the episode's key, from which all pixel noise follows, ``(num,)`` long.
    """

    def __init__(self, cameras: Sequence[CameraConfig], num: int, device: torch.device) -> None:
        self.cameras, self.device = list(cameras), device
        self.key = torch.zeros(num, dtype=torch.long, device=device)
        perfect = torch.zeros(num, kernels.COLUMNS, device=device)
        perfect[:, [kernels.ALIVE, kernels.EXPOSURE, *_COLUMN_OF["tint"]]] = 1.0
        self.table = [perfect.clone() for _ in cameras]
        self.delay = [torch.zeros(num, dtype=torch.long, device=device) for _ in cameras]
        self.position = [torch.zeros(num, 3, device=device) for _ in cameras]
        self.rotation = [torch.eye(3, device=device).repeat(num, 1, 1) for _ in cameras]
        self.fovy = [torch.zeros(num, device=device) for _ in cameras]

    def draw(self, env_ids: Tensor, generator: torch.Generator) -> None:
        """New faults for the worlds ``env_ids (n,)``.

        What is drawn depends on the generator's state and ``n`` only. Where cameras can be lost, a
        world never loses all of several ones.
        """
        n = len(env_ids)
        key = torch.randint(2**31, (n,), generator=generator, device=generator.device)
        self.key[env_ids] = key.to(self.device)
        for index, camera in enumerate(self.cameras):
            for name, columns in _COLUMN_OF.items():
                drawn = getattr(camera.sensor, name).sample((n, len(columns)), generator)
                for column, values in zip(columns, drawn.unbind(1), strict=True):
                    self.table[index][env_ids, column] = values.to(self.device)
            delay = camera.sensor.delay.sample((n,), generator).round().long()
            self.delay[index][env_ids] = delay.to(self.device)
            position = camera.sensor.position.sample((n, 3), generator)
            self.position[index][env_ids] = position.to(self.device)
            turn = torch.deg2rad(camera.sensor.rotation.sample((n, 3), generator))
            self.rotation[index][env_ids] = rotation_from_vector(turn).to(self.device)
            fovy = camera.sensor.fovy.sample((n,), generator)
            self.fovy[index][env_ids] = fovy.to(self.device)
        alive = self._alive(n, generator).to(self.device)
        for index in range(len(self.cameras)):
            self.table[index][env_ids, kernels.ALIVE] = alive[:, index].float()

    def _alive(self, n: int, generator: torch.Generator) -> Tensor:
        """Which cameras work in this episode, ``(n, cameras)`` bool."""
        chance = torch.tensor([camera.sensor.lost for camera in self.cameras])
        draw = torch.rand(n, len(self.cameras), generator=generator, device=generator.device)
        spare = torch.randint(len(self.cameras), (n,), generator=generator, device=generator.device)
        alive = draw >= chance.to(draw.device)
        if len(self.cameras) > 1:  # losing all of them is blindness, and that is another experiment
            none = ~alive.any(dim=1)
            alive[none, spare[none]] = True
        return alive

    def seeds(self, index: int, env_ids: Tensor, frame: Tensor) -> Tensor:
        """Seeds of the noise of frame ``frame (n,)`` of a camera, ``(n,)`` int32."""
        mixed = self.key[env_ids] + frame * 40503 + index * 2_654_435_761
        return (mixed & 0x7FFFFFFF).int()

    def state_dict(self) -> dict[str, Tensor]:
        """All that was drawn."""
        state = {"key": self.key}
        for index in range(len(self.cameras)):
            for name in ("table", "delay", "position", "rotation", "fovy"):
                state[f"{name}.{index}"] = getattr(self, name)[index]
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore :meth:`state_dict`."""
        for name, mine in self.state_dict().items():
            mine.copy_(state[name])


def longest_delay(sensor: SensorConfig) -> int:
    """The longest delay a sensor can draw, in control steps."""
    return math.ceil(sensor.delay.high - 0.5)


def is_noisy(sensor: SensorConfig) -> bool:
    """Whether pixels pass the sensor changed at all."""
    return sensor.lost > 0.0 or any(
        not is_constant(getattr(sensor, name), 1.0 if name in _ONE else 0.0) for name in _COLUMN_OF
    )
