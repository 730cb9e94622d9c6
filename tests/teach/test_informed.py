"""Student-informed teachers prefer, as far as they are told to, what a student can imitate."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
import torch
from torch import Tensor

from robo_ts.env import ObservationGroup, ObservationSpec, TaskEnv, Term
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import compose_run
from robo_ts.sim import BatchSim
from robo_ts.teach.config import PPOConfig
from robo_ts.teach.informed import InformedConfig, ProxyStudent
from robo_ts.teach.ppo import PPOTeacher

N = 256
SENSORS = ObservationGroup("sensors", (Term("step", 1),), True)
SECRET = ObservationGroup("secret", (Term("coin", 1),), False)
GROUPS = {name: ["sensors", "secret"] for name in ("actor", "critic")} | {"student": ["sensors"]}


class Coin(TaskEnv):
    """Bet on a coin only the teacher sees: reward 1 - (action - coin)^2 in every step.

    With a share k of the coin as its action the teacher earns 1 - (1 - k)^2. A student can but
    guess the mean, 0, so that its error is k^2: under a penalty of weight w the best share is
    1 / (1 + w).
    """

    name: ClassVar[str] = "coin"

    def __init__(self, seed: int = 0) -> None:
        sim = SimpleNamespace(
            num_envs=N,
            device=torch.device("cpu"),
            dt=0.1,
            step=lambda substeps: None,
            state_dict=dict,
            load_state_dict=lambda state: None,
            close=lambda: None,
        )
        super().__init__(cast(BatchSim, sim), ObservationSpec([SENSORS, SECRET]), 1, 4, 1, seed)
        self.coin = torch.ones(N)
        self.action = torch.zeros(N)
        self.reset()

    def _reset_worlds(self, env_ids: Tensor) -> None:
        draw = torch.rand(len(env_ids), generator=self.reset_rng)
        self.coin[env_ids] = torch.where(draw < 0.5, -1.0, 1.0)

    def _apply_action(self, action: Tensor) -> None:
        self.action = action[:, 0].clamp(-1.0, 1.0)

    def _after_physics(self) -> None: ...

    def _terminated(self) -> Tensor:
        return torch.zeros(N, dtype=torch.bool)

    def _reward(self, terminated: Tensor) -> Tensor:
        return 1.0 - (self.action - self.coin).square()

    def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
        rows = slice(None) if env_ids is None else env_ids
        step = self.episode_step[rows, None].float()
        return {"sensors": step, "secret": self.coin[rows, None].clone()}

    def evaluate(self) -> dict[str, Tensor]:
        return {"success": self.action * self.coin > 0}

    def action_contract(self) -> dict[str, Any]:
        return {}

    def _task_state(self) -> dict[str, Tensor]:
        return {"coin": self.coin, "action": self.action}

    def _load_task_state(self, state: dict[str, Tensor]) -> None:
        self.coin, self.action = state["coin"], state["action"]


def teacher_with(weight: float, seed: int = 0, **informed: Any) -> PPOTeacher:
    config = PPOConfig(
        num_envs=N,
        iterations=40,
        steps_per_iteration=8,
        learning_rate=5e-3,
        final_learning_rate=1e-3,
        gamma=0.5,
        actor=[16],
        critic=[16],
        informed=InformedConfig(weight, encoder=[16], epochs=4, learning_rate=1e-2, **informed),
    )
    return PPOTeacher(Coin(seed), GROUPS, config, seed)


def reliance(teacher: PPOTeacher) -> float:
    """The share of the coin in the teacher's action."""
    env = teacher.env
    assert isinstance(env, Coin)
    with torch.no_grad():
        action, _ = teacher.policy().act(env.observe())
    return float((action[:, 0] * env.coin).mean())


@pytest.mark.parametrize(("weight", "share"), [(0.0, 1.0), (3.0, 0.25)])
def test_the_penalty_decides_how_far_the_teacher_relies_on_what_the_student_cannot_see(
    weight: float, share: float
) -> None:
    teacher = teacher_with(weight)
    measured = [teacher.learn_one() for _ in range(40)][-1]
    assert reliance(teacher) == pytest.approx(share, abs=0.1)
    assert ("penalty" in measured) == (weight > 0.0)
    if weight:
        assert measured["imitation_error"] == pytest.approx(share**2, abs=0.05)
        spent = measured["action_std"] ** 2  # what exploration costs
        assert measured["penalty"] == pytest.approx(weight * (share**2 + spent), abs=0.2)


def proxy_of(memory: str = "none") -> ProxyStudent:
    config = InformedConfig(2.0, encoder=[16], memory=memory, memory_size=8, learning_rate=1e-2)
    return ProxyStudent(config, ObservationSpec([SENSORS]), 6, 1, torch.device("cpu"))


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_what_sensors_tell_costs_nothing_once_the_proxy_has_learnt_it(memory: str) -> None:
    torch.manual_seed(0)
    proxy, costs, lost = proxy_of(memory), [], torch.zeros(6)
    for _ in range(150):
        for step in range(4):
            x = torch.rand(6, 1)
            obs = {"sensors": x, "secret": torch.full((6, 1), torch.nan)}
            lost = proxy.penalty(obs, x - 0.5, x - 0.5)
            proxy.reset(torch.full((6,), step == 3))
        costs.append(float(lost.mean()))
        proxy.update()
    assert costs[-1] < 0.05 * max(costs[:5])


def test_the_penalty_is_the_weighted_error_of_actions_that_can_be_executed() -> None:
    proxy = proxy_of()
    x = torch.rand(6, 1)
    own, _ = proxy.student.act({"sensors": x})
    lost = proxy.penalty({"sensors": x}, torch.zeros(6, 1), torch.full((6, 1), 7.0))
    assert torch.allclose(lost, 2.0 * (own[:, 0] - 1.0).square())


def test_the_proxys_memory_is_cleared_where_episodes_end_and_nowhere_else() -> None:
    proxy = proxy_of("gru")
    proxy.penalty({"sensors": torch.rand(6, 1)}, torch.zeros(6, 1), torch.zeros(6, 1))
    done = torch.arange(6) < 2
    proxy.reset(done)
    assert not proxy.hidden[0][:, :2].any() and proxy.hidden[0][:, 2:].any(dim=-1).all()


def test_a_student_informed_teacher_resumes_bit_by_bit() -> None:
    whole = teacher_with(1.0, memory="gru")
    rows = [whole.learn_one() for _ in range(4)]
    first = teacher_with(1.0, memory="gru")
    for _ in range(2):
        first.learn_one()
    saved = first.state_dict()
    second = teacher_with(1.0, seed=1, memory="gru")
    second.learn_one()
    second.load_state_dict(saved)
    assert [second.learn_one() for _ in range(2)] == rows[2:]


def test_without_a_weight_training_is_as_it_was() -> None:
    rows = []
    for memory in ("none", "lstm"):  # one after the other, for PPO draws from torch's own chance
        teacher = teacher_with(0.0, memory=memory)
        assert teacher.proxy is None
        rows.append(teacher.learn_one())
    assert rows[0] == rows[1] and "penalty" not in rows[0]


def test_a_task_without_a_students_groups_is_refused() -> None:
    groups = {name: GROUPS[name] for name in ("actor", "critic")}
    config = PPOConfig(num_envs=N, informed=InformedConfig(1.0))
    with pytest.raises(RoboTSError, match="observation groups of a student"):
        PPOTeacher(Coin(), groups, config)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: InformedConfig(weight=-1.0), "informed.weight >= 0"),
        (lambda: InformedConfig(epochs=0), "informed.epochs >= 1"),
        (lambda: InformedConfig(memory="tape"), "a memory among"),
    ],
)
def test_impossible_settings_are_refused(wrong: Callable[[], Any], said: str) -> None:
    with pytest.raises(RoboTSError, match=said):
        wrong()


def test_it_is_a_setting_of_the_command_line() -> None:
    run = compose_run(["teacher.informed.weight=0.5", "teacher.informed.memory=gru"])
    assert run.config.teacher.informed == InformedConfig(0.5, memory="gru")
