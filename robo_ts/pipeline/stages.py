"""The stages of a run. Each can be killed at any moment and goes on where its checkpoint stands."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from robo_ts.distill import Distiller, PolicyTeacher
from robo_ts.distill.preflight import check_reward
from robo_ts.distill.reinforce import Reinforcer, pulls
from robo_ts.distill.replay import save_data
from robo_ts.distributed import agreed, all_mean, rank, wait_for_all, world_size
from robo_ts.env import TaskEnv, get_task
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.env.differentiable import DifferentiableEnv
from robo_ts.errors import GateFailed, RoboTSError
from robo_ts.evaluate import PolicyActor, run_episodes, summarise
from robo_ts.lineage import command, commit
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.progress import MetricsLog, NoLog, Progress
from robo_ts.seeds import derive
from robo_ts.teach.apg import AnalyticPolicyGradient
from robo_ts.teach.ppo import PPOTeacher


class Learner(Protocol):
    """What a training stage drives: PPO or the distiller."""

    iteration: int

    @property
    def samples(self) -> int: ...

    def learn_one(self) -> dict[str, float]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Spent(NamedTuple):
    """Seconds of learning: of all attempts, and of those before this one."""

    seconds: float
    earlier: float


def env_maker(run: Run, training: bool, rollout: bool = False) -> Callable[[int, int], TaskEnv]:
    """``(num_envs, seed) -> env``, of the task as measured or as trained on.

    Args:
        run: its settings.
        training: as trained on.
        rollout: on the engine students are distilled on.
    """
    spec, engine = get_task(run.task), run.config.engine
    config = run.training_task if training else run.config.task
    if rollout and run.config.rollout_engine:
        engine = replace(engine, name=run.config.rollout_engine)

    def make(num_envs: int, seed: int) -> TaskEnv:
        return spec.build(config, num_envs, engine, seed)

    return make


def differentiable(run: Run, task: Any, num_envs: int, purpose: str) -> DifferentiableEnv:
    """Worlds with gradients.

    Raises:
        RoboTSError: when the task has none.
    """
    build = get_task(run.task).differentiable
    if build is None:
        raise RoboTSError(
            "a task whose physics can be differentiated, for apg",
            run.task,
            "use method=ppo and finetune=none or finetune=reward",
        )
    device = run.config.engine.resolved_device()
    return build(task, num_envs, derive(run.config.seed, purpose), device)


def teach(run: Run, folder: RunDir) -> dict[str, Any]:
    """Train the teacher (or take the given one), save its bundle, measure it against the gate.

    Raises:
        GateFailed: when the teacher is too weak; its bundle is kept.
    """
    if folder.is_done("teacher"):
        return folder.result("teacher")
    begun = time.monotonic()
    bundle_dir = bundle_path(folder, "teacher")
    if run.config.teacher_bundle:
        load_fitting(run, Path(run.config.teacher_bundle)).save(bundle_dir)
        earlier, samples = 0.0, 0
    else:
        trained, earlier, samples = _train_teacher(run, folder)
        trained.save(bundle_dir)
    bundle = load_fitting(run, bundle_dir)
    measured = measure_gate(run, bundle.policy)
    bundle.lineage["gate"] = measured["success"]
    bundle.save(bundle_dir)
    check_gate(run, measured["success"], folder)
    result = {
        "seconds": earlier + time.monotonic() - begun,
        "samples": samples,
        "gate": measured["success"],
        "digest": bundle.digest(),
    }
    folder.finish("teacher", result)
    return result


def _train_teacher(run: Run, folder: RunDir) -> tuple[PolicyBundle, float, int]:
    """The teacher's bundle, the seconds of earlier attempts, and the samples of all."""
    config, spec, seed = run.config.teacher, get_task(run.task), run.config.seed
    if run.config.method == "apg":
        return _train_apg_teacher(run, folder)
    env = env_maker(run, training=True)(config.num_envs, derive(seed, "teach"))
    env.reset()
    learner = PPOTeacher(env, spec.obs_groups, config, seed)
    spent = _learn(run, folder, "teacher", learner, config.iterations, ("success", "reward"))
    bundle = _bundle(run, env, learner.policy(), "teacher", spent.seconds, learner.samples)
    env.close()
    return bundle, spent.earlier, learner.samples


def _train_apg_teacher(run: Run, folder: RunDir) -> tuple[PolicyBundle, float, int]:
    config = run.config.apg
    worlds = differentiable(run, run.training_task, config.num_envs, "teach")
    torch.manual_seed(derive(run.config.seed, "teacher"))
    sees = worlds.spec.select(get_task(run.task).obs_groups["teacher"])
    policy = Policy(config.network(), sees, worlds.num_actions)
    policy = policy.to(run.config.engine.resolved_device())
    learner = AnalyticPolicyGradient(worlds, policy, config)
    spent = _learn(run, folder, "teacher", learner, config.iterations, _DESCENT)
    env = env_maker(run, training=False)(1, 0)
    bundle = _bundle(run, env, policy, "teacher", spent.seconds, learner.samples)
    env.close()
    return bundle, spent.earlier, learner.samples


def measure_gate(run: Run, policy: Policy) -> dict[str, Any]:
    """The teacher's success in worlds that neither training nor evaluation uses."""
    gate, evaluate = run.config.gate, run.config.evaluate
    episodes = run_episodes(
        PolicyActor(policy),
        env_maker(run, training=False),
        gate.episodes,
        min(gate.episodes, evaluate.num_envs),
        derive(run.config.seed, "gate"),
    )
    return summarise(episodes)


def check_gate(run: Run, success: dict[str, Any], folder: RunDir) -> None:
    """Stop when the teacher is too weak.

    Raises:
        GateFailed: saying by how much and what to try.
    """
    needed, got = run.config.gate.success, success["mean"]
    if got < needed:
        better = (
            "train longer (teacher.iterations), look at teacher/metrics.jsonl or mend the reward"
        )
        if run.config.teacher_bundle:
            better = "give a better teacher_bundle"
        reached = math.floor(1000.0 * got) / 1000.0
        raise GateFailed(
            f"a teacher that succeeds in at least {needed:.1%} of the episodes (gate.success)",
            f"{got:.1%} of {success['episodes']} "
            f"(95% interval {success['ci95'][0]:.1%} to {success['ci95'][1]:.1%}), "
            f"{needed - got:.1%} too few; it is kept in {bundle_path(folder, 'teacher')}",
            f"{better}, in another run_dir; or go on with this one: "
            f"teacher_bundle={bundle_path(folder, 'teacher')} "
            f"gate.success={reached:.3f} run_dir=...",
        )


def distill(run: Run, folder: RunDir) -> dict[str, Any]:
    """Make the student of the run's teacher and save its bundle."""
    if folder.is_done("student"):
        return folder.result("student")
    if run.config.teacher_bundle and not folder.is_done("teacher"):
        if rank() == 0:
            teach(run, folder)  # takes the given bundle, through the gate like any other
        else:
            wait_for_all()  # until its stage is finished
    begun = time.monotonic()
    folder.result("teacher")
    config, spec, seed = run.config.distill, get_task(run.task), run.config.seed
    teacher = PolicyBundle.load(bundle_path(folder, "teacher"))
    make = env_maker(run, training=True, rollout=True)
    env = make(config.num_envs, derive(seed, "distill", rank()))
    env.reset()
    env.scatter_episode_steps()
    teacher.policy.to(env.device)
    torch.manual_seed(derive(seed, "student"))
    sees = env.spec.select(spec.obs_groups["student"])
    student = run.config.student.build(sees, teacher.policy, env.num_actions).to(env.device)
    label = PolicyTeacher(teacher.policy, env.num_envs)
    vec_env, critic = RslRlEnv(env), env.spec.select(spec.obs_groups["critic"])
    if (
        run.config.finetune == "reward"
    ):  # what could not be fine-tuned is refused before it is distilled
        pulled = label if pulls(run.config.reinforce) else None
        check_reward(vec_env, pulled, student, critic, vec_env.get_observations())
    learner = Distiller(vec_env, label, student, config, seed, _progress_check(run))
    spent = _learn(run, folder, "student", learner, config.iterations, _SHOWN)
    if config.dataset.save:
        save_data(folder.stage("student") / f"data-{rank()}", *learner.dataset.stored())
    policy, samples = learner.policy(), learner.samples * world_size()
    if run.config.finetune != "none":
        policy.requires_grad_(True)
        if run.config.finetune == "reward":
            tuner: Learner = Reinforcer(vec_env, label, policy, critic, run.config.reinforce, seed)
            rounds, shown = run.config.reinforce.iterations, _TUNED
        else:
            tune = run.config.tune
            worlds = differentiable(run, run.tuning_task, tune.num_envs, "tune")
            tuner, rounds, shown = (
                AnalyticPolicyGradient(worlds, policy, tune),
                tune.iterations,
                _DESCENT,
            )
        more = _learn(run, folder, "finetune", tuner, rounds, shown)
        spent = Spent(spent.seconds + more.seconds, spent.earlier + more.earlier)
        samples += tuner.samples * world_size()
    result = _save_student(run, folder, env, policy, spent, samples)
    env.close()
    result["seconds"] = spent.earlier + time.monotonic() - begun
    folder.finish("student", result)
    folder.drop_checkpoint("finetune")
    return result


_ALARM = (
    "alarm: the imitation loss falls while success falls; the student fits the teacher better and "
    "does worse. Look at the worst action dimensions and at who acts while data is gathered."
)
_SHOWN = ("loss", "success", "evaluated_success")
_DESCENT = ("cost", "grad_norm")
_TUNED = ("success", "reward", "kl")


def _save_student(
    run: Run, folder: RunDir, env: TaskEnv, policy: Policy, spent: Spent, samples: int
) -> dict[str, Any]:
    bundle = _bundle(run, env, policy, "student", spent.seconds, samples)
    bundle.lineage["teacher"] = folder.result("teacher")["digest"]
    if rank() == 0:
        bundle.save(bundle_path(folder, "student"))
    return {
        "samples": samples,
        "parameters": policy.num_parameters(),
        "digest": bundle.digest(),
    }


def _progress_check(run: Run) -> Callable[[Policy], dict[str, float]]:
    """Whole episodes in worlds of their own, while the student still learns."""
    config = run.config.evaluate
    num = min(config.num_envs, config.ablation_episodes)

    def measure(policy: Policy) -> dict[str, float]:
        make = env_maker(run, training=False)
        actor = PolicyActor(policy)
        episodes = run_episodes(actor, make, num, num, derive(run.config.seed, "progress"))
        return {"success": float(episodes.metrics["success"].float().mean())}

    return measure


def _learn(
    run: Run,
    folder: RunDir,
    stage: str,
    learner: Learner,
    iterations: int,
    shown: tuple[str, ...],
) -> Spent:
    """Rounds until the plan is fulfilled, with checkpoints."""
    saved = folder.load_checkpoint(stage)
    before = 0.0
    _check_processes(folder, stage, saved)
    if saved is not None:
        before = _restore(learner, saved, folder, stage)
    begun = last = time.monotonic()
    alarmed = False
    log = _log(folder, stage, learner.iteration)
    bar = Progress(f"{stage:8s}", iterations, "round", learner.iteration, shown=rank() == 0)
    try:
        while learner.iteration < iterations:
            samples, round_begun = learner.samples, time.monotonic()
            numbers = learner.learn_one()
            now = time.monotonic()
            elapsed = before + now - begun
            numbers["seconds"] = elapsed
            log.write(learner.iteration, learner.samples, numbers)
            rate = world_size() * (learner.samples - samples) / (now - round_begun)
            bar.update(1, **{k: numbers[k] for k in shown if k in numbers}, steps_per_s=rate)
            if numbers.get("alarm") and not alarmed:
                bar.say(_ALARM)
            alarmed = bool(numbers.get("alarm"))
            due = agreed(now - last >= run.config.checkpoint_seconds)
            if due and learner.iteration < iterations:
                folder.save_checkpoint(stage, _checkpoint(learner, elapsed))
                last = time.monotonic()
    finally:
        bar.close()
        log.close()
    seconds = before + time.monotonic() - begun
    # Between this moment and done.json the stage must not have to learn its last rounds again.
    folder.save_checkpoint(stage, _checkpoint(learner, seconds))
    return Spent(seconds, before)


def _checkpoint(learner: Learner, seconds: float) -> dict[str, Any]:
    return {"learner": learner.state_dict(), "seconds": seconds, "processes": world_size()}


def _check_processes(folder: RunDir, stage: str, saved: dict[str, Any] | None) -> None:
    """A run is resumed by as many processes as it was begun with, or by none of them."""
    begun_with = (saved or {}).get("processes", world_size())
    if begun_with != world_size() or all_mean(float(saved is None)) not in (0.0, 1.0):
        raise RoboTSError(
            f"as many processes as {folder.stage(stage)} was begun with",
            f"{world_size()}, with a checkpoint of {begun_with}",
            "start torchrun with that many, or delete the checkpoints to begin the stage anew",
        )


def _log(folder: RunDir, stage: str, iteration: int) -> MetricsLog | NoLog:
    if rank():
        return NoLog()
    return MetricsLog(folder.stage(stage), folder.path / "tensorboard" / stage, iteration)


def _restore(learner: Learner, saved: dict[str, Any], folder: RunDir, stage: str) -> float:
    """Go on from a checkpoint; the seconds it took to get there."""
    try:
        learner.load_state_dict(saved["learner"])
        return float(saved["seconds"])
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        got = f"one that does not fit ({type(error).__name__}: {said})"
        raise folder.bad_checkpoint(stage, got) from error


def _bundle(
    run: Run, env: TaskEnv, policy: Policy, kind: str, seconds: float, samples: int
) -> PolicyBundle:
    return PolicyBundle(
        policy=copy.deepcopy(policy).cpu().eval(),
        task=run.task,
        task_config=asdict(run.config.task),
        action=env.action_contract(),
        lineage={
            "kind": kind,
            "recipe": run.recipe,
            "seed": run.config.seed,
            "config_digest": run.digest(),
            "engine": run.config.engine.name,
            "command": command(),
            "commit": commit(),
            "seconds": seconds,
            "samples": samples,
        },
    )


def load_fitting(run: Run, path: Path) -> PolicyBundle:
    """A bundle checked against the run's task and moved to the engine's device.

    Raises:
        BundleError: when it is missing, damaged or made for something else.
    """
    bundle = PolicyBundle.load(path)
    env = env_maker(run, training=False)(1, 0)
    bundle.check_fits(run.task, env.spec, env.num_actions)
    bundle.policy.to(env.device)
    env.close()
    return bundle


def bundle_path(folder: RunDir, stage: str) -> Path:
    """Where a training stage's bundle lies."""
    return folder.stage(stage) / "bundle"
