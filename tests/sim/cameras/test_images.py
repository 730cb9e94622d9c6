"""What is seen is what is there: against ray casts, formulas, OpenGL, and between engines."""

from __future__ import annotations

import os

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from robo_ts.sim import BatchSim
from robo_ts.sim.cameras import CameraConfig, Cameras, depth_in_metres
from robo_ts.sim.cameras.depth import rays
from tests.sim.cameras.scene import RADIUS, N, build_model, build_spec, camera, scattered, started


@pytest.fixture(scope="module")
def sim() -> BatchSim:
    return scattered()


@pytest.fixture(scope="module")
def cameras(sim: BatchSim) -> Cameras:
    """Three cameras of different sizes, with every output."""
    classes = {"ball": ["ball"], "box": ["box"]}
    return started(
        sim,
        [
            camera("front", "depth", "rgb", "segmentation", classes=classes),
            camera("top", "depth", width=20, height=20),
            camera("on_box", "depth", width=16, height=12),
        ],
    )


def cast(sim: BatchSim, world: int, config: CameraConfig) -> tuple[np.ndarray, np.ndarray]:
    """Planar depth and geom of every pixel by MuJoCo's own ray casts; far and -1 for a miss."""
    model, data = sim.world(world)
    eye, turn = data.camera(config.name).xpos, data.camera(config.name).xmat.reshape(3, 3)
    depth, seen, hit = [], [], np.zeros(1, np.int32)
    directions = rays(config, float(model.camera(config.name).fovy[0]), [0, 0], [0] * 4).numpy()
    for ray in directions.astype(np.float64):
        unit = turn @ ray / np.linalg.norm(ray)
        distance = mujoco.mj_ray(model, data, eye, unit, None, 1, -1, hit, None)
        planar = distance / np.linalg.norm(ray)
        inside = distance >= 0 and planar < config.far
        depth.append(planar if inside else config.far)
        seen.append(hit[0] if distance >= 0 else -1)
    return np.array(depth), np.array(seen)


def test_depth_agrees_with_ray_casts_in_every_world_and_camera(sim: BatchSim, cameras: Cameras):
    found = cameras.read()
    for config in cameras.cameras:
        for world in range(N):
            expected, _ = cast(sim, world, config)
            error = np.abs(found[config.group("depth")][world].flatten().numpy() - expected)
            assert np.median(error) < 1e-5
            # A ray that grazes an edge may hit by a rounding error or not.
            assert (error > 1e-3).mean() < 0.01


def test_segmentation_labels_the_classes_that_are_seen(sim: BatchSim, cameras: Cameras):
    labels = cameras.read()["front_segmentation"]
    assert labels.shape == (N, 1, 24, 32) and labels.dtype == torch.uint8
    table = np.zeros(sim.model.ngeom + 1, int)
    table[sim.model.geom("ball").id], table[sim.model.geom("box").id] = 1, 2
    for world in range(N):
        _, seen = cast(sim, world, cameras.cameras[0])
        assert (labels[world].flatten().numpy() != table[seen]).mean() < 0.01


def test_a_ball_is_where_and_as_large_and_as_bright_as_the_formulas_say():
    model = build_model()
    sim = scattered(num=2)
    sim.write("mocap_pos", torch.tensor([[[0.0, 0.3, 0.5]], [[-0.4, -0.2, 1.0]]]))
    config = camera("top", "rgb", "depth", width=40, height=40)
    found = started(sim, [config]).read()
    rgb, depth = found["top_rgb"], found["top_depth"][:, 0]
    look = rays(config, float(model.camera("top").fovy[0]), [0, 0], [0] * 4).reshape(40, 40, 3)
    axes = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # right, up, back
    world_rays = look @ axes
    for index in range(2):
        to_ball = sim.read("mocap_pos")[index, 0] - torch.tensor([0.0, 0.0, 2.0])
        along = (world_rays @ to_ball) / world_rays.square().sum(-1)
        apart = (world_rays * along[..., None] - to_ball).norm(dim=-1)
        inside, outside = apart < 0.95 * RADIUS, apart > 1.05 * RADIUS
        assert int(inside.sum()) > 30
        red, green, blue = rgb[index].int()
        assert bool((red > blue + 60)[inside].all())  # orange, white where it glistens
        assert not bool(((red > blue + 60) & (red > green + 10))[outside].any())
        nearest = float(depth[index][inside].min())
        assert nearest == pytest.approx(
            2.0 - float(sim.read("mocap_pos")[index, 0, 2]) - RADIUS, abs=0.01
        )


def test_colours_have_red_first_and_rows_go_down(cameras: Cameras, sim: BatchSim):
    rgb = cameras.read()["front_rgb"].float()
    assert rgb.shape == (N, 3, 24, 32)
    top, bottom = rgb[:, :, 0].mean(dim=(0, 2)), rgb[:, :, -1].mean(dim=(0, 2))
    assert float(top.max()) < 5.0  # nothing above the horizon
    assert float(bottom[1]) > float(bottom[0]) + 20.0  # the floor is green
    labels = cameras.read()["front_segmentation"][:, 0]
    red, green, blue = (rgb[:, c][labels == 1].mean() for c in range(3))
    assert red > green > blue  # the ball is orange
    assert rgb[:, 2][labels == 2].mean() > rgb[:, 0][labels == 2].mean() + 50  # the box is blue


@pytest.mark.parametrize(("dtype", "top"), [("uint16", 65535), ("uint8", 255)])
def test_integer_depth_means_metres_between_near_and_far(sim: BatchSim, dtype: str, top: int):
    config = camera("front", dtype=dtype, near=1.0, far=2.5)
    metres = started(sim, [camera("front")]).read()["front_depth"]
    stored = started(sim, [config]).read()["front_depth"]
    assert str(stored.dtype) == f"torch.{dtype}"
    wanted = metres.clamp(1.0, 2.5)
    step = 1.5 / (top - 1)
    assert (depth_in_metres(stored, config) - wanted).abs().max() <= 0.5 * step + 1e-6
    assert int(stored.int().max()) == top  # what is missed reads far
    holes = started(sim, [camera("front", dtype=dtype, near=1.0, far=2.5, outside="hole")])
    stored = holes.read()["front_depth"]
    outside = (metres < 1.0 - 1e-6) | (metres >= 2.5)
    assert bool(outside.any()) and torch.equal(stored.int() == 0, outside)


def test_half_precision_depth_is_in_metres(sim: BatchSim):
    whole, half = (
        started(sim, [camera("front", dtype=dtype)]).read()["front_depth"]
        for dtype in ("float32", "float16")
    )
    assert half.dtype == torch.float16 and (half.float() - whole).abs().max() < 2e-3


def _moved(model: mujoco.MjModel, field: str, row: int, by: float) -> Tensor:
    values = (
        torch.from_numpy(np.array(getattr(model, field)))
        .float()
        .repeat(N, *[1] * getattr(model, field).ndim)
    )
    values[:, row] += by * torch.arange(N).reshape(-1, *[1] * (values.dim() - 2))
    return values


@pytest.mark.parametrize("engine", ["cpu", "warp"])
def test_fields_that_the_simulation_has_per_world_are_seen(engine: str):
    fields = ("geom_size", "geom_pos", "geom_dataid", "geom_rgba", "cam_pos", "body_pos")
    sim = scattered(engine, expand=fields)
    model = sim.model
    front = camera("front", "depth", "rgb")
    assert started(sim, [front]).read()["front_depth"].shape == (N, 1, 24, 32)
    sim.write("geom_size", _moved(model, "geom_size", model.geom("ball").id, 0.02))
    sim.write(
        "geom_pos", _moved(model, "geom_pos", model.geom("post").id, 0.1)
    )  # fixed to the world
    sim.write("cam_pos", _moved(model, "cam_pos", model.camera("front").id, 0.05))
    sim.write("body_pos", _moved(model, "body_pos", model.body("thing").id, 0.05))
    meshes = torch.from_numpy(model.geom_dataid.copy()).repeat(N, 1)
    meshes[1::2, model.geom("thing").id] = model.mesh("large").id
    sim.write("geom_dataid", meshes)
    rgba = torch.from_numpy(model.geom_rgba.copy()).float().repeat(N, 1, 1)
    rgba[2, model.geom("ball").id] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    rgba[3, model.geom("ball").id, 3] = 0.0  # hidden
    sim.write("geom_rgba", rgba)
    found = started(sim, [front]).read()
    for world in range(N):
        expected, seen = cast(sim, world, front)
        error = np.abs(found["front_depth"][world].flatten().numpy() - expected)
        assert (error > 1e-3).mean() < 0.01, world
        ball = torch.from_numpy(seen == model.geom("ball").id).reshape(24, 32)
        colour = found["front_rgb"][world][:, ball].float().mean(dim=1)
        if world == 3:
            assert not bool(ball.any())
        else:
            assert (colour[2] > colour[0]) == (world == 2)


def test_both_engines_see_the_same():
    one, two = scattered("cpu"), scattered("warp")
    configs = [camera("front", "depth", "rgb"), camera("on_box", "depth")]
    a, b = started(one, configs).read(), started(two, configs).read()
    for name in a:
        assert torch.equal(a[name], b[name])


@pytest.mark.parametrize("output", ["depth", "rgb"])
def test_open_gl_sees_the_same(sim: BatchSim, cameras: Cameras, output: str):
    if os.environ.get("MUJOCO_GL") not in ("egl", "osmesa"):
        pytest.skip("MUJOCO_GL is neither egl nor osmesa")
    model, data = sim.world(1)
    model.vis.quality.shadowsize = model.vis.quality.offsamples = 0
    try:
        renderer = mujoco.Renderer(model, 24, 32)
    except Exception as error:
        pytest.skip(f"no OpenGL here: {error}")
    with renderer:
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        if output == "depth":
            renderer.enable_depth_rendering()
        renderer.update_scene(data, "front")
        theirs = torch.from_numpy(renderer.render().copy())
    ours = cameras.read()[f"front_{output}"][1]
    if output == "depth":
        error = (ours[0] - theirs.clamp_max(4.0)).abs()
        assert error.median() < 1e-3 and (error > 0.05).float().mean() < 0.02
    else:
        assert (ours.permute(1, 2, 0).float() - theirs.float()).abs().mean() < 6.0


def test_a_model_to_draw_may_have_more_geoms(sim: BatchSim):
    spec = build_spec()
    spec.body("box").add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.35, 0, 0], rgba=[1, 0, 1, 1]
    )
    plain = started(sim, [camera("front")]).read()["front_depth"]
    richer = started(sim, [camera("front")], model=spec.compile()).read()["front_depth"]
    assert bool((richer < plain - 0.05).flatten(1).any(dim=1).all())
    assert not bool((richer > plain + 1e-4).any())
