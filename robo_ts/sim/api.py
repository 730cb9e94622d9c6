"""The protocol both engines implement, and the factory that picks one."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import mujoco
import torch
from torch import Tensor

from robo_ts.checks import check_not_negative, check_one_of
from robo_ts.errors import RoboTSError
from robo_ts.sim.nan_guard import NanGuardConfig

ENGINES = ("cpu", "warp", "analytic")


@dataclass
class EngineConfig:
    """Which engine steps the worlds, and how.

    Attributes:
        name: ``cpu`` (mujoco.batch, float64), ``warp`` (mujoco_warp, float32) or ``analytic``
            (formulas in torch, float32, for free rigid bodies with rotors).
        threads: simulation threads of the CPU engine; 0 takes every core this process may use.
        device: torch device of the warp and analytic engines; ``auto`` takes CUDA when it is there.
        nconmax: contacts per world the warp engine has room for; 0 lets it decide.
        njmax: constraint rows per world the warp engine has room for; 0 lets it decide.
        nan_guard: when to look for non-finite states and where to write the dump.
    """

    name: str = "cpu"
    threads: int = 0
    device: str = "auto"
    nconmax: int = 0
    njmax: int = 0
    nan_guard: NanGuardConfig = field(default_factory=NanGuardConfig)

    def __post_init__(self) -> None:
        check_one_of("an engine", self.name, ENGINES)
        if self.threads < 0:
            raise RoboTSError("engine.threads >= 0", str(self.threads), "use 0 for every core")
        check_not_negative(self, "engine", ("nconmax", "njmax"))
        if self.device != "auto":
            try:
                kind = torch.device(self.device).type
            except RuntimeError:
                kind = ""
            if kind not in ("cpu", "cuda"):
                raise RoboTSError(
                    "engine.device auto, cpu or cuda[:index]", repr(self.device), "choose one"
                )

    def mujoco_beside(self) -> EngineConfig | None:
        """MuJoCo on the same device, to check an engine that is not MuJoCo; None where it is."""
        if self.name != "analytic":
            return None
        return replace(self, name="cpu" if self.resolved_device() == "cpu" else "warp")

    def resolved_device(self) -> str:
        """The torch device the worlds live on: the CPU engine knows only the CPU."""
        if self.name == "cpu":
            return "cpu"
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device


@runtime_checkable
class BatchSim(Protocol):
    """``num_envs`` worlds of one MuJoCo model.

    Fields are named as in ``mujoco.MjData`` and ``mujoco.MjModel``. Every tensor has a leading
    world dimension, is float32 (integers keep their kind) and lives on ``device``.
    """

    model: mujoco.MjModel
    num_envs: int
    device: torch.device
    dt: float

    def read(self, field: str) -> Tensor:
        """Values of a field, ``(num_envs, ...)``; valid until the next call that changes the sim.

        The warp engine returns a view of the engine's own memory, the CPU engine a copy, so treat
        the tensor as read-only and clone what must be kept.
        """
        ...

    def write(self, field: str, value: Tensor, env_ids: Tensor | None = None) -> None:
        """Set a state field or an expanded model field, for all worlds or for ``env_ids``."""
        ...

    def step(self, substeps: int = 1) -> None:
        """Advance every world by ``substeps`` time steps. Derived fields are one substep behind."""
        ...

    def forward(self, env_ids: Tensor | None = None) -> None:
        """Compute derived fields at the current state (the warp engine does so for all worlds)."""
        ...

    def reset(self, env_ids: Tensor | None = None) -> None:
        """Put worlds back to the model's default state; expanded model fields keep their values."""
        ...

    def expand(self, model_field: str) -> None:
        """Give a model field one value per world; ``write`` then accepts it."""
        ...

    @property
    def expanded(self) -> tuple[str, ...]:
        """Names of the model fields that have one value per world."""
        ...

    def set_const(self, env_ids: Tensor | None = None) -> None:
        """Recompute the model constants that follow from written model fields (mj_setConst)."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future: integration state and expanded model fields."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
        ...

    def world(self, env_id: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """One world as plain MuJoCo objects, for rendering or inspection."""
        ...

    def close(self) -> None:
        """Free the engine's memory and threads."""
        ...


def available_cores() -> int:
    """Cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def check_num_envs(num_envs: int) -> int:
    """The number of worlds as a plain int.

    Raises:
        RoboTSError: when it is no whole number of at least one.
    """
    try:
        number = operator.index(num_envs)
    except TypeError as error:
        raise RoboTSError(
            "num_envs as a whole number", repr(num_envs), "give an int such as 4"
        ) from error
    if number < 1:
        raise RoboTSError("num_envs >= 1", str(number), "ask for at least one world")
    return number


def check_written(
    field: str, value: Sequence[int], held: Sequence[int], env_ids: Sized | None
) -> None:
    """Raise unless a value of shape ``value`` fits a field of shape ``held``.

    Args:
        field: its name.
        value: shape of what is to be written.
        held: shape of the field, worlds first.
        env_ids: the worlds to write; all when None.
    """
    expected = (held[0] if env_ids is None else len(env_ids), *held[1:])
    if tuple(value) != expected:
        raise RoboTSError(
            f"a value of shape {expected} for {field!r}",
            f"shape {tuple(value)}",
            "give one row per world to write",
        )


def make_sim(
    model: mujoco.MjModel,
    num_envs: int,
    engine: EngineConfig | None = None,
    fields: Sequence[str] = (),
    expand: Sequence[str] = (),
) -> BatchSim:
    """Build the engine that ``engine`` names.

    Args:
        model: the model every world shares.
        num_envs: number of worlds, at least 1.
        engine: engine settings; the CPU engine by default.
        fields: derived fields (``xpos``, ``sensordata``, ...) that will be read.
        expand: model fields that get one value per world.

    Raises:
        RoboTSError: for an unknown field or a world count below one.
    """
    engine = engine or EngineConfig()
    num_envs = check_num_envs(num_envs)
    if engine.name == "cpu":
        from robo_ts.sim.cpu import CpuSim

        return CpuSim(model, num_envs, engine, fields, expand)
    if engine.name == "analytic":
        from robo_ts.sim.analytic import AnalyticSim

        return AnalyticSim(model, num_envs, engine, fields, expand)
    from robo_ts.sim.warp import WarpSim

    return WarpSim(model, num_envs, engine, fields, expand)
