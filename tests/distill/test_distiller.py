"""The distiller learns, in any rsl_rl VecEnv, what its teacher shows it and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill import DatasetConfig, DistillConfig, Distiller, Label, RollinConfig
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.policy import Output

N, SIZE, ACTIONS, LENGTH = 32, 3, 2, 25
SPEC = ObservationSpec([ObservationGroup("sensors", (Term("x", SIZE),), True)])


class Drift(VecEnv):
    """A point pushed by the actions and by chance. Somebody else's environment: only a VecEnv."""

    def __init__(self, seed: int = 0) -> None:
        self.num_envs, self.num_actions, self.device = N, ACTIONS, "cpu"
        self.max_episode_length, self.cfg = LENGTH, {}
        self.generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(N, SIZE, generator=self.generator)
        self.episode_length_buf = torch.arange(N) % LENGTH
        self.actions: list[Tensor] = []

    def get_observations(self) -> TensorDict:
        return TensorDict({"sensors": self.x, "secret": self.x.sum(1, True)}, batch_size=[N])

    def step(self, actions: Tensor) -> tuple[TensorDict, Tensor, Tensor, dict]:
        self.actions.append(actions.clone())
        push = torch.nn.functional.pad(actions, (0, SIZE - ACTIONS))
        noise = torch.randn(N, SIZE, generator=self.generator)
        self.x = 0.7 * self.x + 0.1 * push + 0.5 * noise
        self.episode_length_buf = self.episode_length_buf + 1
        done = self.episode_length_buf >= LENGTH
        self.episode_length_buf[done] = 0
        self.x[done] = torch.randn(int(done.sum()), SIZE, generator=self.generator)
        extras: dict[str, Any] = {"time_outs": done}
        return self.get_observations(), torch.zeros(N), done.long(), extras


class Linear:
    """A teacher that multiplies: its label is linear in the sensors of now, or of a step ago."""

    def __init__(self, late: bool = False) -> None:
        self.matrix = 0.3 * torch.randn(SIZE, ACTIONS, generator=torch.Generator().manual_seed(7))
        self.late = late
        self.last = torch.zeros(N, SIZE)
        self.distrusted = torch.zeros(N, dtype=torch.bool)

    def label(self, obs: TensorDict, student: Output) -> Label:
        now = obs["sensors"].clone()
        seen, self.last = (self.last, now) if self.late else (now, now)
        label = (seen @ self.matrix).clamp(-1, 1)
        label[self.distrusted] = 100.0
        return Label(label, ~self.distrusted)

    def reset(self, done: Tensor) -> None:
        self.last[done] = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"last": self.last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.last = state["last"]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def student_with(**config: Any) -> Policy:
    settings: dict[str, Any] = {"encoder": [16], "memory": "none", "memory_size": 16}
    return Policy(PolicyConfig(**(settings | config)), SPEC, ACTIONS)


def make(student: Policy, teacher: Linear | None = None, **config: Any) -> Distiller:
    settings: dict[str, Any] = {
        "num_envs": N,
        "iterations": 60,
        "steps_per_iteration": 16,
        "bptt_length": 16,
        "minibatches": 2,
        "learning_rate": 1e-2,
        "rollin": RollinConfig(warmup_iterations=2),
    }
    return Distiller(Drift(), teacher or Linear(), student, DistillConfig(**(settings | config)))


@pytest.mark.parametrize(("loss", "fall"), [("mse", 30), ("huber", 30)])
def test_a_student_learns_a_linear_teacher(loss: str, fall: float) -> None:
    distiller = make(student_with(), loss=loss)
    losses = [distiller.learn_one()["loss"] for _ in range(60)]
    assert losses[-1] < losses[0] / fall


def test_a_student_with_memory_learns_what_cannot_be_known_without() -> None:
    ends = {}
    for memory in ("none", "gru"):
        distiller = make(student_with(memory=memory), Linear(late=True), bptt_length=8)
        ends[memory] = [distiller.learn_one()["loss"] for _ in range(60)][-1]
    assert ends["gru"] < 0.1 * ends["none"]


def test_the_measurements_of_a_round_are_plain_numbers() -> None:
    distiller = make(student_with(memory="gru"))
    measured = distiller.learn_one()
    assert all(isinstance(value, float | int) for value in measured.values())
    assert {"loss", "grad_norm", "learning_rate", "action_error", "teacher_acts"} <= set(measured)
    assert distiller.iteration == 1 and distiller.samples == 16 * N


def test_labels_that_may_not_be_learnt_from_are_not() -> None:
    teacher = Linear()
    teacher.distrusted[::2] = True
    distiller = make(student_with(), teacher, rollin=RollinConfig(warmup_iterations=0))
    losses = [distiller.learn_one()["loss"] for _ in range(60)]
    assert losses[-1] < 0.01


def test_the_teacher_acts_in_the_warm_up_and_the_student_afterwards() -> None:
    student = student_with()
    distiller = make(student, rollin=RollinConfig(warmup_iterations=1))
    env = distiller.env
    assert isinstance(env, Drift)
    shares = [distiller.learn_one()["teacher_acts"] for _ in range(2)]
    assert shares == [1.0, 0.0]
    own, _ = student.run(env.get_observations())
    seen = distiller.teacher.label(env.get_observations(), own).action
    env.actions.clear()
    with torch.no_grad():
        wanted, _ = student.act(distiller.obs)
    distiller._gather()
    assert torch.equal(env.actions[0], wanted) and not torch.allclose(wanted, seen)


def test_noise_disturbs_the_student_but_never_beyond_the_limits() -> None:
    student = student_with()
    distiller = make(student, action_noise=0.5, rollin=RollinConfig(warmup_iterations=0))
    with torch.no_grad():
        plain, _ = student.act(distiller.obs)
    distiller._gather()
    env = distiller.env
    assert isinstance(env, Drift)
    assert 0.3 < float((env.actions[0] - plain).std()) < 0.6
    assert float(torch.stack(env.actions).abs().max()) <= 1.0


def test_the_learning_rate_falls_along_a_cosine_and_stays_low() -> None:
    distiller = make(student_with(), iterations=10, learning_rate=1.0, final_learning_rate=0.1)
    rates = []
    for iteration in (0, 5, 10, 20):
        rates.append(distiller.updater.learning_rate(iteration))
    assert rates == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_statistics_are_gathered_in_the_first_rounds_only() -> None:
    student = student_with()
    distiller = make(student, normalizer_iterations=2)
    counts = []
    for _ in range(4):
        distiller.learn_one()
        counts.append(int(student.normalizer.count))  # type: ignore[arg-type]
    assert counts == [16 * N, 32 * N, 32 * N, 32 * N]


def test_a_window_of_older_rounds_is_learnt_from_as_well() -> None:
    distiller = make(student_with(), dataset=DatasetConfig(window=3))
    lengths = []
    for _ in range(4):
        distiller.learn_one()
        lengths.append(len(distiller.dataset))
    assert lengths == [N, 2 * N, 3 * N, 3 * N]


def test_the_same_seed_gives_the_same_student() -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        distiller = make(student_with(memory="lstm"), action_noise=0.1)
        for _ in range(3):
            distiller.learn_one()
        weights.append(torch.nn.utils.parameters_to_vector(distiller.student.parameters()))
    assert torch.equal(*weights)


def test_a_foreign_environment_that_cannot_be_saved_does_not_hinder_saving() -> None:
    distiller = make(student_with())
    distiller.learn_one()
    state = distiller.state_dict()
    assert state["env"] is None
    other = make(student_with())
    other.load_state_dict(state)
    assert other.iteration == 1


def test_a_teacher_that_says_nan_is_refused_at_once() -> None:
    teacher = Linear()
    teacher.matrix[0, 0] = float("nan")
    with pytest.raises(RoboTSError, match="finite actions of the teacher"):
        make(student_with(), teacher)


def test_a_teacher_that_says_nan_later_stops_the_run() -> None:
    teacher = Linear()
    distiller = make(student_with(), teacher)
    distiller.learn_one()
    teacher.matrix[0, 0] = float("nan")
    with pytest.raises(RoboTSError, match="finite imitation loss"):
        distiller.learn_one()


def test_a_student_that_reads_what_the_environment_lacks_is_refused_at_once() -> None:
    spec = ObservationSpec([ObservationGroup("camera", (Term("rgb", 3),), True)])
    with pytest.raises(RoboTSError, match="camera"):
        make(Policy(PolicyConfig(memory="none"), spec, ACTIONS))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"bptt_length": 65}, "bptt_length <= steps_per_iteration"),
        ({"burn_in": 64}, "burn_in"),
        ({"minibatches": 2000}, "minibatches <= num_envs"),
        ({"epochs": 0}, "epochs >= 1"),
        ({"optimizer": "sgd"}, "distill.optimizer among adam, soap"),
        ({"betas": [0.9, 1.0]}, "distill.betas"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(RoboTSError, match=hint):
        DistillConfig(**wrong)


def test_resume_with_an_environment_that_cannot_be_restored_starts_its_episodes_anew() -> None:
    one = make(student_with(memory="gru"), Linear(late=True))
    for _ in range(3):
        one.learn_one()
    other = make(student_with(memory="gru"), Linear(late=True))
    other.load_state_dict(one.state_dict())
    assert other.iteration == 3
    assert bool(other.starts.all())
    assert not other.hidden[0].any()
    assert isinstance(other.teacher, Linear)
    assert not other.teacher.last.any()
    assert torch.equal(other.obs["sensors"], other.env.get_observations()["sensors"])
    other.learn_one()
