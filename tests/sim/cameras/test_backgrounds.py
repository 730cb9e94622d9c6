"""Rooms of splats and cube maps: files, worlds, episodes, and what hides what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from robo_ts.errors import RoboTSError
from robo_ts.sim import BatchSim, EngineConfig, make_sim
from robo_ts.sim.cameras import (
    Cameras,
    SplatScene,
    bake_skybox,
    load_ply,
    make_room,
    make_skybox,
    save_ply,
)
from robo_ts.sim.cameras.skybox import face_axes
from tests.sim.cameras.scene import N, camera, scattered, started

WALL_X = -3.0  # behind everything the front camera looks at, m


@pytest.fixture(scope="module")
def sim() -> BatchSim:
    return scattered()


def wall(colour: tuple[float, float, float], x: float = WALL_X, half: float = 3.0) -> SplatScene:
    """An opaque wall across the view of the front camera."""
    grid = np.linspace(-half, half, 15)
    y, z = (v.flatten() for v in np.meshgrid(grid, grid))
    n, step = len(y), grid[1] - grid[0]
    return SplatScene(
        np.stack([np.full(n, x), y, z], axis=1),
        np.tile([1.0, 0.0, 0.0, 0.0], (n, 1)),
        np.tile([0.01, 0.7 * step, 0.7 * step], (n, 1)),
        np.tile([*colour, 0.99], (n, 1)),
    )


WALLS = [wall((0.8, 0.0, 0.0)), wall((0.0, 0.0, 0.8)), wall((0.8, 0.8, 0.0))]


def test_every_world_sees_its_own_room_behind_its_geoms(sim: BatchSim):
    front = camera("front", "rgb", "segmentation", classes={"ball": ["ball"]})
    plain = started(sim, [front]).read()["front_rgb"].int()
    cameras = started(sim, [front], seed=2, backgrounds=WALLS)
    assert len(cameras.background.unique()) > 1
    found = cameras.read()
    rgb, ball = found["front_rgb"].int(), found["front_segmentation"][:, 0] == 1
    for world in range(N):
        colour = 255 * torch.from_numpy(WALLS[int(cameras.background[world])].rgba[0, :3])
        behind = plain[world].sum(0) == 0
        assert bool(behind.any())
        assert (rgb[world][:, behind].float() - colour[:, None]).abs().median() < 10
        assert torch.equal(rgb[world][:, ball[world]], plain[world][:, ball[world]])


def test_splats_in_front_hide_geoms_and_give_depth(sim: BatchSim):
    # Depth sees splats only where they let less than half a percent of the light through.
    near = SplatScene.joined([wall((0.0, 0.8, 0.0), x) for x in (1.5, 1.49, 1.48)])
    found = started(sim, [camera("front", "rgb", "depth")], backgrounds=[near]).read()
    assert (found["front_rgb"][:, 1].float() > 180).float().mean() > 0.9
    # 0.5 m before the camera, whose axis is tilted down by atan(0.4).
    depth = found["front_depth"]
    assert float(depth.median()) == pytest.approx(0.5 / np.cos(np.arctan(0.4)), abs=0.15)


def test_worlds_that_are_reset_get_other_rooms_in_place(sim: BatchSim):
    cameras = started(sim, [camera("front", "rgb")], seed=2, backgrounds=WALLS)
    before, rooms = cameras.read()["front_rgb"], cameras.background.clone()
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        cameras.reset(torch.tensor([1, 3]), generator)
        after = cameras.read()["front_rgb"]
        assert torch.equal(after[[0, 2]], before[[0, 2]])
        for world in (1, 3):
            moved = cameras.background[world] != rooms[world]
            assert bool((after[world].int() - before[world].int()).abs().amax() > 100) == bool(
                moved
            )


def test_there_may_be_more_rooms_than_worlds(sim: BatchSim):
    rooms = [wall((0.1 * index, 0.5, 0.3)) for index in range(N + 5)]
    cameras = started(sim, [camera("front", "rgb")], backgrounds=rooms)
    cameras.background[:] = torch.tensor([8, 0, 5, 2])
    rgb = cameras.read()["front_rgb"][:, 0].float()
    for world, room in enumerate((8, 0, 5, 2)):
        # The middle of the uppermost line shows nothing but the wall.
        assert float(rgb[world, 0, 16]) == pytest.approx(25.5 * room, abs=12)


# -- files -----------------------------------------------------------------------------------------


def test_a_scene_is_read_back_as_it_was_written(tmp_path: Path):
    room = make_room(3, 400)
    save_ply(tmp_path / "room.ply", room)
    found = load_ply(tmp_path / "room.ply")
    assert len(found) == 400
    for name, limit in (("position", 1e-5), ("scale", 1e-5), ("rgba", 1e-5), ("rotation", 1e-5)):
        assert np.abs(getattr(found, name) - getattr(room, name)).max() < limit


def test_captured_files_with_more_properties_are_read(tmp_path: Path):
    """Normals, higher harmonics and doubles between what is needed, as trainers write them."""
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    names += [f"f_rest_{i}" for i in range(45)]
    names += ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    table = np.zeros(2, [(name, "<f8" if name == "nx" else "<f4") for name in names])
    table["x"], table["opacity"], table["scale_1"], table["rot_0"] = [1, 2], 0.0, -1.0, 2.0
    table["f_dc_0"] = 1.0
    head = ["ply", "format binary_little_endian 1.0", "comment made by a test"]
    head += ["element vertex 2"]
    head += [f"property {'double' if n == 'nx' else 'float'} {n}" for n in names]
    path = tmp_path / "captured.ply"
    path.write_bytes("\n".join([*head, "end_header\n"]).encode() + table.tobytes())
    found = load_ply(path)
    assert np.allclose(found.position[:, 0], [1, 2]) and np.allclose(found.rotation[:, 0], 1.0)
    assert np.allclose(found.scale[0], [1.0, np.exp(-1.0), 1.0])
    assert np.allclose(found.rgba[0], [0.5 + 0.28209479, 0.5, 0.5, 0.5])


def _file(head: str, data: bytes = b"") -> Callable[[Path], object]:
    return lambda path: path.write_bytes(head.encode() + data)


_MESH = (
    "ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float x\nproperty float y\n"
    "property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
)
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "not there": (lambda path: None, "no file"),
    "not a ply": (_file("solid cube\n"), "does not begin like"),
    "text": (_file("ply\nformat ascii 1.0\nelement vertex 1\nend_header\n"), "binary"),
    "a mesh": (_file(_MESH, b"\0" * 12), "without f_dc_0"),
    "cut off": (lambda path: _cut_off(path), "cut off"),
    "not finite": (lambda path: _not_finite(path), "finite position"),
}


def _cut_off(path: Path) -> None:
    save_ply(path, make_room(0, 200))
    path.write_bytes(path.read_bytes()[:-10])


def _not_finite(path: Path) -> None:
    save_ply(path, make_room(0, 200))
    content = bytearray(path.read_bytes())
    begin = content.index(b"end_header\n") + len(b"end_header\n")
    content[begin : begin + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("case", BAD)
def test_files_that_are_no_splats_get_a_clear_error(case: str, tmp_path: Path):
    write, said = BAD[case]
    write(tmp_path / "scene.ply")
    with pytest.raises(RoboTSError, match=said):
        load_ply(tmp_path / "scene.ply")


def test_scenes_are_moved_thinned_and_cleared():
    room = make_room(1, 500)
    half = np.sqrt(0.5)
    moved = room.moved((1.0, 0.0, 0.0), (half, 0.0, 0.0, half), 2.0)  # a quarter turn about z
    expected = 2.0 * room.position[:, [1, 0, 2]] * [-1, 1, 1] + [1.0, 0.0, 0.0]
    assert np.allclose(moved.position, expected, atol=1e-4)
    assert np.allclose(moved.scale, 2.0 * room.scale)
    assert len(room.thinned(100)) == 100 and room.thinned(600) is room
    large = np.sort(room.scale, axis=1)[:, 1:].prod(1)
    kept = np.sort(room.thinned(100).scale, axis=1)[:, 1:].prod(1)
    assert kept.min() >= np.sort(large)[-150]
    cleared = room.without([-9, -9, -1], [0, 9, 9])
    assert 0 < len(cleared) < 500 and (cleared.position[:, 0] > 0).all()


# -- rooms and cube maps ---------------------------------------------------------------------------


def test_rooms_follow_from_their_seed_and_leave_the_middle_free():
    one, two, other = make_room(5), make_room(5), make_room(6)
    assert len(one) == 2000 and np.array_equal(one.position, two.position)
    assert not np.array_equal(one.position, other.position)
    for seed in range(20):
        room = make_room(seed, 800)
        inside = (np.abs(room.position[:, 0]) < 2.0) & (np.abs(room.position[:, 1]) < 1.7)
        assert not (inside & (room.position[:, 2] < 2.4)).any()
        assert room.rgba[:, :3].std() > 0.05


def test_a_room_is_opaque_all_round(sim: BatchSim):
    """A black background shines through where a room has gaps."""
    pixels = np.stack([bake_skybox(make_room(seed), width=32) for seed in range(3)])
    faces = pixels.reshape(3, 6, 32, 32, 3)
    horizon = faces[:, [0, 1, 4, 5], 8:16].max(axis=-1)  # just above the horizon
    assert (horizon < 12).mean() < 0.02
    assert faces[:, 2, 8:24, 8:24].max(-1).mean() > 60  # the ceiling


def test_a_baked_room_looks_like_the_room_from_where_it_was_baked():
    sim = scattered(num=1)
    room = make_room(4).moved((0.0, 0.0, -0.01))
    view = camera("front", "rgb", width=40, height=30)
    eye = sim.model.camera("front").pos
    baked = bake_skybox(room, tuple(eye), width=128)
    direct = started(sim, [view], backgrounds=[room]).read()["front_rgb"].float()
    boxed = started(sim, [view], skyboxes=[baked]).read()["front_rgb"].float()
    behind = started(sim, [view]).read()["front_rgb"].sum(1, keepdim=True) == 0
    behind = (behind & behind.flip(-1)).expand_as(direct)
    apart = (direct - boxed).abs()[behind].mean()
    assert apart < 20.0 and apart < 0.6 * (direct - boxed.flip(-1)).abs()[behind].mean()


def test_cube_maps_have_their_faces_where_the_world_has_them():
    """A camera that looks along each axis sees that face's colour, upright."""
    colours = np.array(
        [[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0], [250, 0, 250], [0, 250, 250]]
    )
    pixels = np.repeat(colours.astype(np.uint8), 16 * 16, axis=0).reshape(6, 16, 16, 3)
    pixels[:, :4] //= 2  # dark above
    pixels[:, :, :4] //= 5  # darker where columns begin, which is on the right: faces are mirrored
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.1, 0, 0], pos=[0, 0, -5])
    for face in range(6):
        right, up, _ = face_axes(face)
        spec.worldbody.add_camera(name=f"c{face}", xyaxes=[*right, *up]).fovy = 90.0
    sim = make_sim(spec.compile(), 1, EngineConfig(threads=1))
    views = [camera(f"c{face}", "rgb", width=16, height=16) for face in range(6)]
    found = started(sim, views, skyboxes=[pixels.reshape(96, 16, 3)]).read()
    for face in range(6):
        image = found[f"c{face}_rgb"][0].permute(1, 2, 0).float()
        assert (image[8, 4] - torch.from_numpy(colours[face])).abs().max() < 3
        assert image[1, 4].max() < 0.6 * image[8, 4].max() < 0.6 * 255
        assert image[8, 14].max() < 0.4 * image[8, 4].max()


def test_every_world_has_its_own_sky(sim: BatchSim):
    skies = [make_skybox(seed) for seed in range(6)]
    cameras = started(sim, [camera("front", "rgb")], seed=1, skyboxes=skies)
    assert len(cameras.skybox.unique()) > 1
    top = cameras.read()["front_rgb"][:, :, 0].float()
    for one in range(N):
        for two in range(one):
            same = bool(cameras.skybox[one] == cameras.skybox[two])
            assert ((top[one] - top[two]).abs().max() < 2) == same


@pytest.mark.parametrize("bad", [np.zeros((6, 6, 3), np.uint8), np.zeros((96, 16, 3), np.float32)])
def test_what_is_no_cube_map_is_refused(sim: BatchSim, bad: np.ndarray):
    with pytest.raises(RoboTSError, match="cube map"):
        Cameras(sim, [camera("front", "rgb")], skyboxes=[bad])
