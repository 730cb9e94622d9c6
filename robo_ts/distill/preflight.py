"""What would go wrong an hour later, found before the first round."""

from __future__ import annotations

import copy

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill.config import DistillConfig
from robo_ts.distill.labels import Label
from robo_ts.distill.losses import LOSSES
from robo_ts.distill.teachers import Teacher
from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.policy import Output


@torch.no_grad()
def check(
    env: VecEnv, teacher: Teacher, student: Policy, config: DistillConfig, obs: TensorDict
) -> Label:
    """Ask student and teacher once and look at what they say; their memories stay as they were.

    Returns:
        The teacher's label, as an example of what will be stored.

    Raises:
        RoboTSError: for a student or teacher that does not fit the environment or the losses.
    """
    own = _ask_student(env, student, obs)
    before = copy.deepcopy(teacher.state_dict())
    label = teacher.label(obs, own)
    _check_label(label, env)
    teacher.load_state_dict(copy.deepcopy(before))
    again = teacher.label(obs, own)
    teacher.load_state_dict(before)
    if config.label == "mean" and not torch.equal(_known(label), _known(again)):
        raise RoboTSError(
            "a deterministic teacher (distill.label=mean)",
            "one that answers the same question with two different actions",
            "let label() give the mean and its std, and set distill.label=sample to draw from it",
        )
    _check_losses(label, student, config)
    return label


@torch.no_grad()
def check_reward(
    env: VecEnv, teacher: Teacher | None, student: Policy, critic: ObservationSpec, obs: TensorDict
) -> None:
    """As :func:`check`, for imitation plus reward.

    Raises:
        RoboTSError: for a student, teacher or critic that does not fit the environment, or a
            standard deviation that is lacking.
    """
    own = _ask_student(env, student, obs)
    if own.std is None:
        raise RoboTSError(
            "a student with a standard deviation, which PPO explores with",
            "a deterministic one",
            "set student.std=constant or student.std=state",
        )
    missing = [name for name in critic if name not in obs.keys()]  # noqa: SIM118
    if missing:
        raise RoboTSError(
            f"the groups {list(critic)}, which the critic reads",
            f"an environment without {missing}",
            "name groups the environment emits",
        )
    if teacher is None:
        return
    before = copy.deepcopy(teacher.state_dict())
    label = teacher.label(obs, own)
    teacher.load_state_dict(before)
    _check_label(label, env)
    if label.std is None:
        raise RoboTSError(
            "a teacher with a standard deviation, which the KL needs",
            "one without",
            "give a teacher with a distribution (label.std), or set reinforce.kl.value=0 for "
            "reward alone",
        )


def _ask_student(env: VecEnv, student: Policy, obs: TensorDict) -> Output:
    student.inputs(obs)
    if student.num_actions != env.num_actions:
        raise RoboTSError(
            f"a student with {env.num_actions} actions",
            f"one with {student.num_actions}",
            "build it with env.num_actions",
        )
    return student.run(obs, student.initial_state(env.num_envs))[0]


def _check_label(label: Label, env: VecEnv) -> None:
    shape = (env.num_envs, env.num_actions)
    if label.valid is not None and tuple(label.valid.shape) != shape[:1]:
        raise RoboTSError(
            f"label.valid of shape {shape[:1]}", f"{tuple(label.valid.shape)}", "mend the teacher"
        )
    for name, value in (("actions", label.action), ("standard deviations", label.std)):
        if value is None:
            continue
        if tuple(value.shape) != shape:
            raise RoboTSError(
                f"a teacher whose {name} have shape {shape}",
                f"{tuple(value.shape)}",
                "give a teacher of this task",
            )
        finite = torch.isfinite(value).all(dim=-1)
        if label.valid is not None:
            finite = finite | ~label.valid
        if not bool(finite.all()):
            raise RoboTSError(
                f"finite {name} of the teacher",
                f"NaN or Inf in {int((~finite).sum())} of {env.num_envs} worlds",
                "look at the teacher's inputs and normaliser, or mark these labels as not valid",
            )
    if label.std is not None:
        std = label.std if label.valid is None else label.std[label.valid]
        if not bool((std > 0).all()):
            raise RoboTSError(
                "positive standard deviations of the teacher", f"{float(std.min())}", "mend it"
            )


def _check_losses(label: Label, student: Policy, config: DistillConfig) -> None:
    names = [config.loss, *config.extra_losses]
    if any(LOSSES[name].teacher_std for name in names) or config.label == "sample":
        _need(label.std is not None, config, "a teacher with a standard deviation")
    gate = config.rollin.gate
    sure = gate.kind == "std" or (gate.kind == "sag" and gate.signal == "std")
    if any(LOSSES[name].student_std for name in names) or sure:
        _need(student.config.std != "none", config, "a student with a standard deviation")
    if config.latent_weight.value or config.latent_weight.final:
        _need(label.latent is not None, config, "a teacher with a latent")


def _need(there: bool, config: DistillConfig, what: str) -> None:
    if not there:
        raise RoboTSError(
            f"{what}, which loss {[config.loss, *config.extra_losses]}, label {config.label!r} or "
            f"gate {config.rollin.gate.kind!r} needs",
            "one without",
            "set student.std=state, give a teacher with a distribution, or choose loss=mse",
        )


def _known(label: Label) -> Tensor:
    if label.valid is None:
        return label.action
    return label.action[label.valid]
