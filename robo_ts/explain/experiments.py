"""One rung at a time: a short distillation, and whole episodes of what came of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch

from robo_ts.distill import DistillConfig, Distiller, PolicyTeacher
from robo_ts.env import TaskEnv, get_task
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.evaluate import Episodes, run_episodes, summarise
from robo_ts.evaluate.actors import Actor
from robo_ts.explain.config import ExplainConfig
from robo_ts.pipeline.config import Run
from robo_ts.policies import Policy
from robo_ts.progress import Progress
from robo_ts.seeds import derive


class Laboratory:
    """Carries out a run's experiments; the same seed gives every one the same worlds.

    Args:
        run: whose settings are used.
        teacher: the run's teacher, on the engine's device.
        budget: what an experiment may cost.
    """

    def __init__(self, run: Run, teacher: Policy, budget: ExplainConfig) -> None:
        self.run, self.teacher, self.budget = run, teacher, budget
        self.spec = get_task(run.task)

    def distil(self, title: str, groups: list[str], config: DistillConfig, task: Any) -> Policy:
        """A student with the run's network that reads ``groups``, made from the run's teacher.

        Args:
            title: what the progress bar says.
            groups: observation groups the student reads, privileged ones too.
            config: how it is made.
            task: settings of the worlds it learns in.
        """
        run, seed = self.run, self.budget.seed
        engine = run.config.engine
        if run.config.rollout_engine:
            engine = replace(engine, name=run.config.rollout_engine)
        env = self.spec.build(task, config.num_envs, engine, derive(seed, "explain learn"))
        try:
            env.reset()
            env.scatter_episode_steps()
            torch.manual_seed(derive(seed, "explain student"))
            sees = env.spec.select(groups)
            student = run.config.student.build(sees, self.teacher, env.num_actions).to(env.device)
            label = PolicyTeacher(self.teacher, env.num_envs)
            config = replace(config, privileged_student=True)
            distiller = Distiller(RslRlEnv(env), label, student, config, seed)
            bar = Progress(title, config.iterations, "round")
            for _ in range(config.iterations):
                numbers = distiller.learn_one()
                shown = {k: numbers[k] for k in ("loss", "success") if k in numbers}
                bar.update(1, **shown)
            bar.close()
            return distiller.policy().eval()
        finally:
            env.close()

    def worlds(self, task: Any, num_envs: int, seed: int) -> TaskEnv:
        """Worlds to measure in."""
        return self.spec.build(task, num_envs, self.run.config.engine, seed)

    def measure(self, actor: Actor, task: Any) -> dict[str, Any]:
        """Success with interval, error, failures, and the seconds it took."""
        begun = time.monotonic()
        episodes = self.episodes(actor, task)
        report = summarise(episodes, None, self.spec.outcomes)
        kept = {"success": report["success"], "failures": report["failures"]}
        if self.spec.error_metric in report:
            kept["error"] = {"metric": self.spec.error_metric, **report[self.spec.error_metric]}
        return kept | {"seconds": time.monotonic() - begun}

    def episodes(self, actor: Actor, task: Any) -> Episodes:
        """Whole episodes in worlds that the run has never seen."""
        count = self.budget.episodes
        bar = Progress("measure", count, "episode")
        try:
            return run_episodes(
                actor,
                lambda num, seed: self.worlds(task, num, seed),
                count,
                min(count, self.run.config.evaluate.num_envs),
                derive(self.budget.seed, "explain measure"),
                bar.update,
            )
        finally:
            bar.close()
