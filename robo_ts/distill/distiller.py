"""The distillation loop: roll in, label, store, imitate, round after round."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from rsl_rl.env import VecEnv
from torch import Tensor

from robo_ts.distill.config import DistillConfig
from robo_ts.distill.dataset import Rollout, WindowDataset
from robo_ts.distill.diagnostics import Diagnostics
from robo_ts.distill.losses import LOSSES, masked_mean
from robo_ts.distill.rollin import Rollin
from robo_ts.distill.teachers import Teacher
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.policies.memory import detached
from robo_ts.seeds import derive


class Distiller:
    """Makes a student of a teacher in any rsl_rl ``VecEnv``.

    The student's memory and the teacher's live across updates and are cleared by mask at episode
    ends only.

    Args:
        env: the worlds; its observations hold the groups that teacher and student read.
        teacher: who labels.
        student: the policy to train, on the environment's device.
        config: settings; ``num_envs`` is taken from the environment.
        seed: seed of everything the distiller itself draws.
    """

    def __init__(
        self, env: VecEnv, teacher: Teacher, student: Policy, config: DistillConfig, seed: int = 0
    ) -> None:
        self.env, self.teacher, self.student, self.config = env, teacher, student, config
        self.device = torch.device(env.device)
        self.iteration = 0
        self.optimizer = torch.optim.Adam(student.parameters(), lr=config.learning_rate)
        # Minibatch order is drawn on the host, so that it is the same on every device.
        self.generator = torch.Generator().manual_seed(derive(seed, "minibatches"))
        self.device_generator = torch.Generator(device=self.device)
        self.device_generator.manual_seed(derive(seed, "rollin"))
        self.rollin = Rollin(config.rollin, env.num_envs, self.device_generator)
        self.obs = env.get_observations()
        self.hidden = student.initial_state(env.num_envs)
        self.starts = torch.ones(env.num_envs, dtype=torch.bool, device=self.device)
        self._loss = LOSSES[config.loss]
        student.inputs(self.obs)
        self.dataset = WindowDataset(
            config.window,
            config.steps_per_iteration,
            env.num_envs,
            self.obs,
            list(student.spec),
            env.num_actions,
            self.hidden,
            config.memory_budget_gb,
        )

    @property
    def samples(self) -> int:
        """Control steps gathered so far, over all worlds."""
        return self.iteration * self.config.steps_per_iteration * self.env.num_envs

    def learn_one(self) -> dict[str, float]:
        """One round: gather, update. Returns its measurements."""
        measured = self._gather()
        measured |= self._update()
        self.iteration += 1
        return measured

    # -- gathering ---------------------------------------------------------------------------------

    @torch.no_grad()
    def _gather(self) -> dict[str, float]:
        config, student = self.config, self.student
        diagnostics = Diagnostics(self.env.num_actions, self.device)
        self.rollin.begin(self.iteration)
        self.dataset.begin(self.hidden)
        for step in range(config.steps_per_iteration):
            label, valid = self.teacher.label(self.obs)
            own, self.hidden = student(self.obs, self.hidden)
            diagnostics.step(own, label, self.rollin.teacher_acts)
            self.dataset.add(step, self.obs, label, valid, self.starts)
            action = self.rollin.choose(student.clip(self._noisy(own)), label)
            self.obs, _, dones, extras = self.env.step(action)
            self.starts = dones.bool()
            self.hidden = student.reset_state(self.hidden, self.starts)
            self.teacher.reset(self.starts)
            self.rollin.reset(self.starts)
            diagnostics.episodes(extras)
        rollout = self.dataset.end()
        if self.iteration < config.normalizer_iterations and student.config.normalize:
            student.normalizer.update(student.inputs(rollout.obs))  # type: ignore[operator]
        return diagnostics.read(self.hidden)

    def _noisy(self, action: Tensor) -> Tensor:
        if not self.config.action_noise:
            return action
        noise = torch.randn(action.shape, generator=self.device_generator, device=self.device)
        return action + self.config.action_noise * noise

    # -- learning ----------------------------------------------------------------------------------

    def learning_rate(self) -> float:
        """The rate of this round: a cosine over all rounds."""
        config = self.config
        share = min(self.iteration / config.iterations, 1.0)
        low = config.final_learning_rate
        return low + 0.5 * (config.learning_rate - low) * (1.0 + math.cos(math.pi * share))

    def _update(self) -> dict[str, float]:
        rate = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss_sum = torch.zeros((), device=self.device)
        norm_sum = torch.zeros((), device=self.device)
        count = 0
        self.student.train()
        for _ in range(self.config.epochs):
            for batch, newest in self.dataset.minibatches(self.config.minibatches, self.generator):
                for loss in self._chunk_losses(batch, 0 if newest else self.config.burn_in):
                    self.optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    norm_sum += torch.nn.utils.clip_grad_norm_(
                        self.student.parameters(), self.config.max_grad_norm
                    )
                    self.optimizer.step()
                    loss_sum += loss.detach()
                    count += 1
        self.student.eval()
        loss_mean = float(loss_sum) / count
        if not math.isfinite(loss_mean):
            raise RoboTSError(
                "a finite imitation loss",
                f"{loss_mean} in round {self.iteration}",
                "lower distill.learning_rate or look at the teacher's labels",
            )
        return {"loss": loss_mean, "grad_norm": float(norm_sum) / count, "learning_rate": rate}

    def _chunk_losses(self, batch: Rollout, burn_in: int):
        """The loss of each chunk in turn; gradients stop where a chunk begins, memory does not."""
        hidden = batch.hidden
        for begin in range(0, self.config.steps_per_iteration, self.config.bptt_length):
            part = slice(begin, begin + self.config.bptt_length)
            obs = {name: value[part] for name, value in batch.obs.items()}
            action, hidden = self.student.sequence(obs, hidden, batch.starts[part])
            hidden = detached(hidden)
            weight = batch.valid[part].float()
            if begin == 0 and burn_in:
                weight[:burn_in] = 0.0
            yield masked_mean(self._loss(action, batch.label[part]), weight)

    # -- persistence -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future, the environment included when it can tell.

        A copy: training on does not change it.
        """
        inner: Any = getattr(self.env, "env", self.env)
        state = {
            "iteration": self.iteration,
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "dataset": self.dataset.state_dict(),
            "rollin": self.rollin.state_dict(),
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
        self.iteration = state["iteration"]
        self.student.load_state_dict(state["student"])
        # A copy, because torch would go on to change the loaded moments in place.
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.dataset.load_state_dict(state["dataset"])
        self.rollin.load_state_dict(state["rollin"])
        self.teacher.load_state_dict(state["teacher"])
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
        self.obs, self.starts = self.env.get_observations(), everywhere
        self.hidden = self.student.initial_state(self.env.num_envs)
        self.teacher.reset(everywhere)
        self.rollin.reset(everywhere)
