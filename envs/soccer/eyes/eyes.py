"""Head cameras of players, batched beside worlds."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import mujoco
import torch
from torch import Tensor

from robo_ts.env.cameras import image_group
from robo_ts.env.observations import ObservationGroup
from robo_ts.envs.soccer.eyes.backgrounds import FLOOR, rooms, skyboxes
from robo_ts.envs.soccer.eyes.config import EyesConfig
from robo_ts.envs.soccer.walkers import Walker
from robo_ts.errors import RoboTSError
from robo_ts.sim import BatchSim
from robo_ts.sim.cameras import CameraConfig, Cameras

HEAD = "head_rgb"
# Beyond the farthest wall from the farthest corner, m.
_FAR = 20.0
_INVISIBLE = 0.0


def head_group(config: EyesConfig) -> ObservationGroup:
    """The picture of a player's head camera."""
    return image_group(_camera(config, "head"), "rgb", HEAD)


def _camera(config: EyesConfig, name: str) -> CameraConfig:
    return CameraConfig(
        name,
        ["rgb"],
        config.width,
        config.height,
        far=_FAR,
        every=config.every,
        sensor=config.sensor,
    )


class Eyes:
    """The head cameras of those players that somebody looks through.

    Every player has a renderer of its own, because no two see the same: its own body is left out
    (the camera stands where the body would hide the ball at its feet), and for the away team the
    colours of goals and shirts are changed over, so that one policy plays either side.

    Args:
        sim: the worlds.
        walker: what the players are.
        names: of all players, in the order of their joints.
        home: how many of them are the home team.
        config: what they see.

    Raises:
        RoboTSError: for a walker without a camera.
    """

    def __init__(
        self, sim: BatchSim, walker: Walker, names: Sequence[str], home: int, config: EyesConfig
    ) -> None:
        self.sim, self.names, self.home, self.config = sim, list(names), home, config
        self.camera = walker.camera
        self.open: dict[int, Cameras] = {}
        name = f"{self.names[0]}/{self.camera}"
        found = mujoco.mj_name2id(sim.model, mujoco.mjtObj.mjOBJ_CAMERA, name)
        if not self.camera or found < 0:
            cameras = [sim.model.camera(i).name for i in range(sim.model.ncam)]
            raise RoboTSError(
                f"a walker with a camera {self.camera or 'head'!r}, for task.eyes.enabled=true",
                f"{walker.file.stem}, which has {', '.join(cameras) or 'none'}",
                f"add the camera to {walker.file.name}, or set task.eyes.enabled=false",
            )

    def look(self, players: Sequence[int], generator: torch.Generator) -> None:
        """Let these players look from now on, and no others; who begins sees a new episode."""
        for player in [p for p in self.open if p not in players]:
            self.open.pop(player).close()
        for player in players:
            if player not in self.open:
                self.open[player] = cameras = self._make(player)
                every = torch.arange(self.sim.num_envs, device=self.sim.device)
                cameras.reset(every, generator)

    def reset(self, worlds: Tensor, generator: torch.Generator) -> None:
        """Episodes begin in ``worlds (n,)``: other rooms, lights and lenses."""
        for cameras in self.open.values():
            cameras.reset(worlds, generator)

    def step(self) -> None:
        """A control step has passed."""
        for cameras in self.open.values():
            cameras.step()

    def read(self, players: Sequence[int], worlds: Tensor | None = None) -> Tensor:
        """Pictures ``(worlds, players, 3, height, width)`` uint8 of players that look."""
        key = f"{{}}/{self.camera}_rgb"
        seen = [self.open[p].read(worlds)[key.format(self.names[p])] for p in players]
        return torch.stack(seen, dim=1)

    def state(self) -> dict[str, Tensor]:
        """All that decides what is seen from now on, but for the worlds' state."""
        found = {}
        for player, cameras in self.open.items():
            found |= {f"eyes.{player}.{k}": v for k, v in cameras.state_dict().items()}
        return found

    def load_state(self, state: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Restore :meth:`state`, with those players looking who did."""
        self.look(sorted({int(k.split(".")[1]) for k in state if k.startswith("eyes.")}), generator)
        for player, cameras in self.open.items():
            prefix = f"eyes.{player}."
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            cameras.load_state_dict(own)

    def close(self) -> None:
        """Free all renderers."""
        for cameras in self.open.values():
            cameras.close()
        self.open = {}

    def _make(self, player: int) -> Cameras:
        config = self.config
        sky = config.background == "skyboxes"
        return Cameras(
            self.sim,
            [_camera(config, f"{self.names[player]}/{self.camera}")],
            scene=config.scene,
            backgrounds=[] if sky else rooms(config),
            skyboxes=skyboxes(config) if sky else [],
            model=self._seen_by(player),
        )

    def _seen_by(self, player: int) -> mujoco.MjModel:
        """The model as a player sees it."""
        model = copy.copy(self.sim.model)
        if player >= self.home:
            _change_over(model, self.names, self.home)
        for geom in range(model.ngeom):
            body = model.body(model.geom_bodyid[geom]).name
            if body.startswith(f"{self.names[player]}/"):
                model.geom_rgba[geom, 3] = _INVISIBLE
        # Without end it reaches every wall of splats; a cube map's walls it would hide.
        end = FLOOR if self.config.background == "skyboxes" else 0.0
        model.geom_size[model.geom("floor").id, :2] = end
        return model


def _change_over(model: mujoco.MjModel, names: Sequence[str], home: int) -> None:
    """Give each goal the other one's colour, and each team the other one's shirts."""
    sides = [[], []]
    for geom in range(model.ngeom):
        name = model.geom(geom).name
        if name.startswith(("goal_front", "goal_rear")):
            sides[name.startswith("goal_rear")].append(geom)
    shirts = [[model.geom(f"{name}/torso").id for name in team] for team in _teams(names, home)]
    for one, two in (sides, shirts):
        colours = model.geom_rgba[one[0]].copy(), model.geom_rgba[two[0]].copy()
        model.geom_rgba[one], model.geom_rgba[two] = colours[1], colours[0]


def _teams(names: Sequence[str], home: int) -> tuple[Sequence[str], Sequence[str]]:
    return names[:home], names[home:]
