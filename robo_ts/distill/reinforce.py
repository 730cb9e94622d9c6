"""Imitation plus reward: PPO on the student, with a KL to the teacher that goes as it learns.

The loss is ``ppo * PPO + kl * KL(student || teacher)`` on the student's own roll-outs (KDRL, arXiv
2506.02208). Without a teacher, or with ``kl.value=0``, it is plain recurrent PPO: what fine-tunes a
distilled student with reward. The critic may read privileged groups.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import torch
from rsl_rl.env import VecEnv
from torch import Tensor

from robo_ts.distill.heads import Heads
from robo_ts.distill.labels import Label
from robo_ts.distill.losses import gaussian_kl, masked_mean
from robo_ts.distill.outcomes import ended_well, outcomes
from robo_ts.distill.preflight import check_reward
from robo_ts.distill.reinforce_batch import (
    Batch,
    log_prob,
    not_succeeded,
    stacked,
)
from robo_ts.distill.reinforce_config import ReinforceConfig
from robo_ts.distill.teachers import Teacher
from robo_ts.distill.terms import TermReader
from robo_ts.distributed import all_mean, average_gradients, copy_from_first, rank
from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Output
from robo_ts.seeds import derive


class Reinforcer:
    """Improves a student with reward, held near the teacher as long as that helps.

    Args:
        env: the worlds.
        teacher: who is imitated; None for reward alone. It is not asked where ``config.kl`` is 0
            from beginning to end.
        student: the policy; it needs a standard deviation (``std: constant`` or ``state``).
        critic: the groups the critic reads, privileged ones included.
        config: settings; ``num_envs`` is taken from the environment.
        seed: seed of everything it draws.
        heads: of the same auxiliary terms, already trained with this student; new ones when left
            out.

    Raises:
        RoboTSError: when student, teacher, critic and environment do not fit each other, or one
            lacks a standard deviation.
    """

    def __init__(
        self,
        env: VecEnv,
        teacher: Teacher | None,
        student: Policy,
        critic: ObservationSpec,
        config: ReinforceConfig,
        seed: int = 0,
        heads: Heads | None = None,
    ) -> None:
        self.obs = env.get_observations()
        teacher = teacher if pulls(config) else None
        check_reward(env, teacher, student, critic, self.obs)
        self.env, self.teacher, self.student, self.config = env, teacher, student, config
        self.device = torch.device(env.device)
        self.iteration, self.kl_scale = 0, 1.0
        # A distilled student keeps the statistics its weights have been trained with.
        self._learns_statistics = _count(student) == 0
        torch.manual_seed(derive(seed, "critic"))
        memory = "gru" if config.critic_memory else "none"
        self.critic = Policy(
            PolicyConfig(
                encoder=config.critic,
                memory=memory,
                memory_size=max(config.critic_memory, 1),
                action_clip=0.0,
            ),
            critic,
            1,
        ).to(self.device)
        self.critic.inputs(self.obs)  # complains where a group is of another size
        self._known = TermReader(env, [config.known] if config.known else [], self.obs)
        self._terms = TermReader(env, config.auxiliary, self.obs)
        self.heads = heads if heads is not None else self._heads()
        for part in (student, self.critic, self.heads):
            copy_from_first(part)
        self.generator = torch.Generator().manual_seed(derive(seed, "minibatches", rank()))
        self.device_generator = torch.Generator(device=self.device)
        self.device_generator.manual_seed(derive(seed, "actions", rank()))
        learnt = [*student.parameters(), *self.heads.parameters()]
        self.parameters = [learnt, list(self.critic.parameters())]
        self.optimizer = torch.optim.Adam([{"params": part} for part in self.parameters])
        self.hidden = student.initial_state(env.num_envs)
        self.critic_hidden = self.critic.initial_state(env.num_envs)
        self.starts = torch.ones(env.num_envs, dtype=torch.bool, device=self.device)
        self.earned = torch.zeros(env.num_envs, device=self.device)

    @property
    def samples(self) -> int:
        """Control steps gathered so far, over all worlds of this process."""
        return self.iteration * self.config.steps_per_iteration * self.env.num_envs

    def policy(self) -> Policy:
        """The student."""
        return self.student

    def learn_one(self) -> dict[str, float]:
        """One round: gather, update. Returns its measurements."""
        batch, measured = self._gather()
        self._advantages(batch)
        measured |= self._update(batch)
        if self.iteration < self.config.normalizer_iterations:
            for policy in (self.student, self.critic):
                learns = policy is self.critic or self._learns_statistics
                if learns and isinstance(policy.normalizer, Normalizer):
                    policy.normalizer.update(policy.inputs(batch.obs))
            self.heads.observe(batch.aux)
        self._adapt(measured)
        self.iteration += 1
        return measured

    # -- gathering ---------------------------------------------------------------------------------

    @torch.no_grad()
    def _gather(self) -> tuple[Batch, dict[str, float]]:
        hidden, critic_hidden = self.hidden, self.critic_hidden
        rows: list[dict[str, Any]] = []
        ends: list[Tensor] = []
        finished: dict[str, list[Tensor]] = {"success": [], "return": []}
        for _ in range(self.config.steps_per_iteration):
            own, self.hidden = self.student.run(self.obs, self.hidden)
            value, self.critic_hidden = self.critic(self.obs, self.critic_hidden)
            label = self._label(own)
            assert own.std is not None
            noise = torch.randn(
                own.action.shape, generator=self.device_generator, device=self.device
            )
            action = own.action + own.std * noise
            row = {
                "obs": {n: self.obs[n].clone() for n in (*self.student.spec, *self.critic.spec)},
                "aux": {f"aux.{n}": v.clone() for n, v in self._terms.read(self.obs).items()},
                "action": action,
                "log_prob": log_prob(own, action),
                "value": value[:, 0],
                "starts": self.starts,
                **_word(self._within_sight(label)),
            }
            self.obs, reward, dones, extras = self.env.step(self.student.clip(action))
            # Copies: environments may use one buffer for all steps.
            done, reward = dones.bool().clone(), reward.reshape(-1).clone()
            self.earned += reward
            finished["return"].append(self.earned[done])
            self.earned = torch.where(done, 0.0, self.earned)
            if "time_outs" in extras:  # the episode would have gone on: as rsl_rl bootstraps
                reward = reward + self.config.gamma * value[:, 0] * extras["time_outs"].float()
            rows.append(row | {"reward": reward, "done": done})
            ends.append(outcomes(extras, done).clamp_min(0.0))
            ended = ended_well(extras, done)
            if ended is not None:
                finished["success"].append(ended)
            self.starts = done
            self.hidden = self.student.reset_state(self.hidden, done)
            self.critic_hidden = self.critic.reset_state(self.critic_hidden, done)
            if self.teacher is not None:
                self.teacher.reset(done)
        batch = stacked(rows, not_succeeded(rows, ends), hidden, critic_hidden)
        measured = {"reward": float(batch.reward.mean())}
        measured["episodes"] = float(sum(len(values) for values in finished["return"]))
        for name, values in finished.items():
            if sum(len(value) for value in values):
                measured[name] = float(torch.cat(values).mean())
        return batch, measured

    def _label(self, own: Output) -> Label:
        """The teacher's word; the student's own, which has no pull, without a teacher."""
        if self.teacher is None:
            return Label(own.action, None, own.std)
        return self.teacher.label(self.obs, own)

    def _within_sight(self, label: Label) -> Label:
        """The teacher's word, as far as the student may know the reason of it."""
        fit = label.known
        for term in self._known.read(self.obs).values():
            fit = fit & (term > 0.5).all(dim=-1)
        return replace(label, valid=fit)

    def _heads(self) -> Heads:
        sizes = self._terms.sizes(self.obs)
        return Heads(self.student.latent_size, sizes, 0, failure=False).to(self.device)

    @torch.no_grad()
    def _advantages(self, batch: Batch) -> None:
        """Generalised advantage estimation (Schulman et al. 2016), normalised over the round."""
        config = self.config
        following, _ = self.critic(self.obs, self.critic_hidden)
        following, running = following[:, 0], torch.zeros(self.env.num_envs, device=self.device)
        advantage = torch.zeros_like(batch.reward)
        for t in reversed(range(len(batch.reward))):
            going = (~batch.done[t]).float()
            delta = batch.reward[t] + config.gamma * following * going - batch.value[t]
            running = delta + config.gamma * config.lam * going * running
            advantage[t] = running
            following = batch.value[t]
        batch.returns = advantage + batch.value
        batch.advantage = advantage

    # -- learning ----------------------------------------------------------------------------------

    def kl_weight(self) -> float:
        """Weight of the KL in this round."""
        return self.config.kl.at(self.iteration) * self.kl_scale if self.teacher else 0.0

    def _update(self, batch: Batch) -> dict[str, float]:
        config = self.config
        rate = self._set_rates()
        spread = batch.advantage.std() + 1e-8
        scaled = (batch.advantage - batch.advantage.mean()) / spread
        behind = batch.advantage < 0
        batch.advantage = scaled
        sums: dict[str, Tensor] = {}
        count = 0
        for _ in range(config.epochs):
            order = torch.randperm(self.env.num_envs, generator=self.generator).to(self.device)
            for ids in order.chunk(config.minibatches):
                losses = self._losses(batch.worlds(ids), behind[:, ids])
                self._descend(losses["total"])
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value.detach()
                count += 1
        means = {name: all_mean(float(value) / count) for name, value in sums.items()}
        if not math.isfinite(means["total"]):
            raise RoboTSError(
                "finite losses",
                f"{means} in round {self.iteration}",
                "lower reinforce.learning_rate or scale the reward down",
            )
        means.pop("total")
        self._fit_critic(batch)
        return means | {"kl_weight": self.kl_weight(), "learning_rate": rate}

    def _set_rates(self) -> float:
        """Learning rates of this round; the student's."""
        config = self.config
        share = min(self.iteration / config.iterations, 1.0)
        rate = config.learning_rate + share * (config.final_learning_rate - config.learning_rate)
        ratio = (config.critic_learning_rate or config.learning_rate) / config.learning_rate
        student, critic = self.optimizer.param_groups
        student["lr"], critic["lr"] = rate, rate * ratio
        return rate

    def _descend(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients([parameter for part in self.parameters for parameter in part])
        # Each by itself: errors of the value, whose scale is the reward's, would shrink the steps
        # of the student.
        for part in self.parameters:
            torch.nn.utils.clip_grad_norm_(part, self.config.max_grad_norm)
        self.optimizer.step()

    def _fit_critic(self, batch: Batch) -> None:
        """More passes over the round for the critic alone."""
        config = self.config
        for _ in range(config.critic_epochs):
            order = torch.randperm(self.env.num_envs, generator=self.generator).to(self.device)
            for ids in order.chunk(config.minibatches):
                self._descend(config.value_loss * self._value_loss(batch.worlds(ids)))

    def _value_loss(self, batch: Batch) -> Tensor:
        value, _ = self.critic.sequence(batch.obs, batch.critic_hidden, batch.starts)
        return (value[..., 0] - batch.returns).square().mean()

    def _losses(self, batch: Batch, behind: Tensor) -> dict[str, Tensor]:
        config = self.config
        critic = self._value_loss(batch)
        if self.iteration < config.critic_warmup_iterations:
            # Nor the auxiliary terms: the features the actor relies on would drift away from it.
            return {"total": config.value_loss * critic, "value_loss": critic}
        own, _ = self.student.run(batch.obs, batch.hidden, batch.starts)
        assert own.std is not None
        ratio = (log_prob(own, batch.action) - batch.log_prob).exp()
        clipped = ratio.clamp(1.0 - config.clip, 1.0 + config.clip)
        surrogate = -torch.minimum(ratio * batch.advantage, clipped * batch.advantage).mean()
        entropy = own.std.log().sum(dim=-1).mean()
        weight = batch.valid.float()
        if config.mask == "advantage":
            weight = weight * behind
        elif config.mask == "success":
            weight = weight * batch.failed
        kl = torch.zeros((), device=self.device)
        if self.teacher is not None:
            gap = gaussian_kl(own.action, own.std, batch.label, batch.label_std).sum(dim=-1)
            kl = masked_mean(gap, weight)
        actor = config.ppo.at(self.iteration) * surrogate - config.entropy * entropy
        total = actor + self.kl_weight() * kl + config.value_loss * critic
        extra = {}
        if self.heads.names:
            extra["auxiliary"] = self.heads.auxiliary_loss(own.latent, batch.aux).mean()
            total = total + config.auxiliary_weight.at(self.iteration) * extra["auxiliary"]
        return {
            "total": total,
            **extra,
            "surrogate_loss": surrogate,
            "value_loss": critic,
            "kl": kl,
            "action_std": own.std.mean(),
        }

    def _adapt(self, measured: dict[str, float]) -> None:
        """Loosen the teacher's pull while the student does well, tighten it while it does not.

        As the dual variable of a return threshold (Haarnoja et al. 2023, arXiv 2304.13653), in the
        logarithm, so that it stays positive.
        """
        config = self.config
        if config.kl_adapt == "none":
            return
        # Every process takes part in the mean, with a round of its own or without.
        there = all_mean(float(config.kl_adapt in measured))
        total = all_mean(measured.get(config.kl_adapt, 0.0))
        if there > 0.0:
            step = config.kl_rate * (config.kl_target - total / there)
            self.kl_scale = min(max(self.kl_scale * math.exp(step), 1e-4), 1.0)

    # -- persistence -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future, the environment included when it can tell."""
        inner: Any = getattr(self.env, "env", self.env)
        state = {
            "iteration": self.iteration,
            "kl_scale": self.kl_scale,
            "learns_statistics": self._learns_statistics,
            "earned": self.earned,
            "student": self.student.state_dict(),
            "critic": self.critic.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "teacher": self.teacher.state_dict() if self.teacher is not None else None,
            "hidden": list(self.hidden),
            "critic_hidden": list(self.critic_hidden),
            "starts": self.starts,
            "obs": {name: self.obs[name] for name in self.obs.keys()},  # noqa: SIM118
            "generator": self.generator.get_state(),
            "device_generator": self.device_generator.get_state(),
            "env": inner.state_dict() if hasattr(inner, "state_dict") else None,
        }
        return copy.deepcopy(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; an environment that cannot be restored starts anew."""
        state = copy.deepcopy(state)
        self.iteration, self.kl_scale = state["iteration"], state["kl_scale"]
        self._learns_statistics = state["learns_statistics"]
        self.earned = state["earned"].to(self.device)
        self.student.load_state_dict(state["student"])
        self.critic.load_state_dict(state["critic"])
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])
        self.generator.set_state(state["generator"])
        self.device_generator.set_state(state["device_generator"])
        self.hidden = tuple(part.to(self.device) for part in state["hidden"])
        self.critic_hidden = tuple(part.to(self.device) for part in state["critic_hidden"])
        self.starts = state["starts"].to(self.device)
        inner: Any = getattr(self.env, "env", self.env)
        if state["env"] is not None:
            inner.load_state_dict(state["env"])
            for name, value in state["obs"].items():
                self.obs[name] = value.to(self.device)
            return
        self.obs, self.starts = self.env.get_observations(), torch.ones_like(self.starts)
        self.earned = torch.zeros_like(self.earned)
        self.hidden = self.student.initial_state(self.env.num_envs)
        self.critic_hidden = self.critic.initial_state(self.env.num_envs)
        if self.teacher is not None:
            self.teacher.reset(self.starts)


def pulls(config: ReinforceConfig) -> bool:
    """Whether the KL to the teacher ever has a weight."""
    return bool(config.kl.value or config.kl.final)


def _count(policy: Policy) -> float:
    """Samples in the policy's input statistics."""
    return float(policy.normalizer.count) if isinstance(policy.normalizer, Normalizer) else 0.0


def _word(label: Label) -> dict[str, Tensor]:
    """The teacher's word; where it may not be learnt from a plain one, for it may be NaN, whose
    gradient a mask does not stop."""
    assert label.std is not None, "checked before training starts"
    valid = label.known
    action = torch.where(valid[:, None], label.action, 0.0)
    std = torch.where(valid[:, None], label.std, 1.0)
    return {"label": action, "label_std": std, "valid": valid}
