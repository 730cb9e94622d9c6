"""PPO teachers: rsl_rl's algorithm in a loop of our own (plan for the rate, bit-exact resume)."""

from __future__ import annotations

import contextlib
import copy
import io
from collections import deque
from typing import Any

import torch
from rsl_rl.algorithms import PPO
from torch import Tensor

from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.env.base import TaskEnv
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.policies.policy import base_columns
from robo_ts.seeds import derive
from robo_ts.teach.config import PPOConfig
from robo_ts.teach.convert import policy_from_rsl_rl
from robo_ts.teach.curriculum import VariantCurriculum, has_variants
from robo_ts.teach.informed import ProxyStudent
from robo_ts.teach.start import set_noise, start_from, zero_head


class PPOTeacher:
    """Trains a teacher that may read every observation group.

    Args:
        env: the worlds; training starts from staggered episodes.
        obs_groups: the groups of the sets ``actor`` and ``critic``, and, for a student-informed
            teacher, ``student``.
        config: settings; ``num_envs`` is taken from the environment.
        seed: seeds torch's global generator, which rsl_rl draws actions and minibatches from.
    """

    def __init__(
        self, env: TaskEnv, obs_groups: dict[str, list[str]], config: PPOConfig, seed: int = 0
    ) -> None:
        torch.manual_seed(derive(seed, "ppo"))
        self.env, self.config = env, config
        self.obs_groups = {name: list(obs_groups[name]) for name in ("actor", "critic")}
        self.curriculum = self._curriculum(seed)
        env.scatter_episode_steps()
        self.vec_env = RslRlEnv(env)
        self.iteration = 0
        self.obs = env.observe()
        settings = self._settings()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints every layer
            self.algorithm = PPO.construct_algorithm(
                self.obs, self.vec_env, settings, str(env.device)
            )
        if config.zero_head:
            zero_head(self.algorithm.get_policy())
        if config.start_from:
            start_from(self.algorithm.get_policy(), self._earlier(), config.start_std)
        # Sums and counts of episodes that ended. Where there are opponents, ties count half.
        self._ended: dict[str, deque[tuple[float, int]]] = {
            name: deque(maxlen=50) for name in ("success", "points")
        }
        self.proxy = self._proxy(obs_groups, seed) if config.informed.weight else None

    @property
    def samples(self) -> int:
        """Control steps gathered so far, over all worlds."""
        return self.iteration * self.config.steps_per_iteration * self.env.num_envs

    def learn_one(self) -> dict[str, float]:
        """One round: gather, update. Returns its measurements."""
        algorithm, rate = self.algorithm, self._learning_rate()
        for group in algorithm.optimizer.param_groups:
            group["lr"] = rate
        if self.config.final_std:
            set_noise(algorithm.get_policy(), self._std())
        reward, penalty = torch.zeros(2, device=self.env.device)
        algorithm.train_mode()
        with torch.no_grad():
            for _ in range(self.config.steps_per_iteration):
                action = algorithm.act(self.obs)
                lost = self._penalty(action)
                self.obs, rewards, dones, extras = self.vec_env.step(action)
                reward += rewards.mean()
                if self.proxy is not None:
                    rewards = rewards - lost
                    self.proxy.reset(dones)
                penalty += lost.mean()
                algorithm.process_env_step(self.obs, rewards, dones, extras)
                if "episode" in extras:
                    ended = extras["episode"]
                    for name, kept in self._ended.items():
                        if name in ended:
                            kept.append((float(ended[name].sum()), ended[name].numel()))
                    if self.curriculum is not None:
                        self.curriculum.add(ended["variant"], ended["success"])
            algorithm.compute_returns(self.obs)
        losses = self._update()
        self.iteration += 1
        if not all(map(_is_finite, losses.values())):
            raise RoboTSError(
                "finite PPO losses",
                f"{losses} in round {self.iteration}",
                "lower teacher.learning_rate or task.reward.scale",
            )
        informed = {}
        if self.proxy is not None:
            informed = {
                "penalty": float(penalty) / self.config.steps_per_iteration,
                "imitation_error": self.proxy.update(),
            }
        learnt = self.curriculum.update() if self.curriculum is not None else {}
        points = self._ended["points"]
        return (
            informed
            | learnt
            | ({"points": _mean(points)} if points else {})
            | {
                "reward": float(reward) / self.config.steps_per_iteration,
                "success": _mean(self._ended["success"]),
                "value_loss": losses["value"],
                "surrogate_loss": losses["surrogate"],
                "action_std": float(algorithm.get_policy().output_std.detach().mean()),
                "learning_rate": rate,
            }
        )

    def policy(self) -> Policy:
        """The current teacher as a policy of our own."""
        spec = self.env.spec.select(self.obs_groups["actor"])
        return policy_from_rsl_rl(
            self.algorithm.save()["actor_state_dict"],
            spec,
            self.env.num_actions,
            activation=self.config.activation,
            base_term=self.config.base_term,
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future of the training; a copy."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        state = {
            "iteration": self.iteration,
            "algorithm": self.algorithm.save(),
            "env": self.env.state_dict(),
            "obs": {name: self.obs[name] for name in self.obs.keys()},  # noqa: SIM118
            "successes": list(self._ended["success"]),
            "points": list(self._ended["points"]),
            "proxy": self.proxy.state_dict() if self.proxy is not None else None,
            "curriculum": self.curriculum.state_dict() if self.curriculum is not None else None,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": cuda,
        }
        return copy.deepcopy(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; what follows equals a run that never stopped."""
        self.iteration = state["iteration"]
        # A copy, because torch would go on to change the loaded moments in place.
        self.algorithm.load(copy.deepcopy(state["algorithm"]), None, True)
        self.env.load_state_dict(state["env"])
        for name, value in state["obs"].items():
            self.obs[name] = value.to(self.env.device)
        for name, key in (("success", "successes"), ("points", "points")):
            self._ended[name].clear()
            self._ended[name].extend((float(s), int(n)) for s, n in state[key])
        if self.proxy is not None:
            self.proxy.load_state_dict(copy.deepcopy(state["proxy"]))
        if self.curriculum is not None:
            self.curriculum.load_state_dict(state["curriculum"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"])

    # -- internals ---------------------------------------------------------------------------------

    def _earlier(self) -> Policy:
        """The policy the actor starts from, checked against what it will read and do."""
        bundle = PolicyBundle.load(self.config.start_from)
        bundle.check_fits(self.env.name, self.env.spec, self.env.num_actions)
        return bundle.policy

    def _curriculum(self, seed: int) -> VariantCurriculum | None:
        """Success per variant is on record even where all are drawn from the start."""
        config = self.config.curriculum
        if config.kind == "none" and not has_variants(self.env):
            return None
        found = VariantCurriculum(self.env, config, seed)
        if config.kind != "none":
            self.env.reset()  # what was drawn before may not be in the first stage
        return found

    def _update(self) -> dict[str, float]:
        """PPO's update; while the critic warms up, the actor stays as it is."""
        algorithm = self.algorithm
        if self.iteration >= self.config.critic_warmup:
            return algorithm.update()
        actor = algorithm.get_policy()
        before = copy.deepcopy(actor.state_dict())
        losses = algorithm.update()
        actor.load_state_dict(before)
        for parameter in actor.parameters():
            algorithm.optimizer.state.pop(parameter, None)
        return losses

    def _proxy(self, obs_groups: dict[str, list[str]], seed: int) -> ProxyStudent:
        if not obs_groups.get("student"):
            raise RoboTSError(
                "the observation groups of a student, which teacher.informed.weight needs",
                f"sets {sorted(obs_groups)}",
                "name them in obs_groups['student'] of the task",
            )
        spec, env = self.env.spec.select(obs_groups["student"]), self.env
        informed = self.config.informed
        return ProxyStudent(informed, spec, env.num_envs, env.num_actions, env.device, seed)

    def _penalty(self, action: Tensor) -> Tensor:
        """What this step's reward is lowered by, ``(num_envs,)``."""
        if self.proxy is None:
            return torch.zeros(self.env.num_envs, device=self.env.device)
        said = self.algorithm.transition.distribution_params
        assert said is not None, "it has just acted"
        return self.proxy.penalty(self.obs, said[0], action)

    def _learning_rate(self) -> float:
        config = self.config
        share = min(self.iteration / config.iterations, 1.0)
        return config.learning_rate + share * (config.final_learning_rate - config.learning_rate)

    def _std(self) -> float:
        """The planned action noise of this round."""
        config = self.config
        share = min(self.iteration / config.iterations, 1.0)
        first = (config.start_std if config.start_from else 0.0) or config.initial_std
        return first + share * (config.final_std - first)

    def _settings(self) -> dict[str, Any]:
        """rsl_rl's nested settings."""
        config = self.config
        activation = {"silu": "swish"}.get(config.activation, config.activation)  # rsl_rl's name
        actor: dict[str, Any] = {
            "class_name": "MLPModel",
            "hidden_dims": list(config.actor),
            "activation": activation,
            "obs_normalization": True,
            "distribution_cfg": {
                "class_name": "GaussianDistribution",
                "init_std": config.initial_std,
                "std_type": "log",
            },
        }
        spec = self.env.spec.select(self.obs_groups["actor"])
        base = base_columns(config.base_term, spec, self.env.num_actions)
        if base is not None:
            actor["class_name"] = "robo_ts.teach.models:ResidualMLPModel"
            actor["base_columns"] = [base.start, base.stop]
        return {
            "num_steps_per_env": config.steps_per_iteration,
            "obs_groups": self.obs_groups,
            "multi_gpu": None,
            "actor": actor,
            "critic": {
                "class_name": "MLPModel",
                "hidden_dims": list(config.critic),
                "activation": activation,
                "obs_normalization": True,
            },
            "algorithm": {
                "class_name": "PPO",
                "num_learning_epochs": config.epochs,
                "num_mini_batches": config.minibatches,
                "clip_param": config.clip,
                "gamma": config.gamma,
                "lam": config.lam,
                "value_loss_coef": config.value_loss,
                "entropy_coef": config.entropy,
                "learning_rate": config.learning_rate,
                "max_grad_norm": config.max_grad_norm,
                "schedule": "fixed",
                "use_clipped_value_loss": False,
                "rnd_cfg": None,
                "symmetry_cfg": None,
            },
        }


def _mean(ended: deque[tuple[float, int]]) -> float:
    episodes = sum(n for _, n in ended)
    return sum(s for s, _ in ended) / episodes if episodes else 0.0


def _is_finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")
