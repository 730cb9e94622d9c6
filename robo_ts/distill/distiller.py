"""The distillation loop: roll in, label, store, imitate, round after round."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from rsl_rl.env import VecEnv
from torch import Tensor

from robo_ts.distill.config import DistillConfig
from robo_ts.distill.dataset import LABEL, LATENT, STARTS, STD, VALID, SequenceDataset
from robo_ts.distill.diagnostics import Alarm, Diagnostics
from robo_ts.distill.gate import Gate, action_distance
from robo_ts.distill.heads import Heads
from robo_ts.distill.labels import Label
from robo_ts.distill.losses import LOSSES
from robo_ts.distill.outcomes import ended_well, outcomes
from robo_ts.distill.preflight import check, judge_of, scattered
from robo_ts.distill.rollin import Rollin
from robo_ts.distill.teachers import Teacher
from robo_ts.distill.terms import TermReader
from robo_ts.distill.update import Updater
from robo_ts.distributed import copy_from_first, rank
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.policy import Output
from robo_ts.seeds import derive

OUTCOME = "outcome"


class Distiller:
    """Makes a student of a teacher in any rsl_rl ``VecEnv``.

    The student's memory and the teacher's live across updates and are cleared by mask at episode
    ends only. Under ``torchrun`` every process has worlds of its own and all train one student.

    Args:
        env: the worlds; its observations hold the groups that teacher and student read.
        teacher: who labels; several are put together by
            :class:`robo_ts.distill.routing.RoutedTeacher`.
        student: the policy to train, on the environment's device.
        config: settings; ``num_envs`` is taken from the environment.
        seed: seed of everything the distiller itself draws.
        evaluate: measures the student in whole episodes every ``config.evaluate_every`` rounds;
            what it returns is recorded as ``evaluated_<name>``.

    Raises:
        RoboTSError: when teacher, student, environment and settings do not fit each other.
    """

    def __init__(
        self,
        env: VecEnv,
        teacher: Teacher,
        student: Policy,
        config: DistillConfig,
        seed: int = 0,
        evaluate: Callable[[Policy], dict[str, float]] | None = None,
    ) -> None:
        self.env, self.teacher, self.student, self.config = env, teacher, student, config
        self.evaluate = evaluate
        self.device = torch.device(env.device)
        self.iteration = 0
        # Minibatch order is drawn on the host, so that it is the same on every device.
        self.generator = torch.Generator().manual_seed(derive(seed, "minibatches", rank()))
        self.device_generator = torch.Generator(device=self.device)
        self.device_generator.manual_seed(derive(seed, "rollin", rank()))
        self.rollin = Rollin(config.rollin, env.num_envs, self.device_generator)
        self.gate = Gate(
            config.rollin.gate, env.num_envs, self.device_generator, derive(seed, "gate") % 2**32
        )
        self.obs = env.get_observations()
        self.hidden = student.initial_state(env.num_envs)
        self.starts = torch.ones(env.num_envs, dtype=torch.bool, device=self.device)
        label = check(env, teacher, student, config, self.obs)
        self._terms = TermReader(env, config.auxiliary, self.obs)
        # What losses of the student's own need to know.
        self._wanted = TermReader(env, getattr(student, "wants", ()), self.obs)
        self._known = TermReader(env, [config.known] if config.known else [], self.obs)
        self._judges = config.episodes != "all" or config.rollin.gate.kind == "failure"
        heads = self._heads(label)
        copy_from_first(student)
        copy_from_first(heads)
        self.updater = Updater(student, heads, config, self.generator, self.device_generator)
        self.averaged = copy.deepcopy(student).requires_grad_(False) if config.ema else None
        self.alarm = Alarm()
        self.dataset = SequenceDataset(
            config.dataset,
            config.steps_per_iteration,
            env.num_envs,
            self._row(label, torch.ones_like(self.starts)),
            self.hidden,
            torch.Generator().manual_seed(derive(seed, "reservoir", rank())),
            announce=rank() == 0,
        )

    def _heads(self, label: Label) -> Heads:
        weight = self.config.latent_weight
        wanted = bool(weight.value or weight.final) and label.latent is not None
        width = label.latent.shape[-1] if wanted and label.latent is not None else 0
        failure = self.config.rollin.gate.kind == "failure"
        sizes = self._terms.sizes(self.obs)
        return Heads(self.student.latent_size, sizes, width, failure).to(self.device)

    @property
    def samples(self) -> int:
        """Control steps gathered so far, over all worlds of this process."""
        return self.iteration * self.config.steps_per_iteration * self.env.num_envs

    def policy(self) -> Policy:
        """The student as it is measured and exported: averaged, when ``config.ema`` says so."""
        return self.averaged if self.averaged is not None else self.student

    def learn_one(self) -> dict[str, float]:
        """One round: gather, update. Returns its measurements."""
        measured = self._gather()
        labels = self.dataset.labels()
        if not labels and not self.gate.is_spent:
            raise RoboTSError(
                "labels that may be learnt from",
                f"none in {len(self.dataset)} sequences",
                "look at label.valid of the teacher, distill.episodes and the gate",
            )
        if labels:  # else the budget of labels is spent, and the student stays as it is
            measured |= self.updater.run(self.dataset, self.iteration, self.averaged)
        self.iteration += 1
        threshold = self.gate.update(self.iteration)
        if threshold is not None:
            measured["gate_threshold"] = threshold
        measured["alarm"] = float(self.alarm.rings(measured))
        every = self.config.evaluate_every
        if self.evaluate is not None and every and self.iteration % every == 0:
            found = self.evaluate(self.policy())
            measured |= {f"evaluated_{name}": value for name, value in found.items()}
        return measured

    # -- gathering ---------------------------------------------------------------------------------

    @torch.no_grad()
    def _gather(self) -> dict[str, float]:
        config, student = self.config, self.student
        diagnostics = Diagnostics(self.env.num_actions, self.device, self.device_generator)
        self.rollin.begin(self.iteration)
        self.dataset.begin(self.hidden)
        unsure = torch.zeros(self.env.num_envs, device=self.device)
        wrong, judged = torch.zeros_like(unsure), torch.zeros_like(unsure)
        validated = torch.zeros((), device=self.device)
        ends: list[tuple[Tensor, Tensor]] = []
        memory = self.hidden
        for step in range(config.steps_per_iteration):
            own, self.hidden = student.run(self.obs, self.hidden)
            memory = self.hidden
            said = self._said(own)
            label = self._drawn(said)
            clipped = student.clip(own.action)
            foreseen = self.updater.heads.predicted_failure(own.latent)
            shut = self.gate.step(own, clipped, label, foreseen)
            label, right = self._validated(label, own, clipped, shut)
            validated += right.float().mean()
            over = shut if config.rollin.gate.takes_over else torch.zeros_like(shut)
            valid = self._asked(label, shut)
            diagnostics.step(own, said, self.rollin.teacher_acts, over, valid)
            action = self.rollin.choose(student.clip(self._noisy(own.action)), label.action, over)
            self.dataset.add(step, self._row(label, valid))
            distance = action_distance(clipped, label.action)
            unsure += distance if own.std is None else own.std.mean(dim=-1)
            wrong += torch.where(valid, distance, 0.0)
            judged += valid
            done, extras = self._advance(action)
            self._after(done)
            diagnostics.episodes(ended_well(extras, self.starts))
            if self._judges:
                ends.append((self.starts, outcomes(extras, self.starts)))
        self._finish(unsure, wrong / judged, ends)
        measured = diagnostics.read(memory)
        if config.rollin.gate.validated:
            measured["validated"] = float(validated) / config.steps_per_iteration
        return measured

    def _advance(self, action: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """Step the worlds, or begin all of them anew; which episodes ended, and the extras."""
        if self.iteration < self.config.scatter_iterations:
            self.obs = scattered(self.env)
            return torch.ones_like(self.starts), {}
        self.obs, _, dones, extras = self.env.step(action)
        # A copy: environments may use one buffer for all steps.
        return dones.bool().clone(), extras

    def _after(self, done: Tensor) -> None:
        """Episodes ended: clear the memories, and only these."""
        self.starts = done
        self.hidden = self.student.reset_state(self.hidden, done)
        self.teacher.reset(done)
        self.rollin.reset(done)
        self.gate.reset(done)

    def _said(self, own: Output) -> Label:
        """The teacher's word; where it has none, which may be written as NaN, the student's own
        action stands in, for the worlds to go on with."""
        label = self.teacher.label(self.obs, own)
        if label.valid is None:
            return label
        there = label.valid[:, None]
        return Label(
            torch.where(there, label.action, self.student.clip(own.action)),
            label.valid,
            None if label.std is None else torch.where(there, label.std, 1.0),
            None if label.latent is None else torch.where(there, label.latent, 0.0),
        )

    def _drawn(self, label: Label) -> Label:
        """The label to learn: the mean, or a draw from the teacher's distribution."""
        if self.config.label != "sample" or label.std is None:
            return label
        noise = torch.randn(label.action.shape, generator=self.device_generator, device=self.device)
        return replace(label, action=label.action + label.std * noise)

    def _asked(self, label: Label, shut: Tensor) -> Tensor:
        """Which labels may be learnt from: valid ones that a student may know the reason of, and
        those the gate asked for."""
        gate, fit = self.config.rollin.gate, label.known
        for term in self._known.read(self.obs).values():
            fit = fit & (term > 0.5).all(dim=-1)
        return fit & shut if gate.kind != "none" and gate.labels else fit

    def _validated(
        self, label: Label, own: Output, clipped: Tensor, shut: Tensor
    ) -> tuple[Label, Tensor]:
        """Judge the student's plans for SAG; those found right may become labels (FIER of
        ASkDAgger, arXiv 2508.05310).

        Returns:
            The label, and where it is the student's own plan, ``(num_envs,)`` bool.
        """
        gate, nowhere = self.config.rollin.gate, torch.zeros_like(shut)
        if gate.kind != "sag" and not gate.validated:
            return label, nowhere
        judge = judge_of(self.env)
        if judge is not None:
            known, right = torch.ones_like(shut), judge(clipped)
        else:
            known = label.known
            right = known & (action_distance(clipped, label.action) <= gate.tolerance)
        if gate.kind == "sag":
            outcome = torch.where(right, 1, -1) * (shut & known)
            self.gate.record(self.gate.uncertainty(own, clipped, label), outcome, shut)
        if not gate.validated:
            return label, nowhere
        # Without a gate every state is asked about.
        taken = right if gate.kind == "none" else right & shut
        action = torch.where(taken[:, None], clipped, label.action)
        return Label(action, label.valid, label.std, label.latent), taken

    def _noisy(self, action: Tensor) -> Tensor:
        if not self.config.action_noise:
            return action
        noise = torch.randn(action.shape, generator=self.device_generator, device=self.device)
        return action + self.config.action_noise * noise

    def _row(self, label: Label, valid: Tensor) -> dict[str, Tensor]:
        """One step of the data set; what may not be learnt from is zero, not NaN."""
        row = {f"obs.{name}": self.obs[name] for name in self.student.spec}
        known = self._wanted.read(self.obs) | self._terms.read(self.obs)
        row |= {f"aux.{name}": value for name, value in known.items()}
        row |= {LABEL: torch.where(valid[:, None], label.action, 0.0), VALID: valid}
        row[STARTS] = self.starts
        names = (self.config.loss, *self.config.extra_losses)
        if label.std is not None and any(LOSSES[name].teacher_std for name in names):
            row[STD] = torch.where(valid[:, None], label.std, 1.0)
        weight = self.config.latent_weight
        if label.latent is not None and (weight.value or weight.final):
            row[LATENT] = label.latent
        if self._judges:
            row[OUTCOME] = torch.zeros_like(valid, dtype=torch.float32)
        return row

    def _finish(self, unsure: Tensor, wrong: Tensor, ends: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Judge the round's sequences and gather statistics."""
        config, rollout = self.config, self.dataset.newest()
        if self._judges:
            _spread_outcomes(rollout.fields[OUTCOME], ends)
            outcome = rollout.fields[OUTCOME]
            if config.episodes == "successes":
                rollout.valid.logical_and_(outcome >= 0)
            elif config.episodes == "failures":
                rollout.valid.logical_and_(outcome <= 0)
        steps = config.steps_per_iteration
        outcome = torch.where(wrong <= config.rollin.gate.tolerance, 1.0, -1.0)
        # Nobody judged a world without labels: its mean error is not a number.
        self.dataset.end(unsure / steps, torch.where(wrong.isnan(), 0.0, outcome))
        since = self.iteration - config.scatter_iterations
        if since < config.normalizer_iterations:
            # At the very start nothing moves: statistics of that would be none.
            if since >= 0 and self.student.config.normalize and self.student.spec.vectors():
                self.student.normalizer.update(  # type: ignore[operator]
                    self.student.inputs(rollout.obs)
                )
            # What heads tell of is measured in units of its own spread, at the start and later.
            self.updater.heads.observe(rollout.fields, anew=since == 0)

    # -- persistence -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future, the environment included when it can tell.

        A copy: training on does not change it.
        """
        inner: Any = getattr(self.env, "env", self.env)
        state = {
            "iteration": self.iteration,
            "student": self.student.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged is not None else None,
            "updater": self.updater.state_dict(),
            "dataset": self.dataset.state_dict(),
            "rollin": self.rollin.state_dict(),
            "gate": self.gate.state_dict(),
            "alarm": self.alarm.state_dict(),
            "teacher": self.teacher.state_dict(),
            "hidden": list(self.hidden),
            "starts": self.starts,
            "obs": {name: self.obs[name] for name in self.obs.keys()},  # noqa: SIM118
            "generator": self.generator.get_state(),
            "device_generator": self.device_generator.get_state(),
            "env": inner.state_dict() if hasattr(inner, "state_dict") else None,
        }
        return copy.deepcopy(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`.

        What follows is bit-identical to a run that never stopped, where the environment can be
        restored too. One that has no ``state_dict`` goes on where it stands now: every world then
        counts as the start of an episode, and memories begin anew.
        """
        # A copy, because torch would go on to change the loaded moments in place.
        state = copy.deepcopy(state)
        self.iteration = state["iteration"]
        self.student.load_state_dict(state["student"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        for name in ("updater", "dataset", "rollin", "gate", "alarm", "teacher"):
            getattr(self, name).load_state_dict(state[name])
        self.hidden = tuple(part.to(self.device) for part in state["hidden"])
        self.starts = state["starts"].to(self.device)
        self.generator.set_state(state["generator"])
        self.device_generator.set_state(state["device_generator"])
        inner: Any = getattr(self.env, "env", self.env)
        if state["env"] is None:
            self._start_anew()
            return
        inner.load_state_dict(state["env"])
        for name, value in state["obs"].items():
            self.obs[name] = value.to(self.device)

    def _start_anew(self) -> None:
        everywhere = torch.ones_like(self.starts)
        self.obs = self.env.get_observations()
        self.hidden = self.student.initial_state(self.env.num_envs)
        self._after(everywhere)


def _spread_outcomes(outcome: Tensor, ends: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Write each episode's outcome to all its steps in this round; unknown ends stay zero."""
    carried = torch.zeros_like(outcome[0])
    for step in reversed(range(len(ends))):
        done, success = ends[step]
        carried = torch.where(done, success, carried)
        outcome[step] = carried
