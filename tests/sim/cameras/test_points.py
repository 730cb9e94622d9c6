"""Point clouds lie on what the camera sees, in the frame that was asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.env.cameras import camera_groups
from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError
from robo_ts.sim import BatchSim, Range
from robo_ts.sim.cameras import Cameras, PointCloudConfig, SensorConfig
from robo_ts.sim.cameras.points import pick, uniform
from tests.sim.cameras.scene import RADIUS, N, camera, scattered, started


@pytest.fixture(scope="module")
def sim() -> BatchSim:
    return scattered()


def cloud(sim: BatchSim, *cameras: Any, **settings: Any) -> Tensor:
    """Points ``(N, num_points, 3)``."""
    names = [one.name for one in cameras]
    settings = {"num_points": 64} | settings
    config = PointCloudConfig("points", names, **settings)
    found = started(sim, cameras, points=[config]).read()["points"]
    assert found.shape == (N, 3 * config.num_points) and found.dtype == torch.float32
    return found.unflatten(1, (-1, 3))


def test_points_of_the_ball_lie_on_the_ball(sim: BatchSim):
    points = cloud(sim, camera("front"), camera("top"), bodies=["ball"])
    middle = sim.read("mocap_pos")
    assert ((points - middle).norm(dim=-1) - RADIUS).abs().max() < 1e-3
    assert len(points[0].unique(dim=0)) > 20


def test_points_of_the_box_lie_within_it_in_its_own_frame(sim: BatchSim):
    """``palm`` is a site 0.2 m above the box's middle."""
    points = cloud(sim, camera("top"), bodies=["box"], frame="palm") + torch.tensor([0, 0, 0.2])
    assert (points.abs() <= torch.tensor([0.2, 0.1, 0.15]) + 1e-3).all()
    by_body = cloud(sim, camera("top"), bodies=["box"], frame="box")
    assert torch.allclose(points, by_body, atol=1e-5)


def test_the_frame_of_the_camera_looks_along_minus_z(sim: BatchSim):
    points = cloud(sim, camera("top"), frame="camera")
    assert bool((points[..., 2] < -1.0).all())
    world = cloud(sim, camera("top"))
    # The top camera hangs 2 m up, its x axis along -y and its y axis along x.
    expected = torch.stack([world[..., 1].neg(), world[..., 0], world[..., 2] - 2.0], dim=-1)
    assert torch.allclose(points, expected, atol=1e-5)


def test_a_box_keeps_what_lies_within_it(sim: BatchSim):
    low, high = [-1.0, -1.0, 0.01], [1.0, 1.0, 1.0]
    points = cloud(sim, camera("front"), low=low, high=high)
    assert bool((points >= torch.tensor(low)).all()) and bool((points <= torch.tensor(high)).all())


def test_a_world_without_a_valid_pixel_has_zeros(sim: BatchSim):
    lost = SensorConfig(dropout=Range(1.0, 1.0))
    assert not cloud(sim, camera("front", sensor=lost)).any()
    assert not cloud(sim, camera("front", far=0.2)).any()  # everything is too far


def test_points_are_made_of_stored_depth_with_its_noise(sim: BatchSim):
    noisy = SensorConfig(depth_noise=Range(0.05, 0.05))
    points = cloud(sim, camera("top", sensor=noisy), low=[-2, -2, -1], high=[2, 2, 0.08])
    assert 0.02 < float(points[..., 2].std()) < 0.08
    coarse = camera("top", dtype="uint8", far=3.0)
    assert (cloud(sim, coarse, bodies=["ball"]) - sim.read("mocap_pos")).norm(dim=-1).max() < 0.22


def test_a_late_cloud_is_that_of_then():
    sim = scattered()
    late = camera("top", sensor=SensorConfig(delay=Range(2.0, 2.0)))
    config = PointCloudConfig("points", ["top"], 32, frame="box", bodies=["box"])
    cameras = started(sim, [late], points=[config])
    first = cameras.read()["points"]
    for _ in range(2):
        qpos = sim.read("qpos").clone()
        qpos[:, 0] += 0.1
        sim.write("qpos", qpos)
        cameras.step()
        assert torch.allclose(cameras.read()["points"], first, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 5, 64, 200])
def test_picks_are_valid_and_come_once_where_there_are_enough(count: int):
    points = torch.arange(200.0)[None, :, None].expand(3, -1, 3)
    valid = torch.zeros(3, 200, dtype=torch.bool)
    places = torch.randperm(200, generator=torch.Generator().manual_seed(0))[:count]
    valid[:, places] = True
    picked = pick(points, valid, 32, uniform(torch.tensor([1, 2, 3]), 32))[..., 0]
    if not count:
        assert not picked.any()
        return
    assert torch.isin(picked, places.float()).all()
    for world in picked:
        assert len(world.unique()) == min(count, 32)
        # Spread evenly: no gap of more than two stretches.
        ranks = torch.searchsorted(places.sort().values.float(), world.sort().values)
        assert int(ranks.diff().max()) <= 2 * math.ceil(count / 32)
    if count > 64:
        assert not torch.equal(picked[0], picked[1])


def test_uniform_numbers_are_uniform():
    numbers = uniform(torch.arange(500), 40)
    assert float(numbers.min()) >= 0.0 and float(numbers.max()) < 1.0
    assert float(numbers.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(numbers.var()) == pytest.approx(1 / 12, rel=0.03)
    assert abs(float(torch.corrcoef(torch.stack([numbers[:-1, 0], numbers[1:, 0]]))[0, 1])) < 0.15


def test_groups_say_what_they_are_and_what_a_robot_has(sim: BatchSim):
    classes = {"ball": ["ball"]}
    cameras = Cameras(
        sim,
        [
            camera("front", "rgb", "segmentation", classes=classes),
            camera("top", dtype="uint16", near=0.1, far=3.0),
            camera("on_box", emit=False),
        ],
        [
            PointCloudConfig("points", ["on_box"], 10),
            PointCloudConfig("mine", ["on_box"], 10, bodies=["ball"]),
            PointCloudConfig("segmented", ["on_box"], 10, bodies=["ball"], segmenter=True),
        ],
    )
    spec = ObservationSpec(camera_groups(cameras))
    found = cameras.read()
    assert list(spec) == list(found)
    for name, group in spec.items():
        assert tuple(found[name].shape[1:]) == group.shape
        kind = group.dtype if group.image else "float32"
        assert str(found[name].dtype) == f"torch.{kind}"
    assert spec.privileged() == ["front_segmentation", "mine"]
    assert spec["top_depth"].terms[0].unit == "0.1 to 3 m as 1 to 65535, 0 for no reading"
    assert spec.images() == ["front_rgb", "front_segmentation", "top_depth"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"cameras": ["fron"]}, "front"),
        ({"cameras": ["top"]}, "depth among the outputs"),
        ({"cameras": ["front"], "frame": "plam"}, "palm"),
        ({"cameras": ["front"], "bodies": ["bal"]}, "ball"),
        ({"cameras": []}, "name depth cameras"),
        ({"cameras": ["front"], "low": [0.0, 0.0]}, "three numbers"),
    ],
)
def test_clouds_that_cannot_be_made_get_a_clear_error(
    sim: BatchSim, config: dict[str, Any], said: str
):
    with pytest.raises(RoboTSError, match=said):
        Cameras(sim, [camera("front"), camera("top", "rgb")], [PointCloudConfig(**config)])
