"""Clips as MP4 files, and what is drawn in them."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robo_ts.cli import main
from robo_ts.errors import RoboTSError
from robo_ts.view.captions import caption
from robo_ts.view.clip import Clip, take
from robo_ts.view.layout import fitting_distance, make_grid
from robo_ts.view.session import Session
from robo_ts.view.sources import open_sources
from robo_ts.view.stage import Camera, Stage
from robo_ts.view.video import record, write_clip
from tests.view.parts import cart_offer

pytestmark = pytest.mark.usefixtures("cart")
ROOT = Path(__file__).parents[2]
SMALL = (160, 96)


@pytest.fixture
def clip() -> Clip:
    """Three moments of two lanes."""
    session = Session(cart_offer(), 2, player="student", beside="teacher")
    return record(session, 0.3, fps=10.0)


def test_a_clip_has_one_moment_per_frame_and_the_simulated_time_of_its_speed():
    session = Session(cart_offer(), 1, player="teacher")
    clip = record(session, 0.2, fps=20.0, speed=0.5)
    assert [m.time for m in clip.moments] == pytest.approx([0.0, 0.02, 0.05, 0.07], abs=0.006)


def test_moments_are_copies():
    session = Session(cart_offer(), 1)
    moment = take(session)
    before = moment.states[0]["qpos"].copy()
    for _ in range(5):
        session.step()
        take(session)
    np.testing.assert_array_equal(moment.states[0]["qpos"], before)


def test_every_world_stands_in_its_own_cell(clip: Clip):
    grid = clip.grid
    cells = {tuple(np.round(middle, 3)) for middle in grid.middle.reshape(-1, 3)}
    assert len(cells) == 4
    apart = grid.middle.reshape(-1, 3)
    gaps = np.abs(apart[:, None] - apart[None]) / np.array([*grid.cell, 1.0])
    assert (gaps.max(axis=-1)[~np.eye(4, dtype=bool)] >= 0.999).all()


def test_a_stage_puts_bodies_where_they_were(clip: Clip):
    stage = Stage(clip, Camera(size=SMALL))
    stage.set(clip.moments[-1])
    cart = clip.model.body("cart").id
    for lane, state in enumerate(clip.moments[-1].states):
        for world in range(2):
            index = stage.which(lane, world, cart)
            expected = clip.grid.offsets[lane, world] + [state["qpos"][world, 0], 0.0, 0.0]
            np.testing.assert_allclose(stage.data.mocap_pos[index], expected, atol=1e-5)


def test_the_camera_sees_every_corner():
    grid = make_grid(7, 2, Session(cart_offer(), 1).view, Session(cart_offer(), 1).model)
    target = grid.corners.mean(axis=0)
    from robo_ts.view.layout import VIEWPOINT

    distance = fitting_distance(grid.corners, target, 40.0, 1.6)
    points = grid.corners - target
    depth = distance - points @ VIEWPOINT
    across = np.abs(points[:, 0]) / depth
    up = np.abs(points @ np.cross(VIEWPOINT, [1.0, 0.0, 0.0])) / depth
    half = np.tan(np.radians(20.0))
    assert max(across.max() / (1.6 * half), up.max() / half) == pytest.approx(0.94, abs=1e-3)


def test_the_ray_tracer_writes_h264_that_moves(clip: Clip, tmp_path: Path):
    import av

    path = tmp_path / "clip.mp4"
    assert write_clip(clip, path, Camera(size=SMALL), "raytracer") == "raytracer"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 3
    assert frames[0].shape == (96, 160, 3)
    assert frames[0].std() > 10.0  # not blank
    assert np.abs(frames[-1].astype(int) - frames[0]).max() > 30


def test_opengl_and_the_ray_tracer_draw_the_same_scene(tmp_path: Path):
    if not ctypes.util.find_library("EGL"):
        pytest.skip("no EGL on this machine: apt-get install libegl1 libgl1-mesa-dri")
    by_gl, traced = tmp_path / "gl.mp4", tmp_path / "traced.mp4"
    words = ["video", "reacher", "--num-envs", "2", "--seconds", "0.1", "--size", "160x96"]
    done = subprocess.run(  # MuJoCo chooses its OpenGL when it is imported
        [sys.executable, "-m", "robo_ts.cli", *words, "--renderer", "gl", "--out", str(by_gl)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "OpenGL" in done.stdout
    session = Session(open_sources(["reacher"]), 2)
    write_clip(record(session, 0.1), traced, Camera(size=SMALL), "raytracer")
    one, other = _first_frame(by_gl).astype(float), _first_frame(traced).astype(float)
    # Edges and shadows differ; where things are does not.
    assert np.abs(one - other).mean() < 12.0
    assert one.std() > 10.0


def _first_frame(path: Path) -> np.ndarray:
    import av

    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def test_what_the_student_sees_is_inset(clip: Clip):
    blank = np.full((96, 160, 3), 200, np.uint8)
    moment = clip.moments[0]
    drawn = caption(blank, clip, moment)
    eye = moment.images["eye"]
    assert (drawn[60:, 100:].reshape(-1, 3) == eye[0, 0]).all(axis=1).any()
    without = caption(blank, clip, type(moment)(**{**vars(moment), "images": {}}))
    assert (without[60:, 100:] == 200).all()


def test_without_opengl_it_says_what_to_install(clip: Clip, tmp_path: Path, monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(RoboTSError, match="libegl1"):
        write_clip(clip, tmp_path / "clip.mp4", Camera(size=SMALL), "gl")
    assert not (tmp_path / "clip.mp4").exists()


def test_without_pyav_it_says_what_to_install(clip: Clip, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(RoboTSError, match=r"robo_ts\[viewer\]"):
        write_clip(clip, tmp_path / "clip.mp4")


@pytest.mark.parametrize("size", [(161, 96), (32, 32)])
def test_sizes_no_player_takes_are_refused(clip: Clip, tmp_path: Path, size: tuple[int, int]):
    with pytest.raises(RoboTSError, match="even"):
        write_clip(clip, tmp_path / "clip.mp4", Camera(size=size))


@pytest.mark.parametrize(
    "words",
    [
        ["--seconds", "0"],
        ["--seconds", "inf"],
        ["--fps", "nan"],
        ["--size", "33x64"],
        ["--speed=-1"],
    ],
)
def test_a_video_is_refused_before_anything_is_rolled_out(words: list[str], tmp_path: Path, capsys):
    assert main(["video", "reacher", *words, "--out", str(tmp_path / "clip.mp4")]) == 2
    printed = capsys.readouterr().err
    assert words[0].partition("=")[0] in printed
    assert "%|" not in printed


def test_a_clip_without_length_is_refused():
    with pytest.raises(RoboTSError, match="seconds above 0"):
        record(Session(cart_offer(), 1), 0.0)
