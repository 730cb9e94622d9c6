"""What would go wrong an hour later, found before the first round."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

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
    deployable = student.spec.privileged()
    if deployable and not config.privileged_student:
        raise RoboTSError(
            "a student that reads deployable groups only",
            f"one that reads {', '.join(deployable)}",
            "leave these groups out, or set distill.privileged_student=true for an experiment",
        )
    label, again = (_ask_teacher(teacher, obs, own) for _ in range(2))
    _check_label(label, env)
    if config.label == "mean" and not torch.equal(
        label.action[label.known], again.action[again.known]
    ):
        raise RoboTSError(
            "a deterministic teacher (distill.label=mean)",
            "one that answers the same question with two different actions",
            "let label() give the mean and its std, and set distill.label=sample to draw from it",
        )
    _check_losses(label, student, config)
    gate = config.rollin.gate
    judge = judge_of(env) if gate.validated or gate.kind == "sag" else None
    if judge is not None:
        _check_judge(judge(student.clip(own.action)), env)
    return label


def judge_of(env: VecEnv) -> Callable[[Tensor], Tensor] | None:
    """The environment's ``judge_plan``, its own or that of the task it shows; None without one.

    It is given the actions the student would execute now, ``(num_envs, num_actions)``, and says
    which of them the task finds right, ``(num_envs,)`` bool, without stepping.
    """
    return getattr(getattr(env, "env", env), "judge_plan", None)


def scattered(env: VecEnv) -> TensorDict:
    """Begin new episodes in all worlds; the observations.

    Raises:
        RoboTSError: for an environment that cannot be reset from outside, as rsl_rl asks of none.
    """
    inner: Any = getattr(env, "env", env)
    if not callable(getattr(inner, "reset", None)):
        raise RoboTSError(
            "an environment with reset(), for distill.scatter_iterations",
            f"{type(inner).__name__} without",
            "set distill.scatter_iterations=0",
        )
    begun = inner.reset()
    # rsl_rl's own environments return extras as well.
    return begun[0] if isinstance(begun, tuple) else begun


def _check_judge(right: Any, env: VecEnv) -> None:
    kind = getattr(right, "dtype", type(right).__name__)
    shape = tuple(getattr(right, "shape", ()))
    if kind != torch.bool or shape != (env.num_envs,):
        raise RoboTSError(
            f"judge_plan(actions) of the environment to give bools of shape ({env.num_envs},)",
            f"{kind} of shape {shape}",
            "say per world whether the plan is right",
        )


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
    label = _ask_teacher(teacher, obs, own)
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


def _ask_teacher(teacher: Teacher, obs: TensorDict, own: Output) -> Label:
    """Its word, after which its memory is as it was."""
    try:
        before = copy.deepcopy(teacher.state_dict())
        label = teacher.label(obs, own)
        teacher.load_state_dict(before)
    except RoboTSError as error:
        raise RoboTSError(f"for the teacher {error.expected}", error.got, error.fix) from error
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise RoboTSError(
            "a teacher with label(obs, student), reset, state_dict and load_state_dict, made for "
            "this environment",
            f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
            "look at its inputs, its number of worlds and, of several teachers, at each one's "
            "action size",
        ) from error
    return label


def _check_label(label: Label, env: VecEnv) -> None:
    shape = (env.num_envs, env.num_actions)
    valid = label.valid
    if valid is not None and (tuple(valid.shape) != shape[:1] or valid.dtype != torch.bool):
        raise RoboTSError(
            f"label.valid of shape {shape[:1]}, bool",
            f"{tuple(valid.shape)}, {valid.dtype}",
            "mend the teacher",
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
        if value.dtype != torch.float32:
            raise RoboTSError(f"float32 {name} of the teacher", str(value.dtype), "call .float()")
        finite = torch.isfinite(value).all(dim=-1) | ~label.known
        if not bool(finite.all()):
            raise RoboTSError(
                f"finite {name} of the teacher",
                f"NaN or Inf in {int((~finite).sum())} of {env.num_envs} worlds",
                "look at the teacher's inputs and normaliser, or mark these labels as not valid",
            )
    if label.std is not None:
        std = label.std[label.known]
        if not bool((std > 0).all()):
            raise RoboTSError(
                "positive standard deviations of the teacher", f"{float(std.min())}", "mend it"
            )


def _check_losses(label: Label, student: Policy, config: DistillConfig) -> None:
    names = [config.loss, *config.extra_losses]
    told = any(LOSSES[name].teacher_std for name in names)
    if told or config.label == "sample":
        _need(label.std is not None, config, "a teacher with a standard deviation")
    if told and config.label == "sample":
        raise RoboTSError(
            f"distill.label=mean for loss {names}, which knows the teacher's spread itself",
            "label=sample, which would count it twice",
            "set distill.label=mean, or loss=nll to learn from draws",
        )
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
            "set student.std=state for the student, teach a teacher anew (robo-ts teach keeps its "
            "distribution) for the teacher, or choose loss=mse",
        )
