"""The analytic engine: closed forms, MuJoCo beside it, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable

import mujoco
import pytest
import torch

from robo_ts.env import TaskEnv, make_env
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.envs.quadrotor.config import AirRanges, References, SensorRanges
from robo_ts.envs.quadrotor.model import EXPANDED_FIELDS, build_model
from robo_ts.errors import RoboTSError, SimulationDiverged
from robo_ts.sim import EngineConfig, NanGuardConfig, Range, make_sim, rigid
from robo_ts.sim.rigid import Body, rk4_step

ANALYTIC = EngineConfig(name="analytic")


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than these tests; one below does it."""
    monkeypatch.setattr("robo_ts.sim.analytic.compiled", lambda function, *_, **__: function)


def body(num: int = 1, **fields: list[float]) -> Body:
    def rows(name: str, default: list[float]) -> torch.Tensor:
        return torch.tensor(fields.get(name, default)).double()[:, None].expand(-1, num)

    still = [0.0] * 3
    return Body(
        rows("position", still),
        rows("quaternion", [1.0, 0.0, 0.0, 0.0]),
        rows("velocity", still),
        rows("rate", still),
    )


def run(state: Body, steps: int, lift=0.0, force=(0, 0, 0), torque=(0, 0, 0), inertia=(1, 1, 1)):
    jx, jy, jz = inertia
    column = lambda x: torch.tensor(x).double()[:, None]  # noqa: E731
    coupling = column([(jz - jy) / jx, (jx - jz) / jy, (jy - jx) / jz])
    for _ in range(steps):
        new = rk4_step(
            state, torch.tensor([lift]).double(), column(force), column(torque), coupling, 0.01
        )
        parts = (new[:3], new[3:7], new[7:10], new[10:])
        state = Body(*(torch.stack(part) for part in parts))
    return state


def test_a_thrown_body_flies_a_parabola() -> None:
    end = run(body(velocity=[1.0, 0.0, 2.0]), 100)
    assert end.position[:, 0].tolist() == pytest.approx([1.0, 0.0, 2.0 - 0.5 * 9.81], abs=1e-9)


def test_a_level_body_rises_by_its_spare_lift() -> None:
    end = run(body(), 100, lift=12.0, force=(0.5, 0.0, 0.0))
    assert end.position[:, 0].tolist() == pytest.approx([0.25, 0.0, 0.5 * 2.19], abs=1e-9)


def test_a_steady_spin_turns_by_its_angle() -> None:
    end = run(body(rate=[0.0, 0.0, 1.0]), 100)
    half = 0.5
    wanted = [math.cos(half), 0.0, 0.0, math.sin(half)]
    assert end.quaternion[:, 0].tolist() == pytest.approx(wanted, abs=1e-9)


def test_a_free_top_keeps_energy_and_momentum() -> None:
    inertia = (1.0, 1.3, 1.9)
    j = torch.tensor(inertia).double()[:, None]
    start = body(rate=[2.0, 3.0, -1.0])

    def kept(state: Body) -> tuple[float, torch.Tensor]:
        momentum = j * state.rate
        matrix = torch.stack(rigid.rotation(state.quaternion)).reshape(3, 3)
        return float((momentum * state.rate).sum()), matrix @ momentum[:, 0]

    end = run(start, 300, inertia=inertia)
    energy, momentum = kept(start)
    later, turned = kept(end)
    assert later == pytest.approx(energy, rel=1e-7)
    assert torch.allclose(turned, momentum, atol=1e-6)


def test_gradients_are_those_of_small_differences() -> None:
    state = body(rate=[1.0, 0.5, -0.3], velocity=[0.2, 0.0, 0.1])

    def height(torque: torch.Tensor) -> torch.Tensor:
        now = state
        for _ in range(20):
            new = rk4_step(
                now,
                torch.tensor([11.0]).double(),
                torch.zeros(3, 1).double(),
                torque,
                torch.full((3, 1), 0.4).double(),
                0.01,
            )
            now = Body(*(torch.stack(p) for p in (new[:3], new[3:7], new[7:10], new[10:])))
        return now.position.sum()

    point = torch.tensor([[1.0], [-2.0], [0.5]]).double().requires_grad_()
    assert torch.autograd.gradcheck(height, (point,))


def everything() -> QuadrotorConfig:
    """Every feature at once, and no end but the time's."""
    unit, delay = Range(0.0, 1.0), Range(0.0, 0.02)
    config = QuadrotorConfig(
        air=AirRanges(Range(0.0, 0.5), Range(0.0, 2.0), kick=Range(0.0, 0.3)),
        sensors=SensorRanges(unit, unit, delay, delay),
        references=References(0.3, 0.3, 0.3),
        limit_arms=1e9,
        limit_velocity=1e9,
        limit_angular_velocity=1e9,
    )
    config.drones.sag = Range(0.0, 0.1)
    config.drones.disturbance_torque = 0.02
    return config


# Greatest difference of any observation after so many steps; a fifth of it was measured.
PARITY = {1: 3e-6, 10: 2e-5, 50: 1e-3}


@pytest.mark.parametrize("engine", ["cpu", "warp"])
@pytest.mark.parametrize("make", [QuadrotorConfig, everything])
def test_the_quadrotor_flies_as_in_mujoco(engine: str, make: Callable[[], QuadrotorConfig]) -> None:
    config = make()
    config.limit_arms = config.limit_velocity = config.limit_angular_velocity = 1e9
    num = 32
    engines = (EngineConfig(name=engine, threads=1), ANALYTIC)
    one, two = (make_env("quadrotor", num, config, e, seed=0) for e in engines)
    assert torch.equal(one.reset()["privileged"], two.reset()["privileged"])
    where = one.spec["privileged"].slices()["hover_action"]
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 51):
        hover = one.observe()["privileged"][:, where].expand(-1, 4)
        action = hover + 0.2 * torch.randn(num, 4, generator=generator)
        first, second = one.step(action).obs, two.step(action).obs
        if step in PARITY:
            for name in first.keys():  # noqa: SIM118
                assert float((first[name] - second[name]).abs().max()) < PARITY[step]
    one.close()
    two.close()


def test_compiled_formulas_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = make_env("quadrotor", 16, engine=ANALYTIC, seed=0)
    monkeypatch.undo()
    fast = make_env("quadrotor", 16, engine=ANALYTIC, seed=0)
    for env in (plain, fast):
        env.reset()
    for _ in range(3):
        action = 2.0 * torch.rand(16, 4) - 1.0
        one, two = plain.step(action), fast.step(action)
        assert torch.allclose(one.obs["privileged"], two.obs["privileged"], atol=1e-6)


def test_a_world_comes_out_as_plain_mujoco_with_its_own_drone() -> None:
    env: TaskEnv = make_env("quadrotor", 3, engine=ANALYTIC, seed=0)
    env.reset()
    model, data = env.sim.world(1)
    assert model.body_mass[1] == pytest.approx(float(env.sim.read("body_mass")[1, 1]), rel=1e-6)
    assert data.qpos.tolist() == pytest.approx(env.sim.read("qpos")[1].tolist(), rel=1e-6)


def test_state_is_saved_and_restored() -> None:
    sim = make_sim(build_model(), 4, ANALYTIC, expand=EXPANDED_FIELDS)
    sim.write("qvel", torch.randn(4, 6))
    sim.write("ctrl", torch.rand(4, 4))
    saved = sim.state_dict()
    sim.step(5)
    wanted = sim.read("qpos")
    other = make_sim(build_model(), 4, ANALYTIC, expand=EXPANDED_FIELDS)
    other.load_state_dict(saved)
    other.step(5)
    assert torch.equal(other.read("qpos"), wanted)


def test_a_world_that_is_not_finite_is_dumped(tmp_path) -> None:
    guard = NanGuardConfig(dump_dir=str(tmp_path))
    sim = make_sim(build_model(), 4, EngineConfig(name="analytic", nan_guard=guard))
    speed = sim.read("qvel")
    speed[2, 0] = float("nan")
    sim.write("qvel", speed)
    with pytest.raises(SimulationDiverged, match="1 worlds"):
        sim.step()
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("xml", "missing"),
    [
        ("<body><joint type='hinge'/><geom size='1'/></body>", "one free body"),
        ("<body><freejoint/><geom size='1'/></body>", "without contacts"),
    ],
)
def test_models_it_cannot_simulate_are_refused(xml: str, missing: str) -> None:
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{xml}</worldbody></mujoco>")
    with pytest.raises(RoboTSError, match=missing):
        make_sim(model, 1, ANALYTIC)


def test_unknown_fields_are_named() -> None:
    sim = make_sim(build_model(), 1, ANALYTIC)
    with pytest.raises(RoboTSError, match="qpos"):
        sim.read("qposs")
    with pytest.raises(RoboTSError, match="expand"):
        sim.write("body_mass", torch.ones(1, 2))
