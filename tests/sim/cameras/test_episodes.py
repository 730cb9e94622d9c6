"""When frames are exposed, when they arrive, who is drawn, and what a run needs to resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.errors import RoboTSError
from robo_ts.sim import BatchSim, Range
from robo_ts.sim.cameras import (
    CameraConfig,
    Cameras,
    PointCloudConfig,
    Recolour,
    SceneConfig,
    SensorConfig,
    make_room,
)
from tests.sim.cameras.scene import N, build_spec, camera, scattered, started


@pytest.fixture
def sim() -> BatchSim:
    return scattered()


def lift(sim: BatchSim, by: float = 0.05) -> None:
    """Something moves, as in every control step."""
    sim.write("mocap_pos", sim.read("mocap_pos") + torch.tensor([0.0, 0.0, by]))


def history(cameras: Cameras, sim: BatchSim, steps: int, name: str) -> list[Tensor]:
    found = [cameras.read()[name]]
    for _ in range(steps):
        lift(sim)
        cameras.step()
        found.append(cameras.read()[name])
    return found


def same(one: Tensor, two: Tensor) -> bool:
    return torch.equal(one.float(), two.float())


def test_a_slow_camera_holds_its_frame_and_keeps_its_moments():
    one, two = scattered(), scattered()
    fast = history(started(one, [camera("front")]), one, 7, "front_depth")
    slow = history(started(two, [camera("front", every=3)]), two, 7, "front_depth")
    for step in range(8):
        assert same(slow[step], fast[step - step % 3])
    assert not same(fast[1], fast[0])


@pytest.mark.parametrize("every", [1, 2])
def test_a_delayed_image_is_the_one_of_then(every: int):
    one, two = scattered(), scattered()
    now = history(started(one, [camera("front")]), one, 8, "front_depth")
    sensor = SensorConfig(delay=Range(0.0, 3.0))
    late = started(two, [camera("front", every=every, sensor=sensor)], seed=3)
    delay = late._sensors.delay[0]
    assert len(delay.unique()) > 1 and int(delay.max()) <= 3
    for step, found in enumerate(history(late, two, 8, "front_depth")):
        for world in range(N):
            exposed = max(step - int(delay[world]), 0) // every * every
            assert same(found[world], now[exposed][world])


def test_only_worlds_that_were_reset_are_drawn_again(
    sim: BatchSim, monkeypatch: pytest.MonkeyPatch
):
    cameras = started(sim, [camera("front"), camera("top", "rgb")])
    before = cameras.read()
    drawn: list[int] = []
    place = cameras.renderer.place
    monkeypatch.setattr(cameras.renderer, "place", lambda n: (drawn.append(n), place(n)))
    lift(sim)
    ids = torch.tensor([3, 1])
    cameras.reset(ids, torch.Generator().manual_seed(1))
    rows = cameras.read(ids)
    after = cameras.read()
    assert drawn == [2]
    for name, image in after.items():
        assert same(rows[name], image[[3, 1]])
        assert same(image[[0, 2]], before[name][[0, 2]])
        assert not same(image[[1, 3]], before[name][[1, 3]])
    fresh = started(sim, [camera("front")]).read()["front_depth"]
    assert same(after["front_depth"][[1, 3]], fresh[[1, 3]])


def test_what_is_read_is_a_copy(sim: BatchSim):
    cameras = started(sim, [camera("front", dtype="uint16")])
    first = cameras.read()["front_depth"]
    kept = first.clone()
    first.zero_()
    assert same(cameras.read()["front_depth"], kept)
    lift(sim)
    held = cameras.read()["front_depth"]
    cameras.step()
    assert same(held, kept) and not same(cameras.read()["front_depth"], kept)


def test_every_episode_looks_different_within_its_ranges(sim: BatchSim):
    scene = SceneConfig(recolour=[Recolour(["ball"], hue=Range(-0.5, 0.5))], light=Range(0.3, 0.9))
    cameras = started(sim, [camera("front", "rgb")], scene=scene)
    one = cameras.read()["front_rgb"].float()
    cameras.reset(torch.arange(N), torch.Generator().manual_seed(7))
    two = cameras.read()["front_rgb"].float()
    assert ((one - two).abs().flatten(1).mean(1) > 1.0).all()
    plain = started(sim, [camera("front", "rgb")]).read()["front_rgb"].float()
    assert ((plain - two).flatten(1).mean(1) > 0.5).all()  # light was only taken away


def test_recolouring_leaves_the_other_bodies_alone(sim: BatchSim):
    classes = {"ball": ["ball"], "box": ["box"]}
    config = camera("front", "rgb", "segmentation", classes=classes)
    scene = SceneConfig(recolour=[Recolour(["ball"], hue=Range(0.25, 0.5))])
    plain, new = (started(sim, [config], scene=s).read() for s in (SceneConfig(), scene))
    changed = (plain["front_rgb"].int() - new["front_rgb"].int()).abs().amax(1) > 2
    ball = plain["front_segmentation"][:, 0] == 1
    assert not bool(changed[~ball].any()) and float(changed[ball].float().mean()) > 0.9


def test_lights_move_within_their_ranges(sim: BatchSim):
    scene = SceneConfig(light_direction=Range(40.0, 60.0))
    plain, moved = (
        started(sim, [camera("front", "rgb")], scene=s).read()["front_rgb"].float()
        for s in (SceneConfig(), scene)
    )
    assert ((plain - moved).abs().flatten(1).mean(1) > 0.3).all()


@pytest.fixture
def everything() -> Callable[[], tuple[BatchSim, Cameras]]:
    """Cameras with all that has a state: noise, delay, rates, looks, rooms, clouds, own fields."""

    def make() -> tuple[BatchSim, Cameras]:
        sim = scattered()
        sensor = SensorConfig(
            delay=Range(0.0, 2.0),
            depth_noise=Range(0.0, 0.02),
            position=Range(-0.05, 0.05),
            lost=0.2,
        )
        configs = [camera("front", "rgb", "depth", sensor=sensor), camera("top", every=2)]
        cameras = Cameras(
            sim,
            configs,
            [PointCloudConfig("points", ["front", "top"], 16)],
            SceneConfig(recolour=[Recolour(["ball"], hue=Range(-0.5, 0.5))]),
            [make_room(index, 300) for index in range(3)],
        )
        cameras.expand("geom_size")
        return sim, cameras

    return make


def test_a_run_resumes_bit_by_bit(everything: Callable[[], tuple[BatchSim, Cameras]]):
    sim, cameras = everything()
    generator = torch.Generator().manual_seed(0)
    cameras.reset(torch.arange(N), generator)
    size = torch.from_numpy(sim.model.geom_size).float().repeat(N, 1, 1)
    cameras.write("geom_size", 0.8 * size)
    for _ in range(3):
        lift(sim)
        cameras.step()
    saved = {k: v.clone() for k, v in cameras.state_dict().items()}
    assert all(name.startswith("cameras.") for name in saved)
    twin_sim, twin = everything()
    twin_sim.load_state_dict(sim.state_dict())
    twin.load_state_dict(saved)
    chance = generator.get_state()
    found: list[list[dict[str, Tensor]]] = []
    for world, seen in ((sim, cameras), (twin_sim, twin)):
        generator.set_state(chance)
        steps = [seen.read()]
        for step in range(4):
            lift(world)
            seen.step()
            if step == 1:
                seen.reset(torch.tensor([2, 0]), generator)
            steps.append(seen.read())
        found.append(steps)
    for one, two in zip(*found, strict=True):
        assert all(same(one[name], two[name]) for name in one)


def test_a_state_of_other_cameras_is_refused(sim: BatchSim):
    saved = started(sim, [camera("front")]).state_dict()
    other = started(sim, [camera("front", "rgb")])
    with pytest.raises(RoboTSError, match=r"frames\.0\.rgb"):
        other.load_state_dict(saved)


def test_fields_of_the_renderer_alone_are_written_per_world(sim: BatchSim):
    cameras = started(sim, [camera("front")])
    before = cameras.read()["front_depth"]
    cameras.expand("geom_size")
    size = torch.from_numpy(sim.model.geom_size).float().repeat(2, 1, 1)
    size[:, sim.model.geom("ball").id] = 0.4
    cameras.write("geom_size", size, torch.tensor([1, 2]))
    cameras.step()
    after = cameras.read()["front_depth"]
    assert same(after[[0, 3]], before[[0, 3]])
    assert ((after[[1, 2]] < before[[1, 2]] - 0.05).flatten(1).any(1)).all()


BAD: dict[str, tuple[Callable[[BatchSim], Any], str]] = {
    "no such camera": (lambda s: Cameras(s, [CameraConfig("frnt")]), "front"),
    "no cameras": (lambda s: Cameras(s, []), "one or more cameras"),
    "one camera twice": (lambda s: Cameras(s, [camera("top"), camera("top")]), "each once"),
    "no such class": (
        lambda s: Cameras(s, [camera("top", "segmentation", classes={"a": ["bal"]})]),
        "ball",
    ),
    "two classes of one body": (
        lambda s: Cameras(
            s, [camera("top", "segmentation", classes={"a": ["ball"], "b": ["ball"]})]
        ),
        "share no body",
    ),
    "a field nobody sees": (lambda s: Cameras(s, [camera()]).expand("geom_friction"), "seen"),
    "a shared field": (lambda s: Cameras(s, [camera()]).expand("geom_type"), "seen"),
    "a lens that varies too late": (lambda s: Cameras(s, [camera()]).expand("cam_fovy"), "later"),
    "a field not expanded": (
        lambda s: Cameras(s, [camera()]).write("geom_rgba", torch.zeros(N, 6, 4)),
        "expand",
    ),
    "a model with other joints": (
        lambda s: Cameras(s, [camera()], model=_with_a_joint_more()),
        "nq",
    ),
    "varied fovy and many rays": (
        lambda s: Cameras(
            s,
            [camera("top", "rgb", sensor=SensorConfig(fovy=Range(-1.0, 1.0)))],
            scene=SceneConfig(samples=2),
        ),
        "samples",
    ),
}


def _with_a_joint_more() -> Any:
    spec = build_spec()
    spec.body("thing").add_joint(axis=[0, 0, 1])
    spec.body("thing").geoms[0].mass = 1.0
    return spec.compile()


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_go_together_gets_a_clear_error(sim: BatchSim, case: str):
    build, said = BAD[case]
    with pytest.raises(RoboTSError, match=said):
        build(sim)
