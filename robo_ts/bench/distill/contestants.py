"""Our update and rsl_rl's: the same network, data and optimiser steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from rsl_rl.algorithms import Distillation
from rsl_rl.models import MLPModel, RNNModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill.config import DatasetConfig, DistillConfig
from robo_ts.distill.dataset import LABEL, STARTS, VALID, SequenceDataset
from robo_ts.distill.heads import Heads
from robo_ts.distill.update import Updater
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig

GROUP = "sensors"
WIDTH, ACTIVATION, RATE = 64, "elu", 1e-3


@dataclass(frozen=True)
class Sizes:
    """What is learnt from, and how.

    Attributes:
        num_envs: worlds, that is, sequences.
        steps: of each sequence.
        bptt_length: steps of truncated back-propagation; rsl_rl calls it ``gradient_length``.
        observations: numbers a student sees.
        actions: numbers it gives.
        episode: mean length of an episode in steps; ends are drawn independently.
    """

    num_envs: int = 1024
    steps: int = 64
    bptt_length: int = 64
    observations: int = 32
    actions: int = 8
    episode: float = 200.0

    def __post_init__(self) -> None:
        if self.num_envs < 4 or self.steps < 1:
            raise RoboTSError(
                "4 worlds or more and 1 step or more",
                f"{self.num_envs} worlds, {self.steps} steps",
                "raise them",
            )
        if self.bptt_length < 1 or self.steps % self.bptt_length:
            raise RoboTSError(
                f"a bptt_length that divides {self.steps} steps (rsl_rl drops the rest)",
                str(self.bptt_length),
                "choose a divisor",
            )


@dataclass
class Data:
    """Sequences to learn from.

    Attributes:
        obs: ``(steps, num_envs, observations)``.
        label: a fixed random linear map of them, ``(steps, num_envs, actions)``.
        done: whether an episode ends with that step, ``(steps, num_envs)`` bool.
    """

    obs: Tensor
    label: Tensor
    done: Tensor


def make_data(sizes: Sizes, seed: int) -> Data:
    """Random observations, the linear teacher's labels, and ends of episodes."""
    generator = torch.Generator().manual_seed(seed)
    shape = (sizes.steps, sizes.num_envs)
    obs = torch.randn(*shape, sizes.observations, generator=generator)
    teacher = torch.randn(sizes.observations, sizes.actions, generator=generator)
    done = torch.rand(shape, generator=generator) < 1.0 / sizes.episode
    return Data(obs, obs @ (0.1 * teacher), done)


def their_student(sizes: Sizes) -> RNNModel:
    """rsl_rl's recurrent student, with the standard deviation that its runner insists on."""
    return RNNModel(
        _observation(torch.zeros(sizes.num_envs, sizes.observations)),
        {"student": [GROUP]},
        "student",
        sizes.actions,
        hidden_dims=[WIDTH],
        activation=ACTIVATION,
        distribution_cfg={"class_name": "GaussianDistribution"},
        rnn_type="gru",
        rnn_hidden_dim=WIDTH,
    )


def our_student(sizes: Sizes) -> Policy:
    """The same network, ours."""
    config = PolicyConfig(
        encoder=[],
        activation=ACTIVATION,
        memory="gru",
        memory_size=WIDTH,
        decoder=[WIDTH],
        normalize=False,
        action_clip=0.0,
    )
    return Policy(config, ObservationSpec([vector_group(sizes.observations)]), sizes.actions)


def copy_weights(theirs: RNNModel, ours: Policy) -> None:
    """Give our student the weights of theirs.

    Raises:
        RoboTSError: when the networks differ in anything but their standard deviation.
    """
    names = {"rnn.rnn.": "memory.rnn.", "mlp.0.": "decoder.0.", "mlp.2.": "head."}
    weights = {}
    for name, value in theirs.state_dict().items():
        for old, new in names.items():
            if name.startswith(old):
                weights[new + name.removeprefix(old)] = value
    left = set(theirs.state_dict()) - {"distribution.std_param"}
    if len(weights) != len(left) or set(weights) != set(ours.state_dict()):
        raise RoboTSError(
            "two networks of the same parameters", f"{left} and {set(ours.state_dict())}", "mend it"
        )
    ours.load_state_dict(weights)


def their_distillation(
    sizes: Sizes, data: Data, student: RNNModel, max_grad_norm: float = 1.0
) -> Distillation:
    """rsl_rl's algorithm, its storage full; its update never runs the teacher."""
    first = _observation(data.obs[0])
    storage = RolloutStorage("distillation", sizes.num_envs, sizes.steps, first, [sizes.actions])
    teacher = MLPModel(first, {"teacher": [GROUP]}, "teacher", sizes.actions, hidden_dims=[WIDTH])
    for step in range(sizes.steps):
        one = RolloutStorage.Transition()
        one.observations = _observation(data.obs[step])
        one.actions = one.privileged_actions = data.label[step]
        one.rewards = torch.zeros(sizes.num_envs)
        one.dones = data.done[step]
        storage.add_transition(one)
    algorithm = Distillation(
        student,
        teacher,
        storage,
        gradient_length=sizes.bptt_length,
        learning_rate=RATE,
        max_grad_norm=max_grad_norm,
    )
    algorithm.train_mode()
    return algorithm


def our_updater(
    sizes: Sizes, data: Data, student: Policy, minibatches: int, max_grad_norm: float = 1.0
) -> tuple[Updater, SequenceDataset]:
    """Our update and its data set, full."""
    config = DistillConfig(
        num_envs=sizes.num_envs,
        steps_per_iteration=sizes.steps,
        bptt_length=sizes.bptt_length,
        minibatches=minibatches,
        learning_rate=RATE,
        max_grad_norm=max_grad_norm,
    )
    starts = torch.ones_like(data.done)
    starts[1:] = data.done[:-1]
    valid = torch.ones_like(data.done)
    rows = [
        {f"obs.{GROUP}": data.obs[t], LABEL: data.label[t], STARTS: starts[t], VALID: valid[t]}
        for t in range(sizes.steps)
    ]
    dataset = new_dataset(config, student, rows[0])
    for step, row in enumerate(rows):
        dataset.add(step, row)
    dataset.end()
    return new_updater(config, student), dataset


def variants(sizes: Sizes, seed: int) -> dict[str, Callable[[], Any]]:
    torch.manual_seed(seed)
    data = make_data(sizes, seed)
    theirs = their_student(sizes)
    students = [our_student(sizes), our_student(sizes)]
    for student in students:
        copy_weights(theirs, student)
    algorithm = their_distillation(sizes, data, theirs)
    plain, plain_data = our_updater(sizes, data, students[0], 1)
    best, best_data = our_updater(sizes, data, students[1], DistillConfig().minibatches)
    return {
        "rsl_rl": algorithm.update,
        "ours": lambda: plain.run(plain_data, 0, None),
        "recommended": lambda: best.run(best_data, 0, None),
    }


def new_dataset(config: DistillConfig, student: Policy, row: dict[str, Tensor]) -> SequenceDataset:
    hidden = student.initial_state(config.num_envs)
    settings = DatasetConfig(window=1, budget_gb=64.0)
    steps = config.steps_per_iteration
    dataset = SequenceDataset(settings, steps, config.num_envs, row, hidden, torch.Generator())
    dataset.begin(hidden)
    return dataset


def new_updater(config: DistillConfig, student: Policy) -> Updater:
    heads = Heads(student.latent_size, {}, 0, False)
    generator = torch.Generator().manual_seed(0)
    return Updater(student, heads, config, generator, torch.Generator())


def vector_group(size: int) -> ObservationGroup:
    return ObservationGroup(GROUP, (Term("numbers", size),), deployable=True)


def _observation(values: Tensor) -> TensorDict:
    return TensorDict({GROUP: values}, batch_size=[len(values)])
