"""The analytic engine: one free rigid body with rotors per world, as formulas in torch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import mujoco
import torch
from torch import Tensor

from robo_ts.compiling import compiled
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.sim.api import EngineConfig
from robo_ts.sim.nan_guard import raise_diverged
from robo_ts.sim.rigid import GRAVITY, Body, rk4_step

_STATE = ("qpos", "qvel", "ctrl", "qfrc_applied")
_MODEL = ("body_mass", "body_inertia", "site_pos", "actuator_gear")


class AnalyticSim:
    """Free rigid bodies under site motors. See :class:`robo_ts.sim.api.BatchSim` for the contract.

    Its Runge-Kutta step is MuJoCo's, up to float32, for what it can simulate: one free body, no
    contacts, no drag, motors on sites whose forces and torques act along the body's z axis.

    Raises:
        RoboTSError: for any other model.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        engine: EngineConfig,
        fields: Sequence[str] = (),
        expand: Sequence[str] = (),
    ) -> None:
        _check(model)
        self.model, self.num_envs = model, num_envs
        self.device = torch.device(engine.resolved_device())
        self.dt = float(model.opt.timestep)
        self._guard, self._steps = engine.nan_guard, 0
        shapes = {"qpos": (7,), "qvel": (6,), "ctrl": (model.nu,), "qfrc_applied": (6,)}
        self._fields = {n: torch.zeros(num_envs, *s, device=self.device) for n, s in shapes.items()}
        for name in _MODEL:
            value = torch.as_tensor(getattr(model, name), dtype=torch.float32, device=self.device)
            self._fields[name] = value.expand(num_envs, *value.shape).clone()
        self._expanded = set(expand)
        for name in [*fields, *expand]:
            self.read(name)
        self._move = compiled(self._formulas, self.device, gradients=False)
        self._sites = torch.as_tensor(model.actuator_trnid[:, 0], device=self.device).long()
        self.reset()
        self.set_const()

    # -- fields ------------------------------------------------------------------------------------

    def read(self, field: str) -> Tensor:
        if field not in self._fields:
            known = [*_STATE, *_MODEL]
            raise RoboTSError(
                "a field of the analytic engine", repr(field), did_you_mean(field, known)
            )
        return self._fields[field].clone()

    def write(self, field: str, value: Tensor, env_ids: Tensor | None = None) -> None:
        if field in _MODEL and field not in self._expanded:
            raise RoboTSError(
                "a state field or an expanded model field", repr(field), "expand() it first"
            )
        self.read(field)
        self._fields[field][slice(None) if env_ids is None else env_ids] = value.to(self.device)

    def expand(self, model_field: str) -> None:
        if model_field not in _MODEL:
            raise RoboTSError(
                "a model field that can differ between worlds",
                repr(model_field),
                did_you_mean(model_field, _MODEL),
            )
        self._expanded.add(model_field)

    @property
    def expanded(self) -> tuple[str, ...]:
        return tuple(sorted(self._expanded))

    def set_const(self, env_ids: Tensor | None = None) -> None:
        f, sites = self._fields, self._sites
        mass, inertia = f["body_mass"][:, 1], f["body_inertia"][:, 1].t()
        gear = f["actuator_gear"].permute(2, 1, 0)
        x, y = f["site_pos"][:, sites, :2].permute(2, 1, 0)
        jx, jy, jz = inertia
        # Specific force and angular acceleration per unit of control, (4, motors, num).
        self._mixer = torch.stack(
            [gear[2] / mass, y * gear[2] / jx, -x * gear[2] / jy, gear[5] / jz]
        ).contiguous()
        self._coupling = torch.stack([(jz - jy) / jx, (jx - jz) / jy, (jy - jx) / jz])
        self._inverse = torch.cat([(1.0 / mass).expand(3, -1), 1.0 / inertia])

    # -- time --------------------------------------------------------------------------------------

    def step(self, substeps: int = 1) -> None:
        f = self._fields
        before = {name: f[name] for name in _STATE}
        for _ in range(substeps):
            f["qpos"], f["qvel"] = self._move(
                f["qpos"],
                f["qvel"],
                f["ctrl"],
                f["qfrc_applied"],
                self._mixer,
                self._inverse,
                self._coupling,
            )
        self._steps += 1
        often = 1 if self.device.type == "cpu" else self._guard.every
        if self._guard.enabled and self._steps % often == 0:
            self._look(before)

    def _formulas(
        self,
        qpos: Tensor,
        qvel: Tensor,
        ctrl: Tensor,
        applied: Tensor,
        mixer: Tensor,
        inverse: Tensor,
        coupling: Tensor,
    ) -> tuple[Tensor, Tensor]:
        pose, speed = qpos.t(), qvel.t()
        lift, *torque = (mixer * ctrl.t()).sum(dim=1)
        other = applied.t() * inverse
        torque = torch.stack(torque) + other[3:]
        body = Body(pose[:3], pose[3:], speed[:3], speed[3:])
        new = rk4_step(body, lift, other[:3], torque, coupling, self.dt)
        return torch.stack(new[:7], dim=-1), torch.stack(new[7:], dim=-1)

    def forward(self, env_ids: Tensor | None = None) -> None:
        """Nothing: there are no derived fields."""

    def reset(self, env_ids: Tensor | None = None) -> None:
        ids = slice(None) if env_ids is None else env_ids
        for name in _STATE:
            self._fields[name][ids] = 0.0
        self._fields["qpos"][ids] = torch.as_tensor(
            self.model.qpos0, dtype=torch.float32, device=self.device
        )

    # -- persistence -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        names = [*_STATE, *sorted(self._expanded)]
        return {"fields": {name: self._fields[name].cpu().clone() for name in names}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state["fields"].items():
            if name in _MODEL:
                self.expand(name)
            self._fields[name] = value.to(self.device, copy=True)
        self.set_const()

    def world(self, env_id: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        one = copy.copy(self.model)
        for name in _MODEL:
            getattr(one, name)[...] = self._fields[name][env_id].cpu().numpy()
        data = mujoco.MjData(one)
        mujoco.mj_setConst(one, data)
        mujoco.mj_resetData(one, data)
        for name in _STATE:
            getattr(data, name)[...] = self._fields[name][env_id].cpu().numpy()
        mujoco.mj_forward(one, data)
        return one, data

    def close(self) -> None:
        self._fields.clear()

    def _look(self, before: dict[str, Tensor]) -> None:
        bad = ~torch.isfinite(self._fields["qpos"]).all(dim=1)
        if bool(bad.any()):
            after = {name: self._fields[name].cpu().numpy() for name in _STATE}
            raise_diverged(
                self._guard,
                self.model,
                torch.nonzero(bad).flatten().cpu().numpy(),
                {name: value.cpu().numpy() for name, value in before.items()},
                after,
                "a position is not finite",
            )


def _check(model: mujoco.MjModel) -> None:
    """Only what the formulas hold for."""
    free = model.nq == 7 and model.nbody == 2 and not model.ntendon and not model.neq
    if not free or model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
        found = f"{model.nbody - 1} bodies, {model.nq} position coordinates"
        raise _unfit("a model of one free body", found)
    if not model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT):
        raise _unfit("a model without contacts and limits (flag constraint disable)", "one with")
    if abs(float(model.opt.gravity[2]) + GRAVITY) > 1e-9 or model.opt.gravity[:2].any():
        raise _unfit(f"gravity 0 0 -{GRAVITY}", str(model.opt.gravity))
    if model.opt.integrator != mujoco.mjtIntegrator.mjINT_RK4:
        raise _unfit("integrator RK4", str(mujoco.mjtIntegrator(model.opt.integrator).name))
    gear = model.actuator_gear
    if (model.actuator_trntype != mujoco.mjtTrn.mjTRN_SITE).any() or gear[:, [0, 1, 3, 4]].any():
        raise _unfit("motors on sites that push and twist along z", "other actuators")
    turned = abs(model.site_quat[:, 0] - 1.0).max(initial=0.0) > 1e-9
    if turned or model.body_ipos[1].any() or abs(model.body_iquat[1, 0] - 1.0) > 1e-9:
        raise _unfit("sites and inertia aligned with the body, mass at its origin", "others")


def _unfit(expected: str, found: str) -> RoboTSError:
    return RoboTSError(
        f"{expected} for the analytic engine", found, "use engine=cpu or engine=warp"
    )
