"""One episode as a strip of pictures, with the paths of what moves.

The pictures are made by a process of their own (this module, run as a program): MuJoCo chooses its
OpenGL when it is imported, and a process whose OpenGL fails may not survive it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import mujoco
import numpy as np

FRAMES, WIDTH, HEIGHT = 4, 300, 220
# Points of a path that are drawn at most.
_POINTS = 80
_PATH_RGBA = np.array([0.85, 0.37, 0.13, 1.0], dtype=np.float32)
_START_RGBA = np.array([0.96, 0.8, 0.6, 1.0], dtype=np.float32)


@dataclass(frozen=True)
class Job:
    """One picture to make.

    Attributes:
        model: the world's model.
        qpos: ``(time, nq)``.
        mocap: ``(time, nmocap, 7)``, position and quaternion.
        file: the JPEG to write.
    """

    model: mujoco.MjModel
    qpos: np.ndarray
    mocap: np.ndarray
    file: Path


def draw(jobs: list[Job]) -> bool:
    """Make pictures: rendered where there is OpenGL, otherwise drawn as paths.

    Returns:
        Whether they were rendered.
    """
    if not jobs or _rendered(jobs):
        return True
    for job in jobs:
        draw_paths(job)
    return False


def _rendered(jobs: list[Job]) -> bool:
    variables = dict(os.environ)
    if "DISPLAY" not in variables and sys.platform == "linux":
        variables.setdefault("MUJOCO_GL", "egl")
    with tempfile.TemporaryDirectory() as work:
        for k, job in enumerate(jobs):
            mujoco.mj_saveModel(job.model, str(Path(work) / f"{k}.mjb"))
            np.savez(Path(work) / f"{k}.npz", qpos=job.qpos, mocap=job.mocap)
        files = [str(job.file.resolve()) for job in jobs]
        words = [sys.executable, "-m", "robo_ts.view.strip", work, *files]
        try:
            done = subprocess.run(words, env=variables, capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0 and all(job.file.is_file() for job in jobs)


def paths(model: mujoco.MjModel, qpos: np.ndarray, mocap: np.ndarray) -> np.ndarray:
    """The paths of what ends every moving tree (a drone, a fingertip), ``(time, trees, 3)`` m."""
    return _watch(model, qpos, mocap)[0]


def _watch(
    model: mujoco.MjModel, qpos: np.ndarray, mocap: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The paths, and the corners of all that the episode came by, ``(2, 3)`` m."""
    data, tips = mujoco.MjData(model), _tips(model)
    fixed = np.zeros(model.ngeom, dtype=bool)
    for geom in range(model.ngeom):
        body = model.geom_bodyid[geom]
        fixed[geom] = model.body_weldid[body] == 0 and model.body_mocapid[body] < 0
    found, low, high = [], np.full(3, np.inf), np.full(3, -np.inf)
    # Upwards only the middles count, so that what moves in a plane is known to.
    reach = model.geom_rbound[~fixed, None] * np.array([1.0, 1.0, 0.0])
    for now, shown in zip(qpos, mocap, strict=True):
        _place(model, data, now, shown)
        found.append(np.array([data.site_xpos[k] if s else data.xipos[k] for s, k in tips]))
        places = data.geom_xpos[~fixed]
        if len(places):
            low = np.minimum(low, (places - reach).min(axis=0))
            high = np.maximum(high, (places + reach).max(axis=0))
    way = np.array(found).reshape(len(qpos), len(tips), 3)
    if not np.isfinite(low).all():
        low, high = way.min(axis=(0, 1)), way.max(axis=(0, 1))
    return way, np.stack([low, high])


def _tips(model: mujoco.MjModel) -> list[tuple[bool, int]]:
    """What ends every tree with joints: the site at the end of its last body, where it has one of
    its own, else that body's middle."""
    trees: dict[int, int] = {}
    for body in range(1, model.nbody):
        if model.body_weldid[body] != 0 and model.body_mocapid[body] < 0:
            trees[int(model.body_rootid[body])] = body
    tips = []
    for body in trees.values():
        sites = [k for k in range(model.nsite) if model.site_bodyid[k] == body]
        tips.append((True, sites[0]) if len(sites) == 1 else (False, body))
    return tips


def _place(model: mujoco.MjModel, data: mujoco.MjData, qpos: np.ndarray, mocap: np.ndarray) -> None:
    data.qpos[:] = qpos
    if model.nmocap:
        data.mocap_pos[:], data.mocap_quat[:] = mocap[:, :3], mocap[:, 3:]
    mujoco.mj_forward(model, data)


def render(job: Job) -> None:
    """A JPEG with the episode's start, two moments between, and its end, seen by one camera.

    Raises:
        Exception: of several kinds, when there is no OpenGL.
    """
    import cv2

    model, qpos, mocap = job.model, job.qpos, job.mocap
    way, corners = _watch(model, qpos, mocap)
    model.vis.global_.offwidth, model.vis.global_.offheight = WIDTH, HEIGHT
    model.vis.quality.shadowsize = 0
    # A model may bring no light of its own that reaches where the world went.
    model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.45, 0.45
    data, camera = mujoco.MjData(model), _camera(corners)
    frames = []
    with mujoco.Renderer(model, HEIGHT, WIDTH) as renderer:
        for at in np.linspace(0, len(qpos) - 1, FRAMES).round().astype(int):
            _place(model, data, qpos[at], mocap[at])
            renderer.update_scene(data, camera=camera)
            scene = renderer.scene
            scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
            scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
            _trail(scene, way[: at + 1], 0.006 * camera.distance)
            frame = renderer.render().copy()
            frame[(frame == 0).all(axis=-1)] = _SKY  # where there is nothing
            frames.append(frame)
    strip = np.concatenate([f for frame in frames for f in (frame, _GAP)][:-1], axis=1)
    if not cv2.imwrite(str(job.file), strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88]):
        raise OSError(f"{job.file} could not be written")


_GAP = np.full((HEIGHT, 6, 3), 255, dtype=np.uint8)
_SKY = (236, 240, 245)


def _camera(corners: np.ndarray) -> mujoco.MjvCamera:
    """Looks at all that the episode came by; from above where everything lies in a plane."""
    camera, span = mujoco.MjvCamera(), corners[1] - corners[0]
    camera.lookat[:] = corners.mean(axis=0)
    flat = span[2] < 0.05 * max(span[0], span[1], 1e-6)
    # 45 degrees of view; a strip's picture is wider than high.
    size = max(span[0] * HEIGHT / WIDTH, span[1]) if flat else float(np.linalg.norm(span))
    camera.distance = max((1.35 if flat else 1.15) * size, 1e-2)
    camera.azimuth, camera.elevation = (90.0, -89.0) if flat else (120.0, -25.0)
    return camera


def _trail(scene: mujoco.MjvScene, way: np.ndarray, width: float) -> None:
    """The path so far, from pale to strong."""
    way = way[:: max(1, len(way) // _POINTS)]
    for body in range(way.shape[1]):
        for k, (a, b) in enumerate(pairwise(way[:, body])):
            if scene.ngeom >= scene.maxgeom or np.linalg.norm(b - a) < 1e-5:
                continue
            share = k / max(len(way) - 1, 1)
            geom = scene.geoms[scene.ngeom]
            colour = (1 - share) * _START_RGBA + share * _PATH_RGBA
            mujoco.mjv_initGeom(
                geom,
                mujoco.mjtGeom.mjGEOM_CAPSULE,
                np.zeros(3),
                np.zeros(3),
                np.zeros(9),
                colour.astype(np.float32),
            )
            mujoco.mjv_connector(
                geom, mujoco.mjtGeom.mjGEOM_CAPSULE, width, a.astype(float), b.astype(float)
            )
            scene.ngeom += 1


def draw_paths(job: Job) -> None:
    """The same paths as a drawing from above and from the side, where there is no OpenGL."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    way = paths(job.model, job.qpos, job.mocap)
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    for axes, (x, y) in zip(figure.subplots(1, 2), ((0, 1), (0, 2)), strict=True):
        for body in range(way.shape[1]):
            axes.plot(way[:, body, x], way[:, body, y], color="#d9602a", lw=1)
            axes.plot(*way[-1, body, [x, y]], "x", color="#1d2430")
        axes.set(xlabel=f"{'xyz'[x]}, m", ylabel=f"{'xyz'[y]}, m", aspect="equal")
        axes.grid(alpha=0.3)
    with job.file.open("wb") as file:
        FigureCanvasAgg(figure).print_jpg(file)


def main(words: list[str]) -> None:
    """``python -m robo_ts.view.strip FOLDER PICTURE...``: job k lies in FOLDER as k.mjb, k.npz."""
    work, files = Path(words[0]), words[1:]
    for k, file in enumerate(files):
        states = np.load(work / f"{k}.npz")
        model = mujoco.MjModel.from_binary_path(str(work / f"{k}.mjb"))
        render(Job(model, states["qpos"], states["mocap"], Path(file)))


if __name__ == "__main__":
    main(sys.argv[1:])
