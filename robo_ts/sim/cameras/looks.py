"""How scenes look: colours and lights, drawn anew for every world and episode."""

from __future__ import annotations

import mujoco
import torch
from torch import Tensor

from robo_ts.sim.cameras.bodies import geoms_of
from robo_ts.sim.cameras.config import Recolour, SceneConfig, is_constant
from robo_ts.sim.cameras.rotations import rotation_from_vector

_LIGHT_COLOURS = ("light_ambient", "light_diffuse", "light_specular")


class Looks:
    """Colours and lights of every world, one row per world.

    Args:
        model: what is drawn.
        scene: which looks vary.
        num: worlds.
        device: where the numbers are kept.
    """

    def __init__(
        self, model: mujoco.MjModel, scene: SceneConfig, num: int, device: torch.device
    ) -> None:
        self._scene, self._device = scene, device
        self._parts: list[tuple[Recolour, Tensor]] = []
        base = _colours(model)
        kept: dict[str, Tensor] = {}
        for index, recolour in enumerate(scene.recolour):
            geoms = torch.from_numpy(geoms_of(model, recolour.bodies))
            self._parts.append((recolour, geoms.to(device)))
            kept[f"colour.{index}"] = base[geoms].to(device).repeat(num, 1, 1)
        self._base = base
        self._lit = model.nlight > 0 and not is_constant(scene.light, 1.0)
        moved = (scene.light_position, scene.light_direction)
        self._moved = model.nlight > 0 and not all(is_constant(r) for r in moved)
        if self._lit:
            kept["light"] = torch.ones(num, model.nlight, device=device)
        if self._moved:
            kept["light_offset"] = torch.zeros(num, model.nlight, 3, device=device)
            kept["light_turn"] = torch.eye(3, device=device).repeat(num, model.nlight, 1, 1)
        self._kept = kept

    @property
    def fields(self) -> tuple[str, ...]:
        """Model fields that differ between worlds because of this."""
        colours = ("geom_rgba",) if self._parts else ()
        return colours + (_LIGHT_COLOURS if self._lit else ())

    def draw(self, env_ids: Tensor, generator: torch.Generator) -> None:
        """New looks for the worlds ``env_ids (n,)``."""
        n = len(env_ids)
        for index, (recolour, geoms) in enumerate(self._parts):
            shift = torch.stack(
                [r.sample((n,), generator) for r in (recolour.hue, *_rest(recolour))], dim=-1
            )
            base = self._base[geoms.cpu()]
            self._kept[f"colour.{index}"][env_ids] = shifted(base, shift.cpu()).to(self._device)
        if self._lit:
            factor = self._scene.light.sample((n, self._kept["light"].shape[1]), generator)
            self._kept["light"][env_ids] = factor.to(self._device)
        if self._moved:
            shape = (n, self._kept["light_offset"].shape[1], 3)
            offset = self._scene.light_position.sample(shape, generator)
            self._kept["light_offset"][env_ids] = offset.to(self._device)
            axis = torch.randn(shape, generator=generator, device=generator.device)
            axis = torch.nn.functional.normalize(axis, dim=-1)
            angle = self._scene.light_direction.sample(shape[:2], generator)
            turn = rotation_from_vector(axis * torch.deg2rad(angle)[..., None])
            self._kept["light_turn"][env_ids] = turn.to(self._device)

    def apply_colours(self, field: str, values: Tensor, env_ids: Tensor) -> None:
        """Change ``values (n, ...)`` of one of :attr:`fields` in place."""
        if field == "geom_rgba":
            for index, (_, geoms) in enumerate(self._parts):
                values[:, geoms] = self._kept[f"colour.{index}"][env_ids]
        elif field in _LIGHT_COLOURS and self._lit:
            values *= self._kept["light"][env_ids][..., None]

    def apply_lights(self, position: Tensor, direction: Tensor, env_ids: Tensor) -> None:
        """Move lights ``(rows, lights, 3)`` in place; the first rows are the worlds ``env_ids``."""
        if self._moved:
            n = len(env_ids)
            position[:n] += self._kept["light_offset"][env_ids]
            turned = self._kept["light_turn"][env_ids] @ direction[:n, :, :, None]
            direction[:n] = turned[..., 0]

    def state_dict(self) -> dict[str, Tensor]:
        """All that was drawn."""
        return dict(self._kept)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore :meth:`state_dict`."""
        for name, mine in self._kept.items():
            mine.copy_(state[name])


def _rest(recolour: Recolour):
    return recolour.saturation, recolour.value


def _colours(model: mujoco.MjModel) -> Tensor:
    """What geoms look like: their own colour, or their material's where they have none."""
    rgba = torch.from_numpy(model.geom_rgba.copy()).float()
    materials = torch.from_numpy(model.geom_matid.copy()).long()
    plain = (rgba == torch.tensor([0.5, 0.5, 0.5, 1.0])).all(dim=1) & (materials >= 0)
    if bool(plain.any()):
        rgba[plain] = torch.from_numpy(model.mat_rgba.copy()).float()[materials[plain]]
    return rgba


def shifted(rgba: Tensor, shift: Tensor) -> Tensor:
    """Colours ``(geoms, 4)`` with hue, saturation and value moved by ``shift (n, 3)``.

    Hue is cyclic in [0, 1); saturation and value are kept within [0, 1] (Smith 1978).

    Returns:
        ``(n, geoms, 4)``; alpha stays as it is.
    """
    rgb = rgba[:, :3]
    value, _ = rgb.max(dim=1)
    chroma = value - rgb.min(dim=1).values
    saturation = torch.where(value > 0.0, chroma / value.clamp_min(1e-6), 0.0)
    red, green, blue = rgb.unbind(1)
    safe = chroma.clamp_min(1e-6)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2.0 + (blue - red) / safe, 4.0 + (red - green) / safe),
    )
    hue = torch.where(chroma > 0.0, hue / 6.0, 0.0)
    new_hue = (hue + shift[:, :1]) % 1.0
    new_saturation = (saturation + shift[:, 1:2]).clamp(0.0, 1.0)
    new_value = (value + shift[:, 2:3]).clamp(0.0, 1.0)
    parts = []
    for offset in (5.0, 3.0, 1.0):  # red, green, blue
        k = (offset + 6.0 * new_hue) % 6.0
        away = torch.minimum(k, 4.0 - k).clamp(0.0, 1.0)
        parts.append(new_value - new_value * new_saturation * away)
    return torch.cat(
        [torch.stack(parts, dim=-1), rgba[None, :, 3:].expand(len(shift), -1, -1)], dim=-1
    )
