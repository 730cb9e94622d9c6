"""The stages of a run. Each can be killed at any moment and goes on where its checkpoint stands."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from robo_ts.distill import Distiller, PolicyTeacher, RoutedTeacher
from robo_ts.distill.preflight import check_reward
from robo_ts.distill.reinforce import Reinforcer, pulls
from robo_ts.distill.replay import save_data
from robo_ts.distill.routing import by_observation
from robo_ts.distill.teachers import Teacher
from robo_ts.distill.windows import WindowDistiller
from robo_ts.distributed import rank, wait_for_all, world_size
from robo_ts.env import TaskEnv, get_task
from robo_ts.env.adapters.rsl_rl import RslRlEnv
from robo_ts.errors import BundleError
from robo_ts.evaluate import PolicyActor, run_episodes
from robo_ts.files import write_json
from robo_ts.lineage import command, commit
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.gate import brief, check_gate, check_members, measure_gate
from robo_ts.pipeline.learning import Spent, learn
from robo_ts.pipeline.population import train_population
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.worlds import (
    check_pool,
    differentiable,
    env_maker,
    is_population,
    training_pool,
)
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.policies.fold import fold_normalizer
from robo_ts.seeds import derive
from robo_ts.teach.apg import AnalyticPolicyGradient
from robo_ts.teach.ppo import PPOTeacher
from robo_ts.teach.self_play import SelfPlay


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
        if rank():  # the first process measures for all
            wait_for_all()
            folder.drop_checkpoint("teacher")
            return {}
        trained.save(bundle_dir)
    bundle = load_fitting(run, bundle_dir)
    measured = measure_gate(run, bundle.policy)
    bundle.lineage["gate"] = measured["success"]
    bundle.save(bundle_dir)
    members = {}
    if "members" in measured:
        write_json(folder.stage("teacher") / "members.json", measured["members"])
        members["members"] = brief(measured["members"])
    check_members(run, bundle.policy)
    check_gate(run, measured["success"], folder)
    result = {
        "seconds": earlier + time.monotonic() - begun,
        "samples": samples,
        "gate": measured["success"],
        "digest": bundle.digest(),
        **members,
    }
    folder.finish("teacher", result)
    shutil.rmtree(folder.stage("teacher") / "shares", ignore_errors=True)
    return result


def _train_teacher(run: Run, folder: RunDir) -> tuple[PolicyBundle, float, int]:
    """The teacher's bundle, the seconds of earlier attempts, and the samples of all."""
    config, seed = run.config.teacher, run.config.seed
    if run.config.population:
        return _train_population(run, folder)
    if run.config.method == "apg":
        return _train_apg_teacher(run, folder)
    env = env_maker(run, training=True)(config.num_envs, derive(seed, "teach"))
    readers = ("actor", "critic", *(("student",) if config.informed.weight else ()))
    env.narrow({group for who in readers for group in run.obs_groups.get(who, ())})
    env.reset()
    if run.config.method == "self_play":
        learner = SelfPlay(env, run.obs_groups, config, run.config.self_play, seed)
    else:
        learner = PPOTeacher(env, run.obs_groups, config, seed)
    spent = learn(run, folder, "teacher", learner, config.iterations, _TAUGHT)
    bundle = _bundle(run, env, learner.policy(), "teacher", spent.seconds, learner.samples)
    if isinstance(learner, SelfPlay) and rank() == 0:
        for name, earlier in learner.pool.kept().items():
            kept = _bundle(run, env, earlier, "teacher", spent.seconds, learner.samples)
            kept.save(folder.stage("teacher") / "pool" / name)
    if learner.curriculum is not None:
        write_json(folder.stage("teacher") / "variants.json", learner.curriculum.report())
    env.close()
    return bundle, spent.earlier, learner.samples


def _train_apg_teacher(run: Run, folder: RunDir) -> tuple[PolicyBundle, float, int]:
    config = run.config.apg
    worlds = differentiable(run, run.training_task, config.num_envs, "teach", rank())
    torch.manual_seed(derive(run.config.seed, "teacher"))
    sees = worlds.spec.select(get_task(run.task).obs_groups["teacher"])
    policy = Policy(config.network(), sees, worlds.num_actions)
    policy = policy.to(run.config.engine.resolved_device())
    learner = AnalyticPolicyGradient(worlds, policy, config)
    spent = learn(run, folder, "teacher", learner, config.iterations, _DESCENT)
    env = env_maker(run, training=False)(1, 0)
    samples = learner.samples * world_size()
    bundle = _bundle(run, env, policy, "teacher", spent.seconds, samples)
    env.close()
    return bundle, spent.earlier, samples


def _train_population(run: Run, folder: RunDir) -> tuple[PolicyBundle, float, int]:
    policy, spent, samples = train_population(run, folder)
    env = env_maker(run, training=False, pooled=True)(1, 0)
    bundle = _bundle(run, env, policy, "teacher", spent.seconds, samples)
    env.close()
    bundle.lineage["pool"] = training_pool(run)
    return bundle, spent.earlier, samples


def distill(run: Run, folder: RunDir) -> dict[str, Any]:
    """Make the student of the run's teacher, or of none, and save its bundle."""
    if folder.is_done("student"):
        return folder.result("student")
    if run.config.teacher_bundle and not folder.is_done("teacher"):
        if rank() == 0:
            teach(run, folder)  # takes the given bundle, through the gate like any other
        else:
            wait_for_all()  # until its stage is finished
    begun = time.monotonic()
    if run.config.distiller == "none":
        policy, spent, samples = untrained(run), Spent(0.0, 0.0), 0
    else:
        folder.result("teacher")
        teacher = PolicyBundle.load(bundle_path(folder, "teacher")).policy
        teacher.to(run.config.engine.resolved_device())
        by = _by_windows if run.config.distiller == "windows" else _by_rounds
        policy, spent, samples = by(run, folder, teacher)
    if run.config.finetune == "apg":
        tune = run.config.tune
        worlds = differentiable(run, run.tuning_task, tune.num_envs, "tune", rank())
        tuner = AnalyticPolicyGradient(worlds, policy.requires_grad_(True), tune)
        more = learn(run, folder, "finetune", tuner, tune.iterations, _DESCENT)
        spent, samples = spent + more, samples + tuner.samples * world_size()
    result = _save_student(run, folder, policy, spent, samples)
    result["seconds"] = spent.earlier + time.monotonic() - begun
    folder.finish("student", result)
    folder.drop_checkpoint("finetune")
    return result


def _by_rounds(run: Run, folder: RunDir, teacher: Policy) -> tuple[Policy, Spent, int]:
    """Distil with the distiller that any task and teacher will do for; perhaps go on by reward."""
    config, spec, seed = run.config.distill, get_task(run.task), run.config.seed
    env = env_maker(run, training=True, rollout=True)(
        config.num_envs, derive(seed, "distill", rank())
    )
    student = untrained(run, teacher)
    critic = env.spec.select(spec.obs_groups["critic"])
    settings = run.config.reinforce
    terms = [*config.auxiliary, *getattr(student, "wants", ()), config.known]
    if run.config.finetune == "reward":
        terms += [*settings.auxiliary, settings.known]
    others = _further_teachers(run, env)
    terms += [run.config.route.term] if others else []
    taught = {name for policy in (teacher, *others) for name in policy.spec}
    read = {*student.spec, *taught, *critic, *(term.partition(".")[0] for term in terms)}
    label, vec_env = _begin(run, env, read, [teacher, *others])
    if run.config.finetune == "reward":
        # What could not be fine-tuned is refused before it is distilled.
        pulled = label if pulls(settings) else None
        check_reward(vec_env, pulled, student, critic, vec_env.get_observations())
    learner = Distiller(vec_env, label, student, config, seed, _progress_check(run))
    spent = learn(run, folder, "student", learner, config.iterations, _SHOWN)
    if config.dataset.save:
        save_data(folder.stage("student") / f"data-{rank()}", *learner.dataset.stored())
    policy, samples = learner.policy(), learner.samples * world_size()
    if run.config.finetune == "reward":
        policy.requires_grad_(True)
        if run.config.tuning:
            env.close()
            env = env_maker(run, training=True, rollout=True, tuning=True)(
                config.num_envs, derive(seed, "reinforce", rank())
            )
            label, vec_env = _begin(run, env, read, [teacher, *others])
        # What distillation taught to perceive is not learnt again.
        heads = learner.updater.heads if settings.auxiliary == config.auxiliary else None
        tuner = Reinforcer(vec_env, label, policy, critic, settings, seed, heads)
        more = learn(run, folder, "finetune", tuner, settings.iterations, _TUNED)
        spent, samples = spent + more, samples + tuner.samples * world_size()
    env.close()
    return policy, spent, samples


def _begin(
    run: Run, env: TaskEnv, read: Iterable[str], teachers: list[Policy]
) -> tuple[Teacher, RslRlEnv]:
    """Fresh worlds that give the groups ``read``, and who labels in them."""
    env.narrow(group for group in read if group in env.spec)  # unknown ones are complained of later
    env.reset()
    env.scatter_episode_steps()
    return _label(run, env, teachers), RslRlEnv(env)


def _further_teachers(run: Run, env: TaskEnv) -> list[Policy]:
    """Those of ``route.bundles``."""
    return [load_for(env, run.task, Path(path)).policy for path in run.config.route.bundles]


def _label(run: Run, env: TaskEnv, teachers: list[Policy]) -> Teacher:
    """Who labels: the run's own teacher, or each of several where it is in charge."""
    asked = [PolicyTeacher(teacher, env.num_envs) for teacher in teachers]
    if len(asked) == 1:
        return asked[0]
    route = run.config.route
    return RoutedTeacher(asked, by_observation(env.spec, route.term, route.edges))


def _by_windows(run: Run, folder: RunDir, teacher: Policy) -> tuple[Policy, Spent, int]:
    """Distil where the physics are formulas."""
    config = run.config.windows
    worlds = differentiable(run, run.training_task, config.num_envs, "distill", rank())
    student = untrained(run, teacher)
    learner = WindowDistiller(
        worlds,
        student,
        config,
        teacher.requires_grad_(False),
        derive(run.config.seed, "minibatches", rank()),
    )
    spent = learn(run, folder, "student", learner, config.iterations, _SHOWN)
    return learner.policy(), spent, learner.samples * world_size()


def untrained(run: Run, teacher: Policy | None = None) -> Policy:
    """The student before its first round; only an adapter needs to know its teacher.

    Raises:
        BundleError: when a given one is missing, damaged, made for something else, or sees what
            this run's students do not.
    """
    if run.config.student_bundle:
        return _given_student(run, Path(run.config.student_bundle))
    env = env_maker(run, training=False)(1, 0)
    torch.manual_seed(derive(run.config.seed, "student"))
    sees = env.spec.select(run.obs_groups["student"])
    student = run.config.student.build(sees, teacher, env.num_actions).to(env.device)
    env.close()
    return student


def _given_student(run: Run, path: Path) -> Policy:
    student = load_fitting(run, path).policy
    unseen = sorted(set(student.spec) - set(run.obs_groups["student"]))
    if unseen:
        raise BundleError(
            f"a student that sees {', '.join(run.obs_groups['student'])} in student_bundle",
            f"a policy that sees {', '.join(unseen)}",
            "give a student's bundle, or name these groups in student.groups",
        )
    return student.train()


_TAUGHT = ("success", "points", "reward")
_SHOWN = ("loss", "success", "evaluated_success")
_DESCENT = ("cost", "grad_norm")
_TUNED = ("success", "reward", "kl")


def _save_student(
    run: Run, folder: RunDir, policy: Policy, spent: Spent, samples: int
) -> dict[str, Any]:
    if run.config.student.fold:
        policy = fold_normalizer(policy)
    env = env_maker(run, training=False)(1, 0)
    bundle = _bundle(run, env, policy, "student", spent.seconds, samples)
    env.close()
    taught = run.config.distiller != "none"
    if run.config.student_bundle:
        bundle.lineage["student"] = PolicyBundle.load(Path(run.config.student_bundle)).digest()
    bundle.lineage["teacher"] = folder.result("teacher")["digest"] if taught else None
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
    check_pool(run, bundle)
    env = env_maker(run, training=False, pooled=is_population(bundle.policy))(1, 0)
    try:
        return _fitted(bundle, env, run.task)
    finally:
        env.close()


def load_for(env: TaskEnv, task: str, path: Path) -> PolicyBundle:
    """A bundle that fits ``env``, an environment of ``task``, on its device.

    Raises:
        BundleError: when it is missing, damaged or made for something else.
    """
    bundle = PolicyBundle.load(path)
    if is_population(bundle.policy):
        raise BundleError(
            "one policy for any robot",
            f"{path}, a population that knows the robots of its pool only",
            "give the student made of it, or evaluate it in its run",
        )
    return _fitted(bundle, env, task)


def _fitted(bundle: PolicyBundle, env: TaskEnv, task: str) -> PolicyBundle:
    bundle.check_fits(task, env.spec, env.num_actions)
    bundle.policy.to(env.device)
    return bundle


def bundle_path(folder: RunDir, stage: str) -> Path:
    """Where a training stage's bundle lies."""
    return folder.stage(stage) / "bundle"
