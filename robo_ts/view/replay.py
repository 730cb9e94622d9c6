"""A NaN dump as a session: the worlds before they diverged, and what their physics make of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from robo_ts.env.viewing import ViewSpec
from robo_ts.errors import RoboTSError
from robo_ts.sim import load_dump
from robo_ts.view.rollout import Rollout
from robo_ts.view.snapshot import FAILED, RUNNING, LaneView, Snapshot, TermView, WorldView
from robo_ts.view.sources import dump_reason

# Beyond this a number is called diverged; MuJoCo itself warns there (mjMAXVAL).
_HUGE = 1e10


class Replay(Rollout):
    """Worlds of a dump: from the last state known to be finite on, step by step.

    Nobody acts: the controls stay as they were.

    Args:
        folder: the dump.

    Raises:
        RoboTSError: for a damaged dump.
    """

    def __init__(self, folder: Path) -> None:
        self.model, self._arrays = load_dump(folder)
        missing = {"env_ids", "before_qpos", "before_qvel"} - set(self._arrays)
        if missing:
            raise RoboTSError(
                f"a dump with {', '.join(sorted(missing))} in {folder}", "none", "run again"
            )
        # As in the run: what becomes NaN stays to be seen.
        self.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        self.reason = dump_reason(folder)
        self.num_envs = len(self._arrays["env_ids"])
        self.world = self.step_count = self.seed = 0
        self.task_name = folder.name
        self.view, self.parameters, self.chosen = ViewSpec(), {}, {}
        self._data = [mujoco.MjData(self.model) for _ in range(self.num_envs)]
        self.reset()

    @property
    def players(self) -> list[str]:
        """Nobody acts; the reason of the dump stands there instead."""
        return [self.reason]

    @property
    def step_dt(self) -> float:
        """A simulation step, s."""
        return float(self.model.opt.timestep)

    @property
    def over(self) -> bool:
        """Whether every world has diverged."""
        return bool((self._ended != RUNNING).all())

    def reset(self, seed: int | None = None) -> None:
        """Back to the last finite states."""
        del seed
        self.step_count = 0
        self._ended = np.full(self.num_envs, RUNNING, np.int8)
        self._worst = [""] * self.num_envs
        for world, data in enumerate(self._data):
            mujoco.mj_resetData(self.model, data)
            for name, rows in self._arrays.items():
                field = name.removeprefix("before_")
                if name != field and hasattr(data, field):
                    getattr(data, field)[...] = rows[world].reshape(getattr(data, field).shape)
            mujoco.mj_forward(self.model, data)

    def step(self) -> None:
        """One simulation step of the worlds that have not diverged yet; then all begin again."""
        if self.over:
            self.reset()
            return
        for world in np.flatnonzero(self._ended == RUNNING):
            data = self._data[world]
            before = data.qpos.copy()
            with _without_warnings():
                mujoco.mj_step(self.model, data)
            worst = self._diverged(data)
            if worst:
                self._ended[world], self._worst[world] = FAILED, worst
                data.qpos[:] = before  # the last picture that can be drawn
                mujoco.mj_kinematics(self.model, data)
        self.step_count += 1

    def snapshot(self) -> Snapshot:
        """What is to be shown now."""
        lane = LaneView(
            self.players[0],
            f"worlds {', '.join(str(i) for i in self._arrays['env_ids'])} of the run",
            np.stack([data.xpos for data in self._data]).astype(np.float32),
            np.stack([data.xquat for data in self._data]).astype(np.float32),
            np.ones(self.num_envs, np.float32),
            np.zeros((self.num_envs, 0, 3), np.float32),
            self._ended.copy(),
        )
        data = self._data[self.world]
        names = ("qpos", "qvel", "ctrl", "qacc", "qfrc_applied")
        terms = [_term("state", name, getattr(data, name)) for name in names]
        terms += [
            _term("as dumped", name.removeprefix("after_"), rows[self.world])
            for name, rows in self._arrays.items()
            if name.startswith("after_")
        ]
        diverged = self._ended[self.world] != RUNNING
        outcome = f"diverged: {self._worst[self.world]}" if diverged else "still finite"
        return Snapshot(
            self.step_count,
            self.step_count * self.step_dt,
            int(self._arrays["env_ids"][self.world]),
            self.world,
            [lane],
            [WorldView(terms=terms, metrics=self._measures(data), outcome=outcome)],
        )

    def action_names(self) -> list[str]:
        """Names of the controls."""
        return [self.model.actuator(i).name for i in range(self.model.nu)]

    # -- internals ---------------------------------------------------------------------------------

    def _diverged(self, data: mujoco.MjData) -> str:
        """The worst number that is not finite or huge, in words; empty when all is well."""
        for name in ("qpos", "qvel", "qacc"):
            values = getattr(data, name)
            bad = np.flatnonzero(~(np.abs(values) < _HUGE))
            if bad.size:
                index = int(bad[0])
                return f"{name}[{index}] = {values[index]:.3g}{self._owner(name, index)}"
        return ""

    def _owner(self, name: str, index: int) -> str:
        dof = index
        if name == "qpos":
            starts = self.model.jnt_qposadr
            return f" ({self.model.joint(int(np.searchsorted(starts, index, 'right') - 1)).name})"
        return f" ({self.model.joint(int(self.model.dof_jntid[dof])).name})"

    def _measures(self, data: mujoco.MjData) -> dict[str, float]:
        return {
            "greatest speed": float(np.abs(data.qvel).max(initial=0.0)),
            "greatest acceleration": float(np.abs(data.qacc).max(initial=0.0)),
            "contacts": float(data.ncon),
            "kinetic and potential energy": _energy(self.model, data),
        }


@contextmanager
def _without_warnings() -> Iterator[None]:
    """MuJoCo writes a warning at every divergence; here each round ends in one, and the page says
    more about it."""
    mujoco.set_mju_user_warning(lambda text: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(None)


def _energy(model: mujoco.MjModel, data: mujoco.MjData) -> float:
    mujoco.mj_energyPos(model, data)
    mujoco.mj_energyVel(model, data)
    return float(data.energy.sum())


def _term(group: str, name: str, values: Any) -> TermView:
    return TermView(group, name, "", "none", True, True, np.asarray(values, np.float64).ravel())
