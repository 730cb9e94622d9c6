"""The rooms around the pitch: made from seeds, or captured."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from robo_ts.envs.soccer.eyes.config import CaptureConfig, EyesConfig
from robo_ts.envs.soccer.pitch import HALF_LENGTH, HALF_WIDTH, RAMP_WIDTH
from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive
from robo_ts.sim.cameras import SplatScene, bake_skybox, load_ply, make_room

# Half of what has to stay free of furniture, m; the ramps end there.
_CLEAR = (HALF_LENGTH + RAMP_WIDTH, HALF_WIDTH + RAMP_WIDTH)
_WALLS = (7.8, 12.0)  # m, least and greatest distance of opposite walls
# Half of the floor before a cube map, m: where walls stand on average.
FLOOR = sum(_WALLS) / 4.0
# Nothing of a captured scene may lie lower than this on the pitch, m: the floor is the model's.
_FREE_HEIGHT = 1.0
_FACE = 64  # pixels of a cube map's face: 1.4 degrees each, as the camera's


def rooms(config: EyesConfig) -> list[SplatScene]:
    """What stands around the pitch, as splats; empty for a plain background.

    Raises:
        RoboTSError: for captured files that are none.
    """
    if config.background == "plain":
        return []
    if config.captures:
        return [captured(one) for one in config.captures]
    return [_room(config.unseen, index, config.splats) for index in range(config.rooms)]


def skyboxes(config: EyesConfig) -> list[np.ndarray]:
    """The rooms as cube maps, seen from the middle of the pitch."""
    if config.captures:
        return [_baked(room) for room in rooms(config)]
    return [_sky(config.unseen, index, config.splats) for index in range(config.rooms)]


def captured(config: CaptureConfig) -> SplatScene:
    """A captured scene around the pitch, without what lies on the pitch itself.

    Raises:
        RoboTSError: when the file is none of Gaussian splats, or nothing of it is left.
    """
    scene = load_ply(config.path).moved(config.position, config.rotation, config.scale)
    x, y = _CLEAR
    low, high = np.array([-x, -y, -np.inf]), np.array([x, y, _FREE_HEIGHT])
    inside = ((scene.position >= low) & (scene.position <= high)).all(axis=1)
    if inside.all():
        raise RoboTSError(
            "a captured scene that reaches beyond the pitch of "
            f"{2 * x:g} m x {2 * y:g} m, ramps included",
            f"{config.path}, all of whose {len(scene)} splats lie on it",
            "set scale, rotation and position of the capture, so that it is in metres with z up",
        )
    scene = scene.without(low.tolist(), high.tolist())
    return scene.thinned(config.splats) if config.splats else scene


@lru_cache(maxsize=256)
def _room(unseen: bool, index: int, splats: int) -> SplatScene:
    seed = derive(index, "unseen rooms" if unseen else "rooms")
    clear = (2.0 * _CLEAR[0] + 0.4, 2.0 * _CLEAR[1] + 0.4)
    return make_room(seed, splats, width=_WALLS, clear=clear)


@lru_cache(maxsize=256)
def _sky(unseen: bool, index: int, splats: int) -> np.ndarray:
    return _baked(_room(unseen, index, splats))


def _baked(room: SplatScene) -> np.ndarray:
    return bake_skybox(room, width=_FACE)
