"""What people want to see of a task, and what they may change while they watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from robo_ts.sim.randomize import Range

if TYPE_CHECKING:
    from tensordict import TensorDict

    from robo_ts.env.base import TaskEnv


def _same(value: float) -> float:
    return value


@dataclass(frozen=True)
class Slider:
    """A physical parameter people may set by hand.

    Attributes:
        path: dotted name of the task's setting: a ``Range``, which is pinned to one value, or a
            number.
        label: what it is.
        unit: of the number that is shown.
        low: least number that can be set.
        high: greatest number that can be set.
        setting: the setting's value for the number that is shown; the same when left out.
    """

    path: str
    label: str
    unit: str
    low: float
    high: float
    setting: Callable[[float], float] = _same


@dataclass(frozen=True)
class Choice:
    """A setting people choose by name, such as the object or the opponent.

    Attributes:
        label: what it is.
        options: by name, the changes to the settings, nested as in a recipe.
    """

    label: str
    options: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Ground:
    """A coloured rectangle on the floor of every world, such as a pitch.

    Attributes:
        size: along x and y, m.
        rgb: its colour, 0 to 255.
    """

    size: tuple[float, float]
    rgb: tuple[int, int, int]


@dataclass(frozen=True)
class ViewSpec:
    """How a task is shown. Every part may be left out: it is then found from the model.

    Attributes:
        spacing: size of one world's cell in a grid of worlds along x and y, m; (0, 0) takes the
            model's extent.
        centre: the point of a world that stands in its cell's middle, (x, y) in m.
        floor: height of a floor to draw below each world, m; none where the model has its own.
        ground: a coloured rectangle in the middle of that floor.
        pushable: bodies that can be pushed; every body that moves relative to the world when empty.
        push_speed: what a push changes such a body's speed by, m/s.
        sliders: parameters people may set; every range of the settings, over its own ends, when
            empty.
        choices: settings people may choose by name.
        scale: ``env -> (num_envs,)``: how large each world's bodies are drawn, of the model's size.
        markers: ``env -> (num_envs, count, 3)``: points to mark, such as references, m.
        reward_terms: ``env -> {name: (num_envs,)}``: the parts of the last step's reward; valid
            for worlds whose episode goes on.
        scripted: ``(env, obs) -> actions``: a policy that needs no training.
        scripted_teaches: whether others are compared with it, as with a teacher.
        sees: observation groups that ``scripted`` reads.
    """

    spacing: tuple[float, float] = (0.0, 0.0)
    centre: tuple[float, float] = (0.0, 0.0)
    floor: float | None = None
    ground: Ground | None = None
    pushable: tuple[str, ...] = ()
    push_speed: float = 1.0
    sliders: tuple[Slider, ...] = ()
    choices: tuple[Choice, ...] = ()
    scale: Callable[[TaskEnv], Tensor] | None = None
    markers: Callable[[TaskEnv], Tensor] | None = None
    reward_terms: Callable[[TaskEnv], dict[str, Tensor]] | None = None
    scripted: Callable[[TaskEnv, TensorDict], Tensor] | None = None
    scripted_teaches: bool = True
    sees: tuple[str, ...] = ()


def all_sliders(view: ViewSpec, config: Any) -> list[Slider]:
    """The declared sliders; without any, one for every range of the settings.

    Args:
        view: what the task declares.
        config: the task's settings.
    """
    if view.sliders:
        return list(view.sliders)
    return [
        Slider(path, path.rpartition(".")[2].replace("_", " "), "", value.low, value.high)
        for path, value in _ranges(config)
        if value.law != "normal" and value.low < value.high
    ]


def pinned(config: Any, path: str, value: float) -> dict[str, Any]:
    """The change, nested as in a recipe, that pins a setting to one value.

    Args:
        config: the task's settings.
        path: dotted name of a ``Range`` or a number.
        value: what to pin it to.
    """
    owner = config
    *groups, name = path.split(".")
    for group in groups:
        owner = getattr(owner, group)
    is_range = isinstance(getattr(owner, name), Range)
    change: Any = {"low": value, "high": value, "law": "uniform"} if is_range else value
    for group in reversed([*groups, name]):
        change = {group: change}
    return change


def _ranges(config: Any, prefix: str = "") -> Iterator[tuple[str, Range]]:
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(value, Range):
            yield f"{prefix}{item.name}", value
        elif is_dataclass(value):
            yield from _ranges(value, f"{prefix}{item.name}.")
