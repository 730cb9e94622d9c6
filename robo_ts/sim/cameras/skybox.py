"""Cube maps around the world: the cheap background, without parallax.

A cube map is an array ``(6 w, w, 3)`` uint8: six square faces one below the other, towards +x, -x,
+z, -z, -y and +y of the world, as MuJoCo lays out skybox textures. As in every cube map each face
is the mirror image of what one sees from inside.
"""

from __future__ import annotations

import mujoco
import numpy as np
import torch

from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive
from robo_ts.sim.cameras.config import CameraConfig, SceneConfig
from robo_ts.sim.cameras.splats import SplatScene

# Of each face: where the camera looks, and what is up in its picture.
_FACES = (
    ((1, 0, 0), (0, 0, 1)),
    ((-1, 0, 0), (0, 0, 1)),
    ((0, 0, 1), (0, 1, 0)),
    ((0, 0, -1), (0, -1, 0)),
    ((0, -1, 0), (0, 0, 1)),
    ((0, 1, 0), (0, 0, 1)),
)
_LOWEST = 0.1  # of all splats


def face_axes(face: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, up and forward for an eye that looks at a face, in the world's frame."""
    forward, up = (np.array(v, float) for v in _FACES[face])
    return np.cross(forward, up), up, forward


def check_skybox(pixels: np.ndarray) -> None:
    """Raise unless ``pixels`` is a cube map."""
    shape, kind = np.shape(pixels), getattr(pixels, "dtype", None)
    if len(shape) != 3 or shape[0] != 6 * shape[1] or shape[2] != 3 or kind != np.uint8:
        raise RoboTSError(
            "a cube map (6 w, w, 3) of uint8",
            f"{shape} of {kind}",
            "stack its six faces; see robo_ts.sim.cameras.skybox",
        )


def bake_skybox(
    scene: SplatScene, position: tuple[float, float, float] = (0.0, 0.0, 0.5), width: int = 64
) -> np.ndarray:
    """A room seen from one place, as a cube map ``(6 width, width, 3)`` uint8.

    Where nothing is, below the walls too, it has the mean colour of what stands lowest.

    Args:
        scene: the room.
        position: from where, m.
        width: of a face, pixels.
    """
    from robo_ts.sim.cameras.renderer import Renderer

    spec = mujoco.MjSpec()
    spec.stat.extent = 10.0
    for face in range(6):
        right, up, _ = face_axes(face)
        camera = spec.worldbody.add_camera(
            name=f"face_{face}", pos=list(position), xyaxes=[*right, *up]
        )
        camera.fovy = 90.0
    # The renderer has nothing to hold rays against without any geom.
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.01, 0, 0], pos=[0, 0, -100], rgba=[0, 0, 0, 0]
    )
    low = scene.position[:, 2] <= np.quantile(scene.position[:, 2], _LOWEST)
    around = SceneConfig(background=scene.rgba[low, :3].mean(axis=0).clip(0.0, 1.0).tolist())
    cameras = [CameraConfig(f"face_{i}", ["rgb"], width, width, far=100.0) for i in range(6)]
    drawn = Renderer(spec.compile(), 1, cameras, around, torch.device("cpu"), splats=[scene])
    drawn.place(1)
    drawn.draw([True] * 6)
    packed = drawn.rgb.numpy()[0]
    faces = [packed[shot.rgb : shot.rgb + width * width] for shot in drawn.shots]
    drawn.close()
    pixels = np.concatenate(faces)
    channels = [(pixels >> shift) & 255 for shift in (16, 8, 0)]
    image = np.stack(channels, axis=-1).astype(np.uint8).reshape(6 * width, width, 3)
    return np.ascontiguousarray(image[:, ::-1])


def make_skybox(seed: int, width: int = 32) -> np.ndarray:
    """Bands of colour and blurred patches around the horizon, ``(6 width, width, 3)`` uint8."""
    rng = np.random.default_rng(derive(seed, "skybox"))
    grid = (np.arange(width) + 0.5) / width * 2.0 - 1.0
    floor, wall, sky = rng.uniform(0.1, 0.95, (3, 3))
    centres = rng.normal(size=(24, 3)) * [1.0, 1.0, 0.4]
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    colours, sharpness = rng.uniform(0, 1, (24, 3)), rng.uniform(8.0, 60.0, 24)
    faces = []
    for face in range(6):
        right, up, forward = face_axes(face)
        ray = forward - grid[None, :, None] * right - grid[:, None, None] * up
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        rise = ray[..., 2:]
        colour = np.where(rise > 0.35, sky, np.where(rise < -0.1, floor, wall))
        for centre, patch, sharp in zip(centres, colours, sharpness, strict=True):
            share = np.exp(sharp * (ray @ centre - 1.0))[..., None]
            colour = colour * (1.0 - share) + patch * share
        faces.append(colour)
    light = rng.uniform(0.6, 1.1)
    return (np.concatenate(faces) * light * 255.0).clip(0, 255).astype(np.uint8)
