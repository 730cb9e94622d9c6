"""A small task with a camera, and what the tests of the viewer share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mujoco
import numpy as np
import torch
from torch import Tensor

from robo_ts.env import ObservationGroup, ObservationSpec, TaskEnv, TaskSpec, Term
from robo_ts.sim import EngineConfig, Range, make_sim
from robo_ts.view.players import FunctionActor, Offer, Player

EYE = ObservationGroup("eye", (Term("pixels", 3 * 6 * 8),), deployable=True, image=(3, 6, 8))
STATE = ObservationGroup("state", (Term("speed", 1, "m/s", "world"),), deployable=True)
HIDDEN = ObservationGroup("hidden", (Term("place", 1, "m", "world"),), deployable=False)


@dataclass
class CartConfig:
    """A cart on a rail; ``bias`` is added to its action."""

    episode_steps: int = 40
    bias: Range = field(default_factory=lambda: Range(-0.2, 0.2))


def cart_model() -> mujoco.MjModel:
    """One body on a slide, and a second one that nothing moves."""
    spec = mujoco.MjSpec()
    spec.option.gravity = [0.0, 0.0, 0.0]
    cart = spec.worldbody.add_body(name="cart")
    cart.add_joint(name="rail", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[1.0, 0.0, 0.0])
    cart.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.1, 0.1, 0.1], mass=2.0, contype=0)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0.0, 0.0], contype=0)
    motor = spec.add_actuator(name="motor", target="rail", trntype=mujoco.mjtTrn.mjTRN_JOINT)
    motor.gear[0] = 20.0
    return spec.compile()


class Cart(TaskEnv):
    """Fails beyond half a metre; succeeds when it is still near at the time limit."""

    name: ClassVar[str] = "cart"
    failure_names: ClassVar[tuple[str, ...]] = ("none", "off the rail")
    kept: ClassVar[tuple[str, ...]] = ("place", "speed", "bias")

    def __init__(
        self,
        config: CartConfig | None = None,
        num_envs: int = 1,
        engine: EngineConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or CartConfig()
        sim = make_sim(cart_model(), num_envs, engine)
        spec = ObservationSpec([STATE, EYE, HIDDEN])
        super().__init__(sim, spec, 1, self.config.episode_steps, 5, seed)
        self.place, self.speed, self.bias = (torch.zeros(num_envs) for _ in range(3))

    def _reset_worlds(self, env_ids: Tensor) -> None:
        self.bias[env_ids] = self.config.bias.sample((len(env_ids),), self.reset_rng)
        start = 0.2 * torch.rand(len(env_ids), generator=self.reset_rng)
        self.sim.reset(env_ids)
        self.sim.write("qpos", start[:, None], env_ids)
        self.place[env_ids], self.speed[env_ids] = start, 0.0

    def _apply_action(self, action: Tensor) -> None:
        self.sim.write("ctrl", action + self.bias[:, None])

    def _after_physics(self) -> None:
        self.place = self.sim.read("qpos")[:, 0].clone()
        self.speed = self.sim.read("qvel")[:, 0].clone()

    def _terminated(self) -> Tensor:
        return self.place.abs() > 0.5

    def _reward(self, terminated: Tensor) -> Tensor:
        return -self.place.abs()

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        rows = slice(None) if env_ids is None else env_ids
        place, speed = self.place[rows], self.speed[rows]
        grey = (255.0 * (0.5 + place)).clamp(1.0, 255.0).to(torch.uint8)
        pixels = grey[:, None, None, None].expand(-1, 3, 6, 8).clone()
        pixels[..., 4:] = 10  # a picture with two halves
        return {"state": speed[:, None].clone(), "eye": pixels, "hidden": place[:, None].clone()}

    def evaluate(self) -> dict[str, Tensor]:
        off = self.place.abs() > 0.5
        return {"success": ~off, "success_ever": ~off, "failure": off.long(), "place_m": self.place}

    def action_contract(self) -> dict[str, Any]:
        return self._unit_actions(["motor"], "force, as a share of 20 N")


def cart_task() -> TaskSpec:
    """The cart as the registry would have it, without a view of its own."""
    groups = {"student": ["state", "eye"], "teacher": ["state", "hidden"]}
    return TaskSpec("cart", "a cart", CartConfig, Cart, groups)


def brake(env: TaskEnv, obs: Any) -> Tensor:
    """Stands still in the middle."""
    return -4.0 * obs["hidden"] - 4.0 * obs["state"]


def player(name: str, act: Callable[[TaskEnv, Any], Tensor], version: str = "") -> Player:
    """A policy made of a function."""
    return Player(
        name,
        "a formula",
        ("state", "hidden"),
        lambda env: FunctionActor(env, act),
        version,
        name == "teacher",
    )


def always(value: float) -> Callable[[TaskEnv, Any], Tensor]:
    """The same action everywhere."""
    return lambda env, obs: torch.full((env.num_envs, env.num_actions), value)


def cart_offer() -> Offer:
    """A student that drives off, and a teacher that stays."""
    players = {"student": player("student", always(1.0)), "teacher": player("teacher", brake)}
    return Offer("cart", None, players)


def poses(session: Any) -> np.ndarray:
    """Where every body of the first lane is, ``(num, nbody, 3)``."""
    return session.snapshot().lanes[0].positions
