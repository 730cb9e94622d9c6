"""What sensors spoil, how much of it, and that it depends on nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.errors import RoboTSError
from robo_ts.sim import BatchSim, Range
from robo_ts.sim.cameras import CameraConfig, SceneConfig, SensorConfig
from robo_ts.sim.cameras.rotations import rotation_from_vector
from tests.sim.cameras.scene import N, camera, scattered, started


@pytest.fixture(scope="module")
def sim() -> BatchSim:
    return scattered()


def exactly(value: float) -> Range:
    return Range(value, value)


def seen(sim: BatchSim, output: str, seed: int = 0, **sensor: Any) -> Tensor:
    config = camera("front", output, sensor=SensorConfig(**sensor))
    return started(sim, [config], seed).read()[f"front_{output}"]


def often(sim: BatchSim, count: int, **sensor: Any) -> Tensor:
    """Depth of ``count`` episodes, ``(count, N, 1, height, width)``."""
    cameras = started(sim, [camera("front", sensor=SensorConfig(**sensor))])
    found = []
    for seed in range(count):
        cameras.reset(torch.arange(N), torch.Generator().manual_seed(seed))
        found.append(cameras.read()["front_depth"])
    return torch.stack(found)


def test_depth_noise_grows_with_the_square_of_distance(sim: BatchSim):
    clean = seen(sim, "depth")
    noise = {"depth_noise": exactly(0.01), "depth_noise_square": exactly(0.02)}
    error = (often(sim, 10, **noise) - clean).flatten(0, 1)
    near, far = (clean < 1.6), (clean > 2.4) & (clean < 3.5)
    for where in (near, far):
        inside = where.repeat(10, 1, 1, 1)
        expected = (0.01 + 0.02 * clean[where].square()).square().mean().sqrt()
        assert float(error[inside].std()) == pytest.approx(float(expected), rel=0.05)
        assert abs(float(error[inside].mean())) < 0.1 * float(expected)
    assert float(error[near.repeat(10, 1, 1, 1)].std()) < 0.7 * float(
        error[far.repeat(10, 1, 1, 1)].std()
    )


def test_what_is_missed_gets_no_noise(sim: BatchSim):
    clean = seen(sim, "depth")
    noisy = seen(sim, "depth", depth_noise=exactly(0.05))
    assert bool((clean == 4.0).any()) and bool((noisy[clean == 4.0] == 4.0).all())


def test_depth_is_rounded_to_steps(sim: BatchSim):
    clean, stepped = seen(sim, "depth"), seen(sim, "depth", depth_step=exactly(0.1))
    assert (stepped - clean).abs().max() <= 0.05 + 1e-5
    share = stepped / 0.1
    assert ((share - share.round()).abs() < 1e-3).all()


def test_dropout_and_holes_take_the_share_they_are_told(sim: BatchSim):
    lost = often(sim, 10, dropout=exactly(0.2)) == 0
    assert float(lost.float().mean()) == pytest.approx(0.2, abs=0.02)
    lost = often(sim, 20, holes=exactly(0.1)) == 0
    assert float(lost.float().mean()) == pytest.approx(0.1, abs=0.02)
    patches = lost.unfold(-2, 4, 4).unfold(-2, 4, 4).flatten(-2)
    assert bool((patches.all(-1) == patches.any(-1)).all())  # whole patches or none


def test_edges_are_lost_where_depth_steps_and_not_on_a_slanting_floor(sim: BatchSim):
    clean, spoilt = seen(sim, "depth")[:, 0], seen(sim, "depth", edges=exactly(1.0))[:, 0]
    lost = spoilt == 0
    across = (clean[:, :, 1:] - clean[:, :, :-1]).abs() > 0.3 * clean[:, :, 1:]
    assert bool(lost[:, :, 1:][across].all())
    floor = torch.zeros_like(lost)
    floor[:, -3:] = True  # the lowest lines show nothing but floor
    assert not bool((lost & floor).any())
    assert 0.02 < float(lost.float().mean()) < 0.3


def test_noise_depends_on_the_world_and_the_frame_and_on_nobody_else(sim: BatchSim):
    config = camera("front", sensor=SensorConfig(depth_noise=exactly(0.05)))
    cameras = started(sim, [config])
    first = cameras.read()["front_depth"]
    assert torch.equal(cameras.read()["front_depth"], first)
    cameras.step()
    second = cameras.read()["front_depth"]
    assert not torch.equal(first, second)
    assert torch.equal(started(sim, [config]).read()["front_depth"], first)
    assert not torch.equal(started(sim, [config], seed=1).read()["front_depth"], first)
    # World 2 is reset alone, so it is drawn beside nobody; it draws the same first key again.
    twin = started(sim, [config], seed=5)
    twin.reset(torch.tensor([2]), torch.Generator().manual_seed(9))
    alone = twin.read(torch.tensor([2]))["front_depth"]
    other = started(sim, [config], seed=6)
    other.read()
    other.reset(torch.tensor([2]), torch.Generator().manual_seed(9))
    assert torch.equal(other.read()["front_depth"][2:3], alone)


def test_a_lost_camera_is_blank_for_an_episode_and_one_of_two_always_works(sim: BatchSim):
    sensor = SensorConfig(lost=0.6)
    configs = [camera("front", sensor=sensor), camera("top", "rgb", sensor=sensor)]
    cameras = started(sim, configs)
    generator = torch.Generator().manual_seed(0)
    lost = []
    for _ in range(40):
        cameras.reset(torch.arange(N), generator)
        blank = {name: value.flatten(1).eq(0).all(1) for name, value in cameras.read().items()}
        cameras.step()
        again = cameras.read()
        assert all(torch.equal(again[n].flatten(1).eq(0).all(1), b) for n, b in blank.items())
        lost.append(torch.stack(list(blank.values())))
    share = torch.stack(lost).float()
    assert not bool(share.bool().all(dim=1).any())
    # 0.6 each, and of the 0.36 where both would be lost one comes back.
    assert float(share.mean()) == pytest.approx(0.6 - 0.18, abs=0.06)


def test_mounting_errors_show_what_a_camera_moved_so_would_show():
    sim = scattered(expand=("cam_pos", "cam_quat"))
    sensor = SensorConfig(position=Range(-0.1, 0.1), rotation=Range(-5.0, 5.0))
    cameras = started(sim, [camera("front", "rgb", sensor=sensor)])
    jittered = cameras.read()["front_rgb"]
    drawn = cameras._sensors
    model, front = sim.model, sim.model.camera("front").id
    turn = torch.from_numpy(model.cam_mat0[front].reshape(3, 3)).float()
    position = sim.read("cam_pos").clone()
    position[:, front] += drawn.position[0] @ turn.T
    sim.write("cam_pos", position)
    quaternion = sim.read("cam_quat").clone()
    quaternion[:, front] = torch.stack([_quaternion(turn @ r) for r in drawn.rotation[0]])
    sim.write("cam_quat", quaternion)
    moved = started(sim, [camera("front", "rgb")]).read()["front_rgb"]
    assert (jittered.int() - moved.int()).abs().float().mean() < 0.5
    plain = started(scattered(), [camera("front", "rgb")]).read()["front_rgb"]
    assert (jittered.int() - plain.int()).abs().float().mean() > 3.0
    assert drawn.position[0].abs().max() <= 0.1
    angle = torch.arccos((drawn.rotation[0].diagonal(dim1=1, dim2=2).sum(1) - 1) / 2)
    assert 0.01 < float(angle.max()) <= 5.0 * 3**0.5 * torch.pi / 180


def _quaternion(matrix: Tensor) -> Tensor:
    import mujoco
    import numpy as np

    found = np.zeros(4)
    mujoco.mju_mat2Quat(found, matrix.numpy().astype(np.float64).flatten())
    return torch.from_numpy(found).float()


def test_a_field_of_view_that_is_off_shows_what_that_field_of_view_shows():
    sim = scattered(expand=("cam_fovy",))
    sensor = SensorConfig(fovy=Range(3.0, 10.0))
    cameras = started(sim, [camera("front", sensor=sensor)])
    off = cameras.read()["front_depth"]
    fovy = sim.read("cam_fovy").clone()
    fovy[:, sim.model.camera("front").id] += cameras._sensors.fovy[0]
    sim.write("cam_fovy", fovy)
    given = started(sim, [camera("front")]).read()["front_depth"]
    assert ((off - given).abs() > 1e-3).float().mean() < 0.01
    assert not torch.allclose(off, seen(scattered(), "depth"), atol=0.01)


def test_exposure_tint_noise_and_blur_change_colours_as_told(sim: BatchSim):
    clean = seen(sim, "rgb").float()
    dark = seen(sim, "rgb", exposure=exactly(0.5)).float()
    assert (dark - 0.5 * clean).abs().max() <= 0.5
    tinted = seen(sim, "rgb", tint=Range(0.5, 1.0)).float()
    bright = (clean > 40.0) & (clean < 250.0)
    for world in range(N):
        gains = []
        for channel in range(3):
            inside = bright[world, channel]
            gains.append((tinted[world, channel][inside] / clean[world, channel][inside]).median())
        assert max(gains) - min(gains) > 0.01 and all(0.49 < g < 1.01 for g in gains)
    grey = (clean > 40.0) & (clean < 215.0)
    noise = (seen(sim, "rgb", colour_noise=exactly(8.0)).float() - clean)[grey]
    assert float(noise.std()) == pytest.approx(8.0, rel=0.05) and abs(float(noise.mean())) < 0.3
    kernel = torch.exp(-0.5 * torch.tensor([[2.0, 1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 1.0, 2.0]]))
    kernel = (kernel / kernel.sum()).expand(3, 1, 3, 3)
    padded = torch.nn.functional.pad(clean, (1, 1, 1, 1), mode="replicate")
    expected = torch.nn.functional.conv2d(padded, kernel, groups=3)
    assert (seen(sim, "rgb", blur=exactly(1.0)).float() - expected).abs().max() <= 0.51


def test_rotation_vectors_turn_about_themselves():
    turn = rotation_from_vector(torch.tensor([[0.0, 0.0, torch.pi / 2], [0.0, 0.0, 0.0]]))
    assert torch.allclose(turn[0] @ torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0]), atol=1e-6)
    assert torch.equal(turn[1], torch.eye(3))


BAD: dict[str, tuple[Any, str]] = {
    "a share above one": (lambda: SensorConfig(dropout=Range(0.0, 1.5)), "dropout"),
    "a negative delay": (lambda: SensorConfig(delay=Range(-1.0, 1.0)), "delay"),
    "a delay without an end": (lambda: SensorConfig(delay=Range(1.0, 1.0, "normal")), "delay"),
    "an unknown output": (lambda: CameraConfig("front", ["deepth"]), "depth"),
    "near behind far": (lambda: CameraConfig("front", near=2.0, far=1.0), "near < far"),
    "no classes": (lambda: CameraConfig("front", ["segmentation"]), "classes"),
    "an unknown dtype": (lambda: CameraConfig("front", dtype="int8"), "uint16"),
    "a background of two": (lambda: SceneConfig(background=[0.0, 1.0]), "background"),
}


@pytest.mark.parametrize("case", BAD)
def test_settings_that_make_no_sense_get_a_clear_error(case: str):
    build, said = BAD[case]
    with pytest.raises(RoboTSError, match=said):
        build()
