"""Contract 1: when privileged state changes and the sensors do not, neither do student actions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from tensordict import TensorDict

from robo_ts.distill import DistillConfig, Distiller, PolicyTeacher, RollinConfig, Schedule
from robo_ts.env import TaskEnv, get_task, list_tasks, make_env
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.adapter import AdapterPolicy
from robo_ts.sim import EngineConfig

MakeEnv = Callable[..., TaskEnv]
N = 6
# What the quadrotor's sensors do not tell, by the attribute that holds it.
HIDDEN = ("constants", "arm", "mass", "inertia")
HIDDEN_ROWS = ("curve", "gain", "coupling", "rising", "falling", "force", "torque")
HIDDEN_IN_SIM = ("body_mass", "body_inertia", "site_pos", "actuator_gear", "qfrc_applied", "ctrl")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def student_of(env: TaskEnv, std: str = "none", learnt: bool = False) -> Policy:
    torch.manual_seed(0)
    spec = env.spec.select(get_task(env.name).obs_groups["student"])
    config = PolicyConfig(
        encoder=[16], memory="gru", memory_size=8, std=std, learn_initial_state=learnt
    )
    policy = Policy(config, spec, env.num_actions)
    if policy.memory is not None and policy.memory.start is not None:
        torch.nn.init.normal_(policy.memory.start)
    return policy


def adapter_of(env: TaskEnv, std: str = "none") -> Policy:
    """A student that runs its teacher, which reads everything, on what it foretells."""
    torch.manual_seed(0)
    groups = get_task(env.name).obs_groups
    teacher = Policy(
        PolicyConfig(encoder=[16], memory="none"),
        env.spec.select(groups["teacher"]),
        env.num_actions,
    )
    config = PolicyConfig(encoder=[16], memory="gru", memory_size=8, std=std)
    student = AdapterPolicy(config, env.spec.select(groups["student"]), teacher)
    for weight in student.adapters.parameters():  # adapters that say something, as trained ones
        torch.nn.init.normal_(weight, std=0.3)
    return student


STUDENTS = {
    "plain": student_of,
    "state std": partial(student_of, std="state"),
    "constant std": partial(student_of, std="constant"),
    "learnt initial state": partial(student_of, learnt=True),
    "adapter": partial(adapter_of, std="state"),
}


@pytest.mark.parametrize("name", list_tasks())
def test_the_student_of_every_task_reads_deployable_groups_only(name: str) -> None:
    env = make_env(name, 1, engine=EngineConfig(threads=1))
    spec = env.spec.select(get_task(name).obs_groups["student"])
    assert len(spec) > 0
    assert spec.privileged() == []
    hidden = {term.name for group in env.spec.privileged() for term in env.spec[group].terms}
    assert hidden.isdisjoint(term.name for group in spec.values() for term in group.terms)
    env.close()


@pytest.mark.parametrize("kind", STUDENTS)
def test_actions_are_the_same_whatever_the_privileged_group_holds(
    kind: str, make_quadrotor: MakeEnv
) -> None:
    env = make_quadrotor(num_envs=N, episode_steps=500)
    student = STUDENTS[kind](env)
    plain = other = absent = student.initial_state(N)
    for _ in range(10):
        obs = env.observe()
        wild = obs.clone()
        wild["privileged"] = 1e3 * torch.randn_like(obs["privileged"])
        wild["privileged"][0] = float("nan")
        without = TensorDict({"proprioception": obs["proprioception"]}, batch_size=[N])
        action, plain = student.act(obs, plain)
        other_action, other = student.act(wild, other)
        absent_action, absent = student.act(without, absent)  # type: ignore[arg-type]
        assert torch.equal(action, other_action) and torch.equal(action, absent_action)
        assert torch.equal(plain[0], other[0]) and torch.equal(plain[0], absent[0])
        env.step(action)


@pytest.mark.parametrize("kind", STUDENTS)
def test_a_whole_sequence_is_the_same_whatever_the_privileged_group_holds(
    kind: str, make_quadrotor: MakeEnv
) -> None:
    env = make_quadrotor(num_envs=N, episode_steps=500)
    student = STUDENTS[kind](env)
    steps = [env.step(torch.zeros(N, 4)).obs for _ in range(8)]
    obs = {name: torch.stack([o[name] for o in steps]) for name in env.spec}
    wild = obs | {"privileged": torch.full_like(obs["privileged"], float("nan"))}
    starts = torch.rand(8, N) < 0.2
    hidden = student.initial_state(N)
    one, two = (student.run(seen, hidden, starts)[0] for seen in (obs, wild))
    assert torch.equal(one.action, two.action) and torch.equal(one.latent, two.latent)
    assert (one.std is None) == (student.config.std == "none")
    if one.std is not None and two.std is not None:
        assert torch.equal(one.std, two.std)


def test_no_sensor_of_the_quadrotor_shows_the_drones_parameters(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=N, episode_steps=500)
    for _ in range(5):
        env.step(torch.zeros(N, 4))
    before = env.observe()
    generator = torch.Generator().manual_seed(0)
    for name in HIDDEN:
        value = getattr(env, name)
        value += 1.0 + torch.rand(value.shape, generator=generator)
    flight = env.flight  # type: ignore[attr-defined]
    for name in HIDDEN_ROWS:
        env.parameters[flight.parameters.slice(name)] += 1.0  # type: ignore[attr-defined]
    env.state[flight.state.slice("rotor")] += 1.0  # type: ignore[attr-defined]
    for name in HIDDEN_IN_SIM:
        value = env.sim.read(name)
        env.sim.write(name, value + 1.0 + torch.rand(value.shape, generator=generator))
    after = env.observe()
    where = env.spec["privileged"].slices()
    told = [*range(*where["rotor_speed"].indices(99)), *range(where["hover_action"].start, 52)]
    assert env.spec["privileged"].size == 52  # all but true readings and idle terms
    assert (before["privileged"] != after["privileged"])[:, told].all()
    for name, group in env.spec.items():
        if group.deployable:
            assert torch.equal(before[name], after[name])


def test_what_the_sensors_show_is_the_state_and_not_the_drone(make_quadrotor: MakeEnv) -> None:
    # The same motion flown by other drones: every sensor must read the same.
    one, two = (make_quadrotor(num_envs=N, seed=s, episode_steps=500) for s in (0, 1))
    one.reset(seed=0)
    flight = two.flight  # type: ignore[attr-defined]
    for name in ("position", "quaternion", "velocity", "rate", "action", "path", "clock"):
        rows = flight.state.slice(name)
        two.state[rows] = one.state[rows]  # type: ignore[attr-defined]
    for name in ("langevin", "first", "second", "omega", "jump", "jump_step"):  # the student's goal
        rows = flight.parameters.slice(name)
        two.parameters[rows] = one.parameters[rows]  # type: ignore[attr-defined]
    assert torch.equal(one.observe()["proprioception"], two.observe()["proprioception"])
    assert not torch.equal(one.observe()["privileged"], two.observe()["privileged"])


def test_the_distiller_keeps_nothing_privileged_for_the_student(make_quadrotor: MakeEnv) -> None:
    env = make_quadrotor(num_envs=N)
    groups = get_task("quadrotor").obs_groups
    teacher = Policy(PolicyConfig(memory="none"), env.spec.select(groups["teacher"]), 4)
    config = DistillConfig(num_envs=N, steps_per_iteration=4, bptt_length=4, minibatches=2)
    distiller = Distiller(RslRlEnv(env), PolicyTeacher(teacher, N), student_of(env), config)
    distiller.learn_one()
    batch, *_ = distiller.dataset.minibatches(1, torch.Generator())
    assert set(batch.obs) == set(groups["student"])


@pytest.mark.parametrize("kind", STUDENTS)
def test_a_student_trained_with_auxiliary_heads_acts_from_its_sensors_alone(
    kind: str, make_quadrotor: MakeEnv
) -> None:
    # The heads regress privileged terms, and so does an adapter student: what was learnt from may
    # be privileged, what is acted from may not.
    env = make_quadrotor(num_envs=N, episode_steps=500)
    groups = get_task("quadrotor").obs_groups
    teacher = Policy(PolicyConfig(memory="none"), env.spec.select(groups["teacher"]), 4)
    student = STUDENTS[kind](env)
    config = DistillConfig(
        num_envs=N,
        steps_per_iteration=4,
        bptt_length=4,
        minibatches=2,
        auxiliary=["privileged.hover_action", "privileged"],
        latent_weight=Schedule(1.0),
        rollin=RollinConfig(warmup_iterations=0),
    )
    vec_env = RslRlEnv(env)
    distiller = Distiller(vec_env, PolicyTeacher(teacher, N), student, config)
    for _ in range(2):
        distiller.learn_one()
    assert "aux.privileged" in distiller.dataset.newest().fields
    assert set(distiller.dataset.newest().obs) == set(groups["student"])
    obs = vec_env.get_observations()
    wild = obs.clone()
    wild["privileged"] = torch.full_like(obs["privileged"], float("nan"))
    hidden = distiller.policy().initial_state(N)
    for _ in range(3):
        action, after = distiller.policy().act(obs, hidden)
        other, kept = distiller.policy().act(wild, hidden)
        assert torch.equal(action, other) and torch.equal(after[0], kept[0])
        hidden = after
