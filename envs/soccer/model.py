"""The MuJoCo model of a match: the pitch, the ball, and every player's walker."""

from __future__ import annotations

import mujoco

from robo_ts.envs.soccer import pitch
from robo_ts.envs.soccer.walkers import Walker

# Shirts of the home and of the away team.
_SHIRTS = ([0.15, 0.35, 0.80, 1.0], [0.80, 0.15, 0.15, 1.0])


def player_names(home: int, away: int) -> list[str]:
    """Names of the players in the order of their joints: home first."""
    return [f"home_{i}" for i in range(home)] + [f"away_{i}" for i in range(away)]


def build_model(walker: Walker, home: int, away: int) -> mujoco.MjModel:
    """The model all worlds share.

    ``qpos`` holds the ball's 7 numbers and then ``walker.nq`` per player, ``qvel`` 6 and then
    ``walker.nv``, ``ctrl`` ``walker.nu`` per player.

    Args:
        walker: what every player is.
        home: players of the home team.
        away: players of the away team.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = walker.timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    pitch.add_pitch(spec)
    pitch.add_ball(spec)
    for index, name in enumerate(player_names(home, away)):
        child = mujoco.MjSpec.from_file(str(walker.file))
        _dress(child, _SHIRTS[index >= home])
        _separate(child, index, home + away, walker.on_the_ground)
        frame = spec.worldbody.add_frame()
        spec.attach(child, frame=frame, prefix=f"{name}/")
    return spec.compile()


def _dress(child: mujoco.MjSpec, shirt: list[float]) -> None:
    for geom in child.geoms:
        if geom.name == "torso":
            geom.rgba = shirt


def _separate(child: mujoco.MjSpec, index: int, players: int, on_the_ground: bool) -> None:
    """Players collide with the ball, the goals and each other, but no player with itself."""
    own = _player_bit(index)
    others = sum(_player_bit(i) for i in range(players) if i != index)
    ground = pitch.GROUND if on_the_ground else 0
    for geom in child.geoms:
        if geom.contype:
            geom.contype = own
            geom.conaffinity = ground | pitch.GOALS | pitch.BALL | others


def _player_bit(index: int) -> int:
    return 8 << index
