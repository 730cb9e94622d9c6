"""A pool of drones: the same few in every world, told by number to teachers only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robo_ts.env import TaskEnv, make_env
from robo_ts.env.pool import POOL, POOL_MEMBER, spread
from robo_ts.envs.quadrotor import TASK, DroneRanges, QuadrotorConfig, QuadrotorTwin
from robo_ts.envs.quadrotor.config import References, SensorRanges
from robo_ts.envs.quadrotor.drones import Pool
from robo_ts.errors import RoboTSError
from robo_ts.policies import PolicyBundle
from robo_ts.sim import EngineConfig, Range

Make = Callable[..., TaskEnv]


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sim.analytic", "envs.quadrotor.twin"):
        monkeypatch.setattr(f"robo_ts.{module}.compiled", lambda function, *_, **__: function)


def ranges(pool: int = 3, **changes: object) -> DroneRanges:
    return DroneRanges(pool=pool, pool_seed=5, **changes)  # type: ignore[arg-type]


def twin(num_envs: int = 6, **changes: object) -> QuadrotorTwin:
    config = QuadrotorConfig(
        episode_steps=8,
        drones=ranges(),
        references=References(langevin=1.0),
        sensors=SensorRanges(noise=Range(1.0, 1.0)),
    )
    return QuadrotorTwin(config, num_envs, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["cpu", "analytic"])
def test_every_world_flies_the_drone_it_tells(engine: str) -> None:
    config = QuadrotorConfig(episode_steps=8, drones=ranges())
    env = make_env("quadrotor", 7, config, EngineConfig(name=engine, threads=1), seed=2)
    pool = Pool(config.drones).drones
    for _ in range(3):
        obs = env.reset()
        index = obs[POOL][:, 0].long()
        assert set(index.tolist()) == {0, 1, 2}
        told = obs["privileged"]
        where = env.spec["privileged"].slices()
        for name, wanted in (
            ("thrust_to_weight", pool.thrust_to_weight),
            ("rise_time", pool.rise_time),
            ("hover_action", pool.hover_action),
        ):
            assert torch.allclose(told[:, where[name]][:, 0], wanted[index])
        assert torch.equal(env.evaluate()[POOL_MEMBER], index)
        mass = env.sim.read("body_mass")[:, -1] if engine == "cpu" else env.mass  # type: ignore[attr-defined]
        assert torch.allclose(mass.float(), pool.mass[index])
    env.close()


def test_each_episode_has_a_disturbance_of_its_own(make_quadrotor: Make) -> None:
    env = make_quadrotor(4, drones=ranges(2, disturbance_torque=0.1))
    where = env.spec["privileged"].slices()
    seen = [env.reset()["privileged"] for _ in range(2)]
    for name in ("disturbance", "disturbance_torque"):
        first, second = (obs[:, where[name]] for obs in seen)
        assert (first != second).all() and not torch.equal(first[0], first[1])
    assert torch.equal(*(obs[:, where["mass"]] for obs in seen))


def test_a_reset_of_some_worlds_leaves_the_others_with_their_drones(make_quadrotor: Make) -> None:
    env = make_quadrotor(5, drones=ranges(2))
    before = env.observe()[POOL].clone()
    told = env.observe()["privileged"].clone()
    env.reset(env_ids=[2])
    after = env.observe()
    others = [0, 1, 3, 4]
    assert torch.equal(after[POOL][others], before[others])
    assert torch.equal(after["privileged"][others], told[others])
    assert not torch.equal(after["privileged"][2], told[2])


def test_the_same_declaration_gives_the_same_drones_and_another_seed_others() -> None:
    one, again = Pool(ranges()).drones, Pool(ranges()).drones
    other = Pool(DroneRanges(pool=3, pool_seed=6)).drones
    assert torch.equal(one.mass, again.mass) and torch.equal(one.curve, again.curve)
    assert not torch.equal(one.mass, other.mass)


@pytest.mark.parametrize(("num_envs", "size"), [(12, 4), (10, 4), (3, 7), (1, 5)])
def test_robots_are_spread_evenly_and_each_has_its_turn(num_envs: int, size: int) -> None:
    rng = torch.Generator().manual_seed(0)
    worlds = torch.arange(num_envs)
    drawn = torch.stack(
        [spread(worlds, num_envs, size, torch.rand(num_envs, generator=rng)) for _ in range(200)]
    )
    assert (drawn.diff(dim=1) >= 0).all() and set(drawn.unique().tolist()) == set(range(size))
    if num_envs % size == 0:
        assert torch.equal(drawn, (worlds * size // num_envs).expand(200, -1))


def test_some_of_the_pools_worlds_are_what_they_are_among_all() -> None:
    whole, part = twin(12, seed=4), twin(12, seed=4, members=[0, 2])
    mine = part.pooled.columns  # type: ignore[union-attr]
    assert mine.tolist() == [0, 1, 2, 3, 8, 9, 10, 11] and part.num_envs == 8
    for _ in range(4):
        for name in ("state", "parameters", "constants"):
            assert torch.equal(getattr(part, name), getattr(whole, name)[:, mine])
        assert torch.equal(part.episode_step, whole.episode_step[mine])
        for one in (whole, part):
            worlds, _ = one.advance(one.worlds, torch.zeros(4, one.num_envs), one.draw())
            worlds, _ = one.advance(worlds, torch.zeros(4, one.num_envs), one.draw())
            one.next_window(worlds, 2)
    told, index = (one.observation(one.worlds)[POOL] for one in (whole, part))
    assert torch.equal(told[:, mine], index)


def test_the_twin_and_the_task_have_the_same_pool() -> None:
    one = twin()
    constants = one.constants[1].view(3, 2)
    assert torch.allclose(constants[:, 0], Pool(ranges()).drones.thrust_to_weight)
    assert torch.equal(constants[:, 0], constants[:, 1])


def test_without_a_pool_nothing_is_told_and_committed_bundles_fit(make_quadrotor: Make) -> None:
    env = make_quadrotor(2)
    assert list(env.spec) == ["proprioception", "privileged"]
    assert POOL_MEMBER not in env.evaluate()
    assert env.spec["privileged"].size == 52
    pooled = make_quadrotor(2, drones=ranges(2))
    folder = Path(__file__).parents[2] / "artifacts" / "quadrotor"
    for name in ("teacher", "student"):
        bundle = PolicyBundle.load(folder / name)
        for one in (env, pooled):
            bundle.check_fits("quadrotor", one.spec, 4)


def test_no_student_reads_the_pool(make_quadrotor: Make) -> None:
    env = make_quadrotor(2, drones=ranges(2))
    assert env.spec.privileged() == ["privileged", POOL]
    assert POOL not in TASK.obs_groups["student"]


def test_a_vehicle_beside_a_pool_is_refused() -> None:
    with pytest.raises(RoboTSError, match="a vehicle or a pool"):
        QuadrotorConfig(vehicle="crazyflie", drones=ranges())
    with pytest.raises(RoboTSError, match=r"drones.pool >= 0"):
        DroneRanges(pool=-1)
