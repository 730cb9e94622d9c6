"""What the game keeps of walkers with legs: scripted motions, getting up, drills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from robo_ts.env.observations import Term
from robo_ts.envs.soccer.config import LegsRewardConfig
from robo_ts.envs.soccer.field import distance
from robo_ts.envs.soccer.walkers import Clock, Planar, Walker

# Who stands: shoulders at this share of a standing one's height, the torso's tilt below 0.4 rad.
# The paper's robot is up with shoulders at 0.36 m of 0.39 m.
UP_SHARE, UP_COSINE = 0.93, 0.921
# The bars: seconds for a get-up, m/s for a walk, and the seconds its speed is measured after.
GET_UP_BAR, WALK_BAR, RUN_UP = 1.5, 0.5, 2.0


def terms(walker: Walker) -> tuple[Term, ...]:
    """What :meth:`Legs.view` holds: the gate, the script's clock, and the action it asks for."""
    if not walker.get_up_s:
        return ()
    return (
        Term("uprightness", 1, "1", "none"),
        Term("rising", 1, "1", "none"),
        Term("motion_phase", 2, "1", "none"),
        Term("motion_action", len(walker.actions), "1", "none"),
    )


@dataclass
class Legs:
    """Per player of walkers with legs; all tensors ``(worlds, players)``.

    Attributes:
        rising: whether the scripted get-up runs, bool. It begins with a fall and ends with a stand.
        supine: whether the player lay on its back when that began, bool.
        motion: since the script's motion began, s.
        up_since: since when the player stands, s of the episode; infinite while it does not.
        falls: how often it fell.
        begin_x: forward place when the walking speed begins to be measured, m; NaN before.
        speed: over the floor since then, along the pitch, m/s; NaN before.
    """

    rising: Tensor
    supine: Tensor
    motion: Tensor
    up_since: Tensor
    falls: Tensor
    begin_x: Tensor
    speed: Tensor

    @classmethod
    def empty(cls, worlds: int, players: int, device: torch.device) -> Legs:
        """For worlds whose episodes begin."""

        def new(value: float) -> Tensor:
            return torch.full((worlds, players), value, device=device)

        flag = torch.zeros(worlds, players, dtype=torch.bool, device=device)
        return cls(
            rising=flag,
            supine=flag.clone(),
            motion=new(0.0),
            up_since=new(torch.inf),
            falls=new(0.0),
            begin_x=new(torch.nan),
            speed=new(torch.nan),
        )

    def begin(self, worlds: Tensor, walker: Walker, qpos: Tensor) -> None:
        """Episodes begin in ``worlds (n,)`` with ``qpos (n, players, nq)``."""
        fresh = Legs.empty(1, self.motion.shape[1], worlds.device)
        for one in fields(self):
            getattr(self, one.name)[worlds] = getattr(fresh, one.name)
        self.rising[worlds] = walker.fallen(qpos)
        self.supine[worlds] = walker.supine(qpos)
        self.up_since[worlds] = torch.where(stands(walker, qpos), 0.0, torch.inf)

    def advance(
        self,
        walker: Walker,
        qpos: Tensor,
        place: Tensor,
        time: Tensor,
        dt: float,
        walks_on: bool = True,
    ) -> None:
        """A step of ``dt`` s has passed.

        Args:
            walker: what the players are.
            qpos: ``(worlds, players, nq)``.
            place: of the players, ``(worlds, players, 2)`` m.
            time: since the episodes began, ``(worlds,)`` s.
            dt: length of the step, s.
            walks_on: whether who stands begins to walk, or waits.
        """
        up, fallen = stands(walker, qpos), walker.fallen(qpos)
        self.motion = self.motion + dt
        over = self.motion >= walker.get_up_s
        fell = fallen & ~self.rising
        self.falls = self.falls + fell
        again = fell | (self.rising & over & fallen)
        walks = self.rising & over & up & walks_on
        self.supine = torch.where(again, walker.supine(qpos), self.supine)
        self.motion = self.motion.masked_fill(again | walks, 0.0)
        self.rising = (self.rising | fell) & ~walks
        since = torch.where(self.up_since.isinf(), time[:, None], self.up_since)
        self.up_since = torch.where(up, since, torch.inf)
        late = (time >= RUN_UP)[:, None]
        started = late & self.begin_x.isnan()
        self.begin_x = torch.where(started, place[..., 0], self.begin_x)
        since_then = (time - RUN_UP).clamp_min(dt)[:, None]
        self.speed = (place[..., 0] - self.begin_x) / since_then

    def clock(self) -> Clock:
        """Where the players are in the scripted motions."""
        return Clock(self.rising, self.supine, self.motion)

    def view(self, walker: Walker, qpos: Tensor, qvel: Tensor, rows: slice) -> Tensor:
        """The terms above of the players ``rows``, ``(worlds, viewers, size)``.

        Args:
            walker: what they are.
            qpos: theirs, ``(worlds, viewers, nq)``.
            qvel: theirs, ``(worlds, viewers, nv)``.
            rows: which players.
        """
        clock = Clock(*(value[:, rows] for value in self.clock()))
        whole = torch.where(clock.rising, 2.0 * walker.get_up_s, walker.stride_s)
        phase = 2.0 * torch.pi * clock.time / whole
        parts = [
            walker.uprightness(qpos)[..., None],
            clock.rising.float()[..., None],
            torch.stack([torch.sin(phase), torch.cos(phase)], dim=-1),
            walker.script(clock, qpos, qvel),
        ]
        return torch.cat(parts, dim=-1)

    def by_player(self, rows: slice) -> dict[str, Tensor]:
        """What is measured of the players ``rows``, ``(worlds, viewers)`` each."""
        speed = self.speed[:, rows]
        return {
            "get_up_s": self.up_since[:, rows],
            "falls": self.falls[:, rows],
            "supine": self.supine[:, rows],
            "forward_speed_m_s": torch.where(speed.isnan(), torch.inf, speed),
        }

    def rows(self, worlds: Tensor) -> Legs:
        """Those of some worlds."""
        return Legs(**{one.name: getattr(self, one.name)[worlds] for one in fields(self)})

    def state(self) -> dict[str, Tensor]:
        """For bit-exact resume."""
        return {f"legs.{one.name}": getattr(self, one.name) for one in fields(self)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore :meth:`state`."""
        for one in fields(self):
            setattr(self, one.name, state[f"legs.{one.name}"])


def stands(walker: Walker, qpos: Tensor) -> Tensor:
    """Who stands, ``(...,)`` bool."""
    return (walker.rises(qpos) > UP_SHARE) & (walker.uprightness(qpos) > UP_COSINE)


def reward(
    config: LegsRewardConfig,
    walker: Walker,
    qpos: Tensor,
    players: Planar,
    control: Tensor,
    change: Tensor,
    dt: float,
) -> Tensor:
    """What legs are paid for one control step, ``(worlds, players)``.

    Args:
        config: the weights.
        walker: what the players are.
        qpos: ``(worlds, players, nq)``.
        players: how they move.
        control: targets of the servos, ``(worlds, players, nu)``.
        change: of the filtered actions in this step, ``(worlds, players, num_actions)``.
        dt: length of the step, s.
    """
    cosine = walker.uprightness(qpos)
    tilt = torch.arccos(cosine.clamp(-1.0, 1.0))
    rising = 0.5 * (1.0 + cosine) * walker.rises(qpos).clamp(0.0, 1.0)
    yaw, (x, y) = players.yaw, players.velocity.unbind(-1)
    forward = torch.cos(yaw) * x + torch.sin(yaw) * y
    sideways = (torch.cos(yaw) * y - torch.sin(yaw) * x).abs() + players.yaw_rate.abs()
    rest = walker.control(torch.zeros_like(change), qpos)
    off = distance(qpos[..., -rest.shape[-1] :] - rest)
    # p~ and g~ of the paper's get-up reward, with the minus sign its text calls for.
    pose = (torch.pi - off).clamp_min(0.0) / torch.pi
    earned = (
        config.rising * rising
        + config.pose * pose * rising
        + config.forward * forward.clamp_max(config.pace)
        + config.upright * ((0.4 - tilt) / 0.2).clamp(0.0, 1.0)
        - config.sideways * sideways
        - config.effort * (walker.effort(control, qpos) - 2.5).clamp_min(0.0)
        - config.jerk * change.square().mean(dim=-1)
    )
    return earned * dt
