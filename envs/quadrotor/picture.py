"""A still picture of many flights in one scene, rendered off-screen by MuJoCo."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from robo_ts.errors import RoboTSError


def render_flights(
    positions: np.ndarray,
    quaternions: np.ndarray,
    arms: np.ndarray,
    path: str | Path,
    size: tuple[int, int] = (1280, 640),
    spacing: float = 1.1,
) -> Path:
    """Draw drones side by side with the trails of their flights and write a PNG.

    Args:
        positions: ``(time, num, 3)`` m, relative to each drone's reference.
        quaternions: ``(time, num, 4)``, w first.
        arms: ``(num,)`` arm lengths, m; drones are drawn to scale.
        path: the PNG file.
        size: width and height in pixels.
        spacing: distance between the references of neighbours, m.

    Raises:
        RoboTSError: when no off-screen OpenGL (EGL or OSMesa) is there.
    """
    import cv2
    import mujoco

    spec = _scene(positions, quaternions, arms, spacing, size)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    try:
        with mujoco.Renderer(model, size[1], size[0]) as renderer:
            renderer.update_scene(data, camera="overview")
            image = renderer.render()
    except Exception as error:
        raise RoboTSError(
            "off-screen OpenGL", f"{type(error).__name__}: {error}", "install libegl1 or libosmesa6"
        ) from error
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return Path(path)


def _scene(
    positions: np.ndarray,
    quaternions: np.ndarray,
    arms: np.ndarray,
    spacing: float,
    size: tuple[int, int],
):
    import mujoco

    num = positions.shape[1]
    columns = int(np.ceil(np.sqrt(num * size[0] / size[1])))
    rows = int(np.ceil(num / columns))
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = size
    spec.visual.headlight.ambient = [0.3] * 3
    spec.visual.headlight.diffuse = [0.25] * 3
    world = spec.worldbody
    floor = world.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[25, 25, 0.1], pos=[0, 0, -0.9])
    floor.rgba = [0.62, 0.66, 0.72, 1]
    world.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[0, -4, 8],
        dir=[0.2, 0.4, -1],
        diffuse=[0.5] * 3,
        specular=[0.1] * 3,
    )
    spec.stat.extent = 3.0
    for i in range(num):
        column, row = i % columns, i // columns
        offset = np.array([(column - (columns - 1) / 2) * spacing, row * spacing * 1.3, 0.0])
        _trail(world, positions[:, i] + offset)
        _drone(world, positions[-1, i] + offset, quaternions[-1, i], float(arms[i]))
    middle = np.array([0.0, (rows - 1) * spacing * 0.65, -0.1])
    _camera(world, middle, distance=columns * spacing * 0.8)
    return spec


def _trail(world, points: np.ndarray) -> None:
    """The path of one flight, from pale to strong."""
    import mujoco

    points = points[:: max(1, len(points) // 60)]
    for k, (a, b) in enumerate(pairwise(points)):
        if np.linalg.norm(b - a) > 1e-4:
            share = k / len(points)
            geom = world.add_geom(type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=[0.006, 0, 0])
            geom.fromto = [*a, *b]
            geom.rgba = [0.85 - 0.7 * share, 0.45, 0.15 + 0.65 * share, 1]


def _drone(world, position: np.ndarray, quaternion: np.ndarray, arm: float) -> None:
    import mujoco

    body = world.add_body(pos=position, quat=quaternion)
    reach = arm / np.sqrt(2.0)
    for x, y in ((1, -1), (-1, -1), (-1, 1), (1, 1)):
        disc = body.add_geom(type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[0.62 * reach, 0.004, 0])
        disc.pos = [x * reach, y * reach, 0.01]
        disc.rgba = [0.95, 0.45, 0.1, 0.9] if x > 0 else [0.2, 0.45, 0.85, 0.9]
        beam = body.add_geom(type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=[0.07 * arm, 0, 0])
        beam.fromto = [0, 0, 0, x * reach, y * reach, 0]
        beam.rgba = [0.15, 0.16, 0.2, 1]
    hull = body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_ELLIPSOID, size=[0.3 * arm, 0.2 * arm, 0.12 * arm]
    )
    hull.rgba = [0.1, 0.11, 0.14, 1]


def _camera(world, target: np.ndarray, distance: float) -> None:
    """Look at ``target`` from the front and above."""
    import mujoco

    eye = target + distance * np.array([0.0, -0.85, 0.5])
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    camera = world.add_camera(name="overview", pos=eye, fovy=42)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.stack([right, up, -forward], axis=1).ravel())
    camera.quat = quaternion
