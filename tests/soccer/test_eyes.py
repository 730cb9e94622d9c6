"""Head cameras: whose picture is whose, what is in it, and what it costs nobody who does not look.

The renderer's kernels compile once and are kept; pictures here are small and rooms few.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.envs.soccer import Soccer, SoccerConfig
from robo_ts.envs.soccer.eyes import CaptureConfig, EyesConfig
from robo_ts.envs.soccer.eyes.backgrounds import captured, rooms
from robo_ts.envs.soccer.walkers import WALKERS
from robo_ts.envs.soccer.walkers.box import Box
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.evaluate.trials import with_changes
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.sim import EngineConfig, Range
from robo_ts.sim.cameras import SceneConfig, SensorConfig, make_room
from robo_ts.sim.cameras.splats import save_ply
from tests.soccer.conftest import MakeSoccer, still

Put = Callable[..., None]
# One colour around, no noise, no delay, nothing drawn anew: what is seen is what is there.
CLEAR: dict[str, Any] = {
    "enabled": True,
    "background": "plain",
    "sensor": SensorConfig(),
    "scene": SceneConfig(textures=False, light=Range(1.0, 1.0), background=[0.0, 0.0, 0.0]),
}
ROOMS: dict[str, Any] = {"enabled": True, "rooms": 3, "splats": 200}


def like_the_ball(pictures: Tensor) -> Tensor:
    """Where pictures are orange; the yellow goal has more green."""
    red, green, blue = pictures.float().unbind(-3)
    return (red > 60) & (green < 0.7 * red) & (blue < 0.35 * red)


def orange(pictures: Tensor) -> Tensor:
    """Pixels that look like the ball, per picture."""
    return like_the_ball(pictures).flatten(-2).sum(dim=-1)


def pictures(env: Soccer) -> Tensor:
    return env.step(still(env)).obs["head_rgb"]


def test_cameras_are_made_only_when_somebody_looks(make_soccer: MakeSoccer) -> None:
    config = with_changes(SoccerConfig(), {"opponents": [], "eyes": ROOMS})
    env = Soccer(config, 2, EngineConfig(threads=1))
    env.narrow(["privileged", "opponent"])
    assert "head_rgb" not in env.reset(seed=0)
    env.step(still(env))
    assert env.eyes is not None and not env.eyes.open
    env.narrow(["proprioception", "head_rgb"])
    seen = env.step(still(env)).obs
    assert set(seen.keys()) == {"proprioception", "head_rgb"}
    assert seen["head_rgb"].shape == (2, 3, 30, 40) and seen["head_rgb"].dtype == torch.uint8
    assert len(env.eyes.open) == 1
    env.narrow(["privileged"])
    assert not env.eyes.open
    env.close()
    assert "head_rgb" not in make_soccer(opponents=[]).spec


def test_worlds_are_the_same_whether_or_not_somebody_looks(make_soccer: MakeSoccer) -> None:
    seeing = make_soccer(opponents=["random"], episode_s=0.4, eyes=CLEAR)
    blind = make_soccer(opponents=["random"], episode_s=0.4)
    for _ in range(12):
        one, two = seeing.step(still(seeing)), blind.step(still(blind))
        for name in blind.spec:
            assert torch.equal(one.obs[name], two.obs[name])


def test_every_episode_stands_in_a_room_drawn_anew(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=24, opponents=[], eyes=ROOMS)
    env.observe()
    assert env.cameras is not None
    first = env.cameras.background.clone()
    assert first.bincount(minlength=3).min() > 0
    env.reset(env_ids=list(range(12)))
    now = env.cameras.background
    assert torch.equal(now[12:], first[12:]) and not torch.equal(now[:12], first[:12])


def test_no_room_of_training_is_among_the_unseen_ones() -> None:
    seen, unseen = (rooms(EyesConfig(rooms=4, splats=200, unseen=flag)) for flag in (False, True))
    apart = [abs(a.position - b.position).max() for a in seen for b in unseen]
    assert len(apart) == 16 and min(apart) > 0.1
    again = rooms(EyesConfig(rooms=2, splats=200))
    assert (again[1].position == seen[1].position).all()


@pytest.mark.parametrize("background", ["rooms", "skyboxes"])
def test_two_rooms_look_different_and_the_pitch_before_them_alike(
    make_soccer: MakeSoccer, put: Put, background: str
) -> None:
    eyes = CLEAR | {"background": background, "rooms": 2, "splats": 300}
    env = make_soccer(num_envs=8, opponents=[], eyes=eyes)
    env.observe()
    put(env, (0.5, 0.0), player={0: (-0.5, 0.0, 0.0)})
    seen = pictures(env).float()
    cameras = env.cameras
    assert cameras is not None
    drawn = cameras.background if background == "rooms" else cameras.skybox
    one, two = (int(torch.nonzero(drawn == room)[0]) for room in (0, 1))
    apart = (seen[one] - seen[two]).abs().amax(dim=0)
    assert apart[:3].mean() > 5.0, "the wall is above the horizon"
    assert apart[10:].max() <= 1.0, "the floor is below it"


def test_a_cube_map_shows_from_the_middle_what_the_room_shows(
    make_soccer: MakeSoccer, put: Put
) -> None:
    """Students learn before the one and play before the other: floor and walls meet alike."""
    seen = []
    for background in ("rooms", "skyboxes"):
        eyes = CLEAR | {"background": background, "rooms": 1, "splats": 2000}
        env = make_soccer(num_envs=1, opponents=[], eyes=eyes)
        env.observe()
        for yaw in (0.0, 0.5 * math.pi, math.pi, -0.5 * math.pi):
            put(env, (2.0, 1.5), player={0: (0.0, 0.0, yaw)})
            seen.append(pictures(env)[0].float())
    apart = (torch.stack(seen[:4]) - torch.stack(seen[4:])).abs().amax(dim=1)  # (4, rows, columns)
    # Half a pixel of a cube map blurs edges; a floor up to the horizon would be whole rows.
    assert apart.median(dim=2).values.max() < 10.0


def test_the_picture_shows_the_ball_where_the_geometry_says(make_soccer: MakeSoccer) -> None:
    env = make_soccer(num_envs=96, opponents=[], eyes=CLEAR, start={"set_piece": 1.0})
    obs = env.observe()
    pixels, in_view = orange(obs["head_rgb"]), obs["sight"][:, 0] > 0.5
    assert 0.2 < in_view.float().mean() < 0.8
    near = env._to_ball[:, 0] < 2.5  # farther ones may fall between rays
    assert (pixels[in_view & near] > 0).all()
    # A ball whose middle is out of the picture may show its edge.
    assert (pixels[~in_view] > 0).float().mean() < 0.2
    assert (pixels[~in_view] > 12).sum() == 0


def test_a_ball_at_the_feet_is_not_hidden_by_the_own_body(
    make_soccer: MakeSoccer, put: Put
) -> None:
    env = make_soccer(num_envs=1, opponents=[], eyes=CLEAR)
    put(env, (0.17, 0.0), player={0: (0.0, 0.0, 0.0)})
    seen = pictures(env)
    assert int(orange(seen)[0]) > 20
    row, column = torch.nonzero(like_the_ball(seen)[0]).float().mean(dim=0).tolist()
    assert row > 20 and abs(column - 19.5) < 1.0


def test_team_mates_see_with_their_own_eyes(make_soccer: MakeSoccer, put: Put) -> None:
    env = make_soccer(num_envs=4, team_size=2, opponents=[], eyes=CLEAR)
    put(env, (0.0, 0.0), player={0: (-1.0, 0.0, 0.0), 1: (1.0, 0.0, 0.0)})
    seen = pictures(env)
    assert seen.shape == (4, 3, 30, 40)
    assert (orange(seen)[::2] > 0).all() and (orange(seen)[1::2] == 0).all()
    after = env.reset(env_ids=[2])["head_rgb"]
    assert torch.equal(after[:2], seen[:2]) and not torch.equal(after[2:], seen[2:])


def test_the_away_team_sees_its_world_as_the_home_team_does(
    make_soccer: MakeSoccer, put: Put
) -> None:
    # The sun stands above the pitch's middle, so that half a turn changes nothing.
    env = make_soccer(num_envs=1, opponents=["still"], eyes=CLEAR)
    env.sim.model.light_dir[:] = [0.0, 0.0, -1.0]
    put(env, (0.0, 0.0), player={0: (-0.5, 1.2, 0.3), 1: (0.5, -1.2, 0.3 + math.pi)})
    assert env.eyes is not None
    env.eyes.look([], env.look_rng)  # they open anew, under that sun
    env.eyes.look([0, 1], env.look_rng)
    own, theirs = env.eyes.read([0, 1])[0].float()
    assert (own - theirs).abs().mean() < 0.5
    goal = own[2] > 1.5 * own[0]
    assert goal.sum() > 5, "the attacked goal is blue"


def test_pictures_come_late_by_the_sensors_delay(make_soccer: MakeSoccer, put: Put) -> None:
    eyes = CLEAR | {"sensor": SensorConfig(delay=Range(2.0, 2.0))}
    env = make_soccer(num_envs=1, opponents=[], eyes=eyes)
    put(env, (1.0, 0.0), player={0: (0.0, 0.0, math.pi)})
    behind = [pictures(env) for _ in range(3)]
    put(env, (1.0, 0.0), player={0: (0.0, 0.0, 0.0)})
    assert int(orange(behind[-1])) == 0
    assert [int(orange(pictures(env))) > 0 for _ in range(3)] == [False, False, True]


def test_a_saved_state_goes_on_bit_for_bit_with_open_eyes(make_soccer: MakeSoccer) -> None:
    def run(env: Soccer, steps: int) -> list[Tensor]:
        return [pictures(env) for _ in range(steps)]

    config: dict[str, Any] = {"opponents": ["random"], "episode_s": 0.5, "eyes": ROOMS}
    env, other = make_soccer(**config), make_soccer(seed=1, **config)
    run(env, 4)
    file = io.BytesIO()
    torch.save(env.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for one, two in zip(run(env, 14), run(other, 14), strict=True):
        assert torch.equal(one, two)


@pytest.mark.slow
def test_both_engines_give_the_same_pictures(make_soccer: MakeSoccer) -> None:
    """Slow, because the other engine compiles its kernels first."""
    config = with_changes(SoccerConfig(), {"opponents": [], "eyes": ROOMS})
    cpu = make_soccer(opponents=[], eyes=ROOMS)
    warp = Soccer(config, 4, EngineConfig("warp", device="cpu"))
    for one, two in ((cpu.reset(seed=5), warp.reset(seed=5)),):
        apart = (one["head_rgb"].int() - two["head_rgb"].int()).abs() > 2
        assert apart.float().mean() < 0.005
    warp.close()


def test_a_policy_that_sees_pictures_can_be_the_opponent(
    make_soccer: MakeSoccer, tmp_path: Path
) -> None:
    spec = make_soccer(eyes=CLEAR).spec.select(["proprioception", "head_rgb"])
    network = PolicyConfig(encoder=[8], channels=[4, 4], image_features=8, memory_size=8)
    folder = PolicyBundle(Policy(network, spec, 5), "soccer").save(tmp_path / "seer")
    env = make_soccer(opponents=[str(folder)], eyes=CLEAR)
    env.narrow(["privileged"])
    env.step(still(env))
    assert env.eyes is not None and set(env.eyes.open) == {1}
    assert (env.action[:, 1].abs().amax(dim=1) > 0.0).all()
    with pytest.raises(BundleError, match=r"eyes\.enabled"):
        make_soccer(opponents=[str(folder)])


def test_a_stiff_neck_keeps_the_head_ahead(make_soccer: MakeSoccer) -> None:
    stiff, free = make_soccer(opponents=[], neck=False), make_soccer(opponents=[])
    for env, turned in ((stiff, False), (free, True)):
        action = still(env)
        action[:, 4] = 1.0
        for _ in range(10):
            env.step(action)
        assert bool((env.field.qpos[:, 0, 4].abs() > 0.3).all()) == turned


class Eyeless(Box):
    """A walker without a camera."""

    camera = ""


def test_a_walker_without_a_camera_is_refused_when_asked_for_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(WALKERS, "box", Eyeless)
    config = with_changes(SoccerConfig(), {"opponents": [], "eyes": {"enabled": True}})
    with pytest.raises(RoboTSError, match="camera"):
        Soccer(config, 1, EngineConfig(threads=1))


def test_a_captured_scene_is_read_placed_and_thinned(tmp_path: Path) -> None:
    room = make_room(3, 600, width=(8.0, 9.0))
    path = save_ply_of(room, tmp_path)
    found = captured(CaptureConfig(str(path), splats=250))
    assert len(found) == 250
    x, y = abs(found.position[:, 0]), abs(found.position[:, 1])
    assert ((x > 3.0) | (y > 2.5) | (found.position[:, 2] > 1.0)).all()
    twice = captured(CaptureConfig(str(path), scale=2.0, splats=0))
    assert abs(twice.position).max() > 1.9 * abs(room.position).max()


def save_ply_of(room: Any, folder: Path) -> Path:
    path = folder / "room.ply"
    save_ply(path, room)
    return path


def test_captures_that_are_none_are_refused_by_what_they_lack(tmp_path: Path) -> None:
    mesh = tmp_path / "mesh.ply"
    mesh.write_bytes(
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float x\n"
        b"property float y\nproperty float z\nend_header\n" + bytes(12)
    )
    text = tmp_path / "text.ply"
    text.write_text("hello")
    small = save_ply_of(make_room(3, 300), tmp_path)
    for capture, word in (
        (CaptureConfig(str(mesh)), "f_dc_0"),
        (CaptureConfig(str(text)), "ply"),
        (CaptureConfig(str(tmp_path / "none.ply")), "no file"),
        (CaptureConfig(str(small), scale=0.01), "scale"),
    ):
        with pytest.raises(RoboTSError, match=word):
            rooms(EyesConfig(captures=[capture]))
    for wrong, word in (
        ({"background": "sea"}, "background"),
        ({"rooms": 0}, "rooms"),
        ({"captures": [{"scale": 0.0}]}, "scale"),
        ({"captures": [{"rotation": [0.0, 0.0, 0.0, 0.0]}]}, "rotation"),
    ):
        with pytest.raises(RoboTSError, match=word):
            with_changes(SoccerConfig(), {"eyes": wrong})
