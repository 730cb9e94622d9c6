"""The quadrotor in MuJoCo against an independent twin, and the task's own rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from robo_ts.env import TaskEnv, get_task, make_env
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.envs.quadrotor.config import (
    AirRanges,
    DroneRanges,
    References,
    RewardWeights,
    SensorRanges,
    StartRanges,
)
from robo_ts.envs.quadrotor.task import hover
from robo_ts.errors import RoboTSError
from robo_ts.sim import EngineConfig, Range

MakeEnv = Callable[..., TaskEnv]
ENDLESS: dict[str, Any] = {
    "episode_steps": 500,
    "limit_arms": 1e9,
    "limit_velocity": 1e9,
    "limit_angular_velocity": 1e9,
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def term(env: TaskEnv, name: str) -> torch.Tensor:
    obs = env.observe()
    for group in env.spec.values():
        if name in group.slices():
            return obs[group.name][:, group.slices()[name]]
    raise KeyError(name)


# -- the twin: RAPTOR's equations of motion, written from the paper's code, in float64 -------------


@dataclass
class Twin:
    """Drones as section 1 of the reference has them; every array has one row per drone."""

    mass: np.ndarray
    inertia: np.ndarray
    rotors: np.ndarray  # (n, 4, 3)
    thrust: np.ndarray  # (n, 3) polynomial
    torque_constant: np.ndarray
    rise: np.ndarray
    fall: np.ndarray
    push: np.ndarray  # (n, 3) m/s^2

    def rate(self, state: np.ndarray, set_point: np.ndarray) -> np.ndarray:
        """Time derivative of (position, quaternion, velocity, body rate, rotor speed)."""
        q, v, w, speed = state[:, 3:7], state[:, 7:10], state[:, 10:13], state[:, 13:17]
        tau = np.where(set_point >= speed, self.rise[:, None], self.fall[:, None])
        c0, c1, c2 = self.thrust.T[:, :, None]
        force = c0 + c1 * speed + c2 * speed**2
        up = np.zeros((*force.shape, 3))
        up[..., 2] = force
        torque = np.cross(self.rotors, up).sum(axis=1)
        torque[:, 2] += (np.array([-1, 1, -1, 1]) * self.torque_constant[:, None] * force).sum(1)
        lift = rotate(q, np.stack([0 * self.mass, 0 * self.mass, force.sum(1)], 1))
        acceleration = lift / self.mass[:, None] + [0, 0, -9.81] + self.push
        spin = (torque - np.cross(w, self.inertia * w)) / self.inertia
        turn = 0.5 * multiply(q, np.concatenate([np.zeros((len(w), 1)), w], axis=1))
        return np.concatenate([v, turn, acceleration, spin, (set_point - speed) / tau], axis=1)

    def step(self, state: np.ndarray, action: np.ndarray, pieces: int = 10) -> np.ndarray:
        """10 ms of constant set point, in ``pieces`` Runge-Kutta steps."""
        set_point = (np.clip(action, -1, 1) + 1) / 2
        h = 0.01 / pieces
        for _ in range(pieces):
            a = self.rate(state, set_point)
            b = self.rate(state + h / 2 * a, set_point)
            c = self.rate(state + h / 2 * b, set_point)
            d = self.rate(state + h * c, set_point)
            state = state + h / 6 * (a + 2 * b + 2 * c + d)
            state[:, 3:7] /= np.linalg.norm(state[:, 3:7], axis=1, keepdims=True)
        return state


def multiply(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    w = p[:, 0] * q[:, 0] - (p[:, 1:] * q[:, 1:]).sum(axis=1)
    v = p[:, :1] * q[:, 1:] + q[:, :1] * p[:, 1:] + np.cross(p[:, 1:], q[:, 1:])
    return np.concatenate([w[:, None], v], axis=1)


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    t = 2 * np.cross(q[:, 1:], v)
    return v + q[:, :1] * t + np.cross(q[:, 1:], t)


def twin_of(env: TaskEnv) -> Twin:
    """From what the task says about its drones, by the laws of the reference."""

    def told(name: str) -> np.ndarray:
        return term(env, name).double().numpy().squeeze(-1)

    mass, t2w, x = np.exp(told("mass")), told("thrust_to_weight"), told("arm") / math.sqrt(2)
    greatest = t2w * mass * 9.81 / 4
    crazyflie = np.array([0.003525, 0.014373, 0.09223])
    roll = math.sqrt(2) * x * greatest / np.exp(told("torque_to_inertia"))
    ratio = np.array([9.4166e-6, 9.6441e-6, 1.7460e-5]) / 9.4166e-6
    signs = np.array([[1, -1, 0], [-1, -1, 0], [-1, 1, 0], [1, 1, 0]])
    return Twin(
        mass=mass,
        inertia=roll[:, None] * ratio,
        rotors=x[:, None, None] * signs,
        thrust=greatest[:, None] * crazyflie / crazyflie.sum(),
        torque_constant=told("torque_constant"),
        rise=told("rise_time"),
        fall=told("fall_time"),
        push=term(env, "disturbance").double().numpy(),
    )


def state_of(env: TaskEnv) -> np.ndarray:
    speed = (term(env, "rotor_speed") + 1) / 2
    parts = (env.sim.read("qpos"), env.sim.read("qvel"), speed)
    return torch.cat(parts, dim=1).double().numpy()


# How far the task may be from the twin after random flights of so many steps, position of all and
# of the median in m, rotation of the median in rad; about a third of each was measured. What is
# left is the thrust, which the task holds at its exact mean over a control step while the twin's
# changes within it. Tumbling drones part from their twin exponentially, so the last row judges
# the median only.
LIMITS = {10: (5e-4, 1.5e-4, 2e-3), 50: (1e-2, 1e-3, 5e-3), 100: (math.inf, 4e-3, 8e-3)}


def fly_beside_the_twin(env: TaskEnv, limits: dict[int, tuple[float, float, float]]) -> None:
    twin, state = twin_of(env), state_of(env)
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 101):
        action = 2.4 * torch.rand(env.num_envs, 4, generator=generator) - 1.2
        env.step(action)
        state = twin.step(state, action.double().numpy())
        # The motors do not depend on the integrator at all.
        rotors = (term(env, "rotor_speed").double().numpy() + 1) / 2
        assert np.abs(rotors - state[:, 13:]).max() < 2e-6
        if step in limits:
            found = state_of(env)
            away = np.linalg.norm(found[:, :3] - state[:, :3], axis=1)
            cosine = np.abs((found[:, 3:7] * state[:, 3:7]).sum(axis=1)).clip(0, 1)
            turned = 2 * np.arccos(cosine)
            farthest, usual, rotation = limits[step]
            assert away.max() < farthest
            assert np.median(away) < usual
            assert np.median(turned) < rotation


def test_random_flights_follow_an_independent_twin(make_quadrotor: MakeEnv) -> None:
    fly_beside_the_twin(make_quadrotor(num_envs=64, **ENDLESS), LIMITS)


# -- observations ----------------------------------------------------------------------------------


def test_control_runs_at_100_hz(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor()
    assert env.step_dt == pytest.approx(0.01)
    assert env.action_contract()["rate_hz"] == pytest.approx(100.0)
    before = env.sim.read("time")
    env.step(torch.zeros(4, 4))
    assert torch.allclose(env.sim.read("time") - before, torch.full((4,), 0.01))


def test_sensors_read_the_simulations_state(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=8, references=References(langevin=0.0), **ENDLESS)
    action = torch.zeros(8, 4)
    for _ in range(10):
        action = 2.4 * torch.rand(8, 4) - 1.2
        env.step(action)
    qpos, qvel = env.sim.read("qpos"), env.sim.read("qvel")
    assert torch.equal(term(env, "position_error"), qpos[:, :3])
    assert torch.equal(term(env, "velocity_error"), qvel[:, :3])
    assert torch.equal(term(env, "angular_velocity"), qvel[:, 3:])
    assert torch.equal(term(env, "previous_action"), action)  # as emitted, not clipped
    rotation = term(env, "rotation").reshape(8, 3, 3).double().numpy()
    for axis in np.eye(3):
        rotated = rotate(qpos[:, 3:].double().numpy(), np.tile(axis, (8, 1)))
        assert np.allclose(rotation @ axis, rotated, atol=1e-6)


def test_actions_beyond_one_are_clipped_by_the_motors(make_quadrotor: MakeEnv) -> None:
    one, two = make_quadrotor(num_envs=4, **ENDLESS), make_quadrotor(num_envs=4, **ENDLESS)
    wild = torch.tensor([[5.0, -5.0, 1.5, -1.5]]).expand(4, 4)
    for _ in range(5):
        one.step(wild)
        two.step(wild.clamp(-1.0, 1.0))
    assert torch.equal(one.sim.read("qpos"), two.sim.read("qpos"))


def test_half_of_the_episodes_follow_a_moving_reference(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=2000)
    share = float(env.evaluate()["moving_reference"].float().mean())
    assert share == pytest.approx(0.5, abs=0.05)


def test_errors_are_measured_to_the_moving_reference(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=16, references=References(langevin=1.0), **ENDLESS)
    assert torch.equal(term(env, "position_error"), env.sim.read("qpos")[:, :3])  # from the origin
    paths = []
    for _ in range(300):
        env.step(torch.zeros(16, 4))
        paths.append(env.sim.read("qpos")[:, :3] - term(env, "position_error"))
    path = torch.stack(paths)
    speed = env.sim.read("qvel")[:, :3] - term(env, "velocity_error")
    assert path[-1].norm(dim=1).max() > 0.02  # it does move,
    jumps = (path[1:] - path[:-1]).norm(dim=-1)
    assert jumps.max() < 0.01 + 1e-3  # smoothly, slower than 1 m/s,
    # and its velocity is what its position does (read through a far-off drone: float32 noise).
    slope = (path[-1] - path[-2]) / 0.01
    noise = 4e-7 * env.sim.read("qpos")[:, :3].abs().max() / 0.01
    assert (slope - speed).abs().max() < 1e-3 + noise


def test_the_same_path_is_flown_whatever_the_policy_does(make_quadrotor: MakeEnv) -> None:
    one, two = (
        make_quadrotor(num_envs=8, references=References(langevin=1.0), **ENDLESS) for _ in range(2)
    )
    for _ in range(30):
        one.step(torch.zeros(8, 4))
        two.step(torch.rand(8, 4))
    for env in (one, two):
        assert env.episode_step.eq(30).all()
    first, second = (e.sim.read("qpos")[:, :3] - term(e, "position_error") for e in (one, two))
    assert torch.allclose(first, second, atol=1e-5)


# -- reward ----------------------------------------------------------------------------------------


def test_reward_is_raptors_formula(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=64, episode_steps=500)
    previous = term(env, "previous_action")
    ended = 0
    for _ in range(60):
        action = term(env, "hover_action") + 0.3 * torch.randn(64, 4)
        step = env.step(action)
        seen = step.obs["proprioception"].clone()
        if len(step.info["final_ids"]):
            seen[step.info["final_ids"]] = step.info["final_obs"]["proprioception"]
        where = env.spec["proprioception"].slices()
        distance = seen[:, where["position_error"]].double().norm(dim=1)
        # |q_z| from the rotation matrix, by whichever of two formulas is well conditioned.
        r = seen[:, where["rotation"]].double()
        q_w = (0.25 * (1 + r[:, 0] + r[:, 4] + r[:, 8])).clamp_min(0).sqrt()
        by_w = ((r[:, 3] - r[:, 1]) / (4 * q_w)).abs()
        by_itself = (0.25 * (1 - r[:, 0] - r[:, 4] + r[:, 8])).clamp_min(0).sqrt()
        q_z = torch.where(q_w > 0.3, by_w, by_itself)
        change = (action - previous).double().norm(dim=1)
        wanted = 1.5 - distance - 0.1 * 2 * torch.acos(1 - q_z) - change
        wanted -= 100.0 * step.terminated
        assert (step.reward - wanted).abs().max() < 5e-4  # acos is steep there
        previous = term(env, "previous_action")
        ended += int(step.terminated.sum())
    assert ended > 10


def test_optional_reward_terms_and_scale(make_quadrotor: MakeEnv) -> None:
    weights = RewardWeights(speeding=0.5, saturation=2.0, scale=0.1)
    rewards = []
    for reward in (RewardWeights(), weights):
        env = make_quadrotor(num_envs=1, references=References(langevin=0.0), reward=reward)
        put(env, velocity=[1.9, 0.0, -0.5])
        rewards.append(env.step(torch.full((1, 4), 1.25)).reward)
        speeds = env.sim.read("qvel")[:, :3].abs()
    excess = float((speeds - 0.8 * 2.0).clamp_min(0.0).sum())
    assert excess == pytest.approx(0.3, abs=0.05)
    wanted = 0.1 * (rewards[0] - 0.5 * excess - 2.0 * 4 * 0.25)
    assert torch.allclose(rewards[1], wanted, atol=1e-5)


# -- ends of episodes, success ---------------------------------------------------------------------


def put(env: TaskEnv, **fields: list[float]) -> None:
    """World 0 at rest, level, in the origin, with its rotors at hover, but for the given fields."""
    speed = (term(env, "hover_action")[:1] + 1) / 2
    state = env.flight.state  # type: ignore[attr-defined]
    env.state[state.slice("rotor"), :1] = speed  # type: ignore[attr-defined]
    qpos = torch.tensor([[*fields.get("position", [0.0] * 3), 1.0, 0.0, 0.0, 0.0]])
    qvel = torch.tensor([fields.get("velocity", [0.0] * 3) + fields.get("rate", [0.0] * 3)])
    env.sim.write("qpos", qpos, torch.tensor([0]))
    env.sim.write("qvel", qvel, torch.tensor([0]))


def calm(env: TaskEnv) -> None:
    """No disturbance in any world."""
    where = env.flight.parameters.slice("force")  # type: ignore[attr-defined]
    env.parameters[where] = 0.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fields", "failure"),
    [
        ({}, None),
        ({"position": [0.0, -19.5, 0.0]}, None),
        ({"position": [0.0, -20.5, 0.0]}, "too far"),
        ({"velocity": [0.0, 1.9, 0.0]}, None),
        ({"velocity": [-2.1, 0.0, 0.0]}, "too fast"),
        ({"rate": [0.0, 0.0, 34.0]}, None),
        ({"rate": [0.0, 0.0, 36.0]}, "tumbling"),
        ({"position": [0.0, 0.0, 21.0], "velocity": [0.0, 0.0, 3.0]}, "too fast"),
    ],
)
def test_limits_end_the_episode_and_name_the_failure(
    fields: dict[str, list[float]], failure: str | None, make_quadrotor: MakeEnv
) -> None:
    env = make_quadrotor(num_envs=1, episode_steps=500, references=References(langevin=0.0))
    arm = float(term(env, "arm"))
    given = dict(fields)
    if "position" in given:  # in arm lengths
        given["position"] = [arm * x for x in given["position"]]
    put(env, **given)
    step = env.step(term(env, "hover_action").expand(1, 4).clone())
    assert bool(step.terminated) == (failure is not None)
    assert not step.truncated
    if failure is not None:
        code = int(step.info["episode"]["failure"])
        assert env.failure_names[code] == failure
        assert not step.info["episode"]["success"]
        assert float(step.reward) < -90.0


def steady(env: TaskEnv, action: torch.Tensor) -> dict[str, Any]:
    """The evaluation of the single episode that ends last."""
    for _ in range(env.max_episode_steps - 1):
        assert not env.step(action).done.any()
    step = env.step(action)
    assert step.truncated.all() and not step.terminated.any()
    return step.info["episode"]


@pytest.mark.parametrize(("distance", "success"), [(0.19, True), (0.21, False)])
def test_success_is_being_near_in_the_last_quarter(
    distance: float, success: bool, make_quadrotor: MakeEnv
) -> None:
    env = make_quadrotor(
        num_envs=1, episode_steps=40, references=References(langevin=0.0), limit_arms=1e9, seed=1
    )
    calm(env)
    put(env, position=[distance, 0.0, 0.0])
    found = steady(env, term(env, "hover_action").expand(1, 4).clone())
    assert bool(found["success"]) is success
    assert float(found["position_error_m"]) == pytest.approx(distance, abs=2e-3)
    name = env.failure_names[int(found["failure"])]
    assert name == ("none" if success else "inaccurate")
    assert bool(found["success_ever"]) is success


def test_success_ever_is_latched_and_apart_from_success(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(
        num_envs=1, episode_steps=40, references=References(langevin=0.0), limit_arms=1e9
    )
    calm(env)
    put(env, velocity=[1.5, 0.0, 0.0])  # near at first, 0.6 m away at the end
    found = steady(env, term(env, "hover_action").expand(1, 4).clone())
    assert bool(found["success_ever"]) and not bool(found["success"])


def test_the_time_limit_truncates_and_the_next_episode_has_another_drone(
    make_quadrotor: MakeEnv,
) -> None:
    env = make_quadrotor(num_envs=4, **(ENDLESS | {"episode_steps": 5}))
    before = term(env, "mass")
    for _ in range(4):
        assert not env.step(torch.zeros(4, 4)).done.any()
    step = env.step(torch.zeros(4, 4))
    assert step.truncated.all()
    assert env.episode_step.eq(0).all()
    assert (term(env, "mass") != before).all()
    where = env.spec["privileged"].slices()["mass"]
    assert torch.equal(step.info["final_obs"]["privileged"][:, where], before)  # the old drone's


def test_starts_lie_in_their_ranges_and_a_tenth_is_centred() -> None:
    env = make_env("quadrotor", 3000, engine=EngineConfig(threads=1), seed=0)
    qpos, qvel = env.sim.read("qpos"), env.sim.read("qvel")
    centred = (qpos[:, :3] == 0).all(dim=1)
    assert float(centred.float().mean()) == pytest.approx(0.1, abs=0.02)
    assert torch.equal(
        qpos[centred][:, 3:], torch.tensor([[1.0, 0, 0, 0]]).expand(int(centred.sum()), 4)
    )
    assert not qvel[centred].any()
    assert 0.49 < float(qpos[:, :3].abs().max()) <= 0.5
    assert 0.98 < float(qvel.abs().max()) <= 1.0
    angle = 2 * torch.acos(qpos[:, 3].clamp(-1, 1))
    assert 0.98 < float(angle.max()) <= 1.001
    speed = (term(env, "rotor_speed") + 1) / 2
    assert float(speed.min()) >= 0.0 and 0.49 < float(speed.max()) <= 0.5
    assert torch.allclose(term(env, "previous_action"), 2 * speed - 1, atol=1e-6)
    env.close()


def test_a_start_can_be_narrowed(make_quadrotor: MakeEnv) -> None:
    start = StartRanges(position=0.0, velocity=0.0, angular_velocity=0.0, tilt=0.0, centred=0.0)
    env = make_quadrotor(num_envs=16, start=start)
    assert not env.sim.read("qvel").any() and not env.sim.read("qpos")[:, :3].any()


@pytest.mark.parametrize("wrong", [{"substeps": 0}, {"episode_steps": 3}, {"real_share": 1.5}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RoboTSError, match=next(iter(wrong))):
        QuadrotorConfig(**wrong)


def test_the_registry_knows_the_task() -> None:
    spec = get_task("quadrotor")
    assert spec.config is QuadrotorConfig
    assert set(spec.obs_groups) == {"actor", "critic", "teacher", "student"}


# -- limits that are marked ------------------------------------------------------------------------


def marked(**changes: Any) -> QuadrotorConfig:
    return QuadrotorConfig(
        limits_end=False, references=References(langevin=0.0), episode_steps=60, **changes
    )


def test_a_marked_limit_ends_the_reward_but_not_the_flight() -> None:
    ends, marks = (
        make_env("quadrotor", 64, marked(limit_velocity=2.6)),
        make_env("quadrotor", 64, marked(limit_velocity=2.6)),
    )
    ends.config.limits_end = True  # type: ignore[attr-defined]
    ends.reset(seed=1)
    marks.reset(seed=1)
    earned = torch.zeros(2, 64)
    running = torch.ones(64, dtype=torch.bool)
    for _ in range(59):
        first, second = ends.step(torch.zeros(64, 4)), marks.step(torch.zeros(64, 4))
        earned[0] += first.reward * running
        earned[1] += second.reward
        running &= ~first.done
        assert not bool(second.done.any())
    broken = ~marks.evaluate()["within_limits"]
    assert torch.equal(broken, ~running) and 0 < int(broken.sum()) < 64
    assert torch.allclose(earned[0], earned[1], atol=1e-3)
    assert bool(marks.evaluate()["survived"].all())
    assert not bool(marks.evaluate()["success"][broken].any())


def test_a_drone_out_of_control_is_lost_and_has_no_error() -> None:
    env = make_env("quadrotor", 4, marked())
    env.reset(seed=0)
    qvel = env.sim.read("qvel")
    qvel[2, 3] = 400.0
    env.sim.write("qvel", qvel)
    done = env.step(torch.zeros(4, 4))
    assert done.terminated.tolist() == [False, False, True, False]
    found = done.info["episode"]
    assert done.info["final_ids"].tolist() == [2]
    assert found["survived"].tolist() == [False]
    assert bool(torch.isinf(found["position_error_m"]).all())
    assert env.failure_names[int(found["failure"][0])] == "lost"


def test_tracking_error_and_arrival_are_those_of_the_flight() -> None:
    config = QuadrotorConfig(
        limits_end=False,
        references=References(langevin=0.0),
        episode_steps=230,
        start=StartRanges(0.5, velocity=0.3, angular_velocity=0.0, tilt=0.0, rotor_speed=0.0),
    )
    config.drones.disturbance = 0.0
    env = make_env("quadrotor", 16, config)
    env.reset(seed=0)
    distances = []
    for _ in range(229):
        env.step(hover(env, env.observe()))
        distances.append(env.distance.clone())  # type: ignore[attr-defined]
    flown = torch.stack(distances)
    expected = flown[200:].square().mean(dim=0).sqrt()
    measured = env.evaluate()
    assert torch.allclose(measured["tracking_rmse_m"], expected, rtol=1e-4)
    assert not bool(measured["arrival_s"].isinf().all())
    for world in range(16):
        near = torch.nonzero(flown[:, world] < 0.2).flatten()
        arrival = float(measured["arrival_s"][world])
        assert (
            math.isinf(arrival)
            if not len(near)
            else arrival == pytest.approx(0.01 * (int(near[0]) + 1))
        )


# -- latency ---------------------------------------------------------------------------------------


def test_a_latency_is_shared_between_readings_and_actions() -> None:
    config = marked()
    config.sensors.latency = Range(0.015, 0.015)
    env = make_env("quadrotor", 600, config)
    env.reset(seed=0)
    early, late = (term(env, name)[:, 0] for name in ("observation_delay", "action_delay"))
    assert torch.allclose(early + late, torch.full((600,), 1.5))
    assert 0.2 < float((early == 0.0).float().mean()) < 0.47
    assert 0.2 < float((late < 1e-6).float().mean()) < 0.47


def test_latencies_beyond_two_steps_are_refused() -> None:
    with pytest.raises(RoboTSError, match=r"latency of at least 0 and at most 0.02"):
        SensorRanges(latency=Range(0.0, 0.03))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: SensorRanges(observation_delay=Range(-0.02, -0.02)), "observation_delay"),
        (lambda: SensorRanges(latency=Range(0.01, 0.01, "normal")), "latency"),
        (lambda: SensorRanges(noise=Range(-1.0, 1.0)), "noise"),
        (lambda: AirRanges(drag=Range(-5.0, 0.0)), "drag"),
        (lambda: AirRanges(gust_time=Range(0.0, 1.0)), "gust_time above 0"),
        (lambda: References(period=Range(0.0, 0.0)), "period above 0"),
        (lambda: References(jump=float("nan")), "jump"),
        (lambda: DroneRanges(thrust_to_weight=Range(-1.0, 5.0)), "thrust_to_weight above 1"),
        (lambda: DroneRanges(torque_to_inertia=Range(0.0, 100.0)), "torque_to_inertia above 0"),
        (lambda: DroneRanges(rise_time=Range(0.0, 0.1)), "rise_time above 0"),
        (lambda: DroneRanges(idle_thrust=Range(0.9, 0.9)), "idle_thrust"),
        (lambda: DroneRanges(sag=Range(0.0, 2.0)), "sag"),
    ],
)
def test_what_no_drone_could_be_is_refused(made: Callable[[], object], said: str) -> None:
    with pytest.raises(RoboTSError, match=said):
        made()
