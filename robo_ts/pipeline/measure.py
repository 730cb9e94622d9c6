"""The stages after training: evaluation, export, and the evaluation of the exported file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robo_ts.env import TaskEnv, get_task
from robo_ts.errors import RoboTSError
from robo_ts.evaluate import (
    Episodes,
    PolicyActor,
    compare_pairs,
    image_ablation,
    memory_ablation,
    run_episodes,
    summarise_for,
)
from robo_ts.evaluate.ablations import count_image_ablations
from robo_ts.evaluate.actors import Actor, OnnxActor
from robo_ts.evaluate.trials import choose_trials, count_episodes, run_trials
from robo_ts.export import (
    compare_closed_loop,
    export_bundle,
    load,
    record_golden,
    replay_golden,
)
from robo_ts.export.c_header import fits_c, write_c_header
from robo_ts.export.timing import microseconds_per_step
from robo_ts.files import write_json
from robo_ts.pipeline.config import ExportConfig, Run
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.stages import bundle_path, load_fitting
from robo_ts.pipeline.worlds import env_maker, is_population
from robo_ts.policies import PolicyBundle
from robo_ts.progress import Progress
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig


def evaluate(run: Run, folder: RunDir) -> dict[str, Any]:
    """Teacher and student in the same unseen worlds, and the student with its memory cleared.

    Worlds of an engine that is not MuJoCo are flown in MuJoCo too. A population is flown in its
    pool, and so is the student beside it; ``student`` is always what it does in the worlds of the
    task.
    """
    if folder.is_done("eval"):
        return folder.result("eval")
    begun = time.monotonic()
    config = run.config.evaluate
    teacher = _load(run, folder, "teacher")
    student = _load(run, folder, "student")
    ablations = len(config.memory_resets) + 1 if student.policy.is_recurrent else 0
    ablations += count_image_ablations(student.policy, config.ablated)
    pooled = is_population(teacher.policy)
    mujoco = run.config.engine.mujoco_beside()
    whole = (2 + pooled) * (2 if mujoco else 1)
    total = whole * config.episodes + ablations * config.ablation_episodes
    bar = Progress("evaluate", total, "episode")
    flown = _side_by_side(run, teacher, student, bar)
    make, count = env_maker(run, training=False), config.ablation_episodes
    rest = (count, min(config.num_envs, count), _evaluation_seed(run), bar.update)
    ablation = memory_ablation(student.policy, make, config.memory_resets, *rest)
    images = image_ablation(student.policy, make, *rest, config.ablated)
    spec = get_task(run.task)
    report = {
        **{name: summarise_for(spec, episodes) for name, episodes in flown.items()},
        "teacher_to_student": compare_pairs(flown["teacher"], flown[_BESIDE[pooled]]),
        "memory_cleared_every": ablation,
        **({"images": images} if images else {}),
    }
    if mujoco:
        checked = _side_by_side(run, teacher, student, bar, mujoco)
        for name, episodes in checked.items():
            report[f"{name}_in_mujoco"] = summarise_for(spec, episodes)
    bar.close()
    report["trials"] = _trials(run, teacher, student)
    for name, part in report.items():
        write_json(folder.stage("eval") / f"{name}.json", part)
    result = {"seconds": time.monotonic() - begun, **report}
    folder.finish("eval", result)
    return result


# Whom a teacher is compared with, world by world: one that knows its own pool only, in that pool.
_BESIDE = ("student", "student_in_pool")


def _side_by_side(
    run: Run,
    teacher: PolicyBundle,
    student: PolicyBundle,
    bar: Progress,
    engine: EngineConfig | None = None,
) -> dict[str, Episodes]:
    """Both in the run's worlds; a population in those of its pool, and the student there too."""
    pooled, actor = is_population(teacher.policy), PolicyActor(student.policy)
    flown = {
        "teacher": fly(run, PolicyActor(teacher.policy), bar, pooled, engine),
        "student": fly(run, actor, bar, engine=engine),
    }
    if pooled:
        flown["student_in_pool"] = fly(run, actor, bar, pooled, engine)
    return flown


def _trials(run: Run, teacher: PolicyBundle, student: PolicyBundle) -> dict[str, Any]:
    """Teacher and student in the trials the run asks for."""
    config, spec = run.config.evaluate, get_task(run.task)
    if not config.trials:
        return {}
    chosen = choose_trials(spec, config.trials)
    actors = {"student": PolicyActor(student.policy)}
    if not is_population(teacher.policy):  # a population knows no other robots
        actors = {"teacher": PolicyActor(teacher.policy), **actors}
    bar = Progress("trials  ", count_episodes(chosen, actors, run.config.engine), "episode")
    found = run_trials(
        spec,
        spec.config(),
        actors,
        chosen,
        run.config.engine,
        derive(run.config.seed, "trials"),
        config.num_envs,
        bar.update,
    )
    bar.close()
    return found


def export(run: Run, folder: RunDir) -> dict[str, Any]:
    """One ONNX file, compared with torch step by step, then measured like the student itself."""
    if folder.is_done("export"):
        return folder.result("export")
    begun = time.monotonic()
    config = run.config.export
    student, spec = _load(run, folder, "student"), get_task(run.task)
    stage, make = folder.stage("export"), env_maker(run, training=False)
    seed = derive(run.config.seed, "export")

    checked = export_and_check(student, stage, make, config, seed)
    bar = Progress("onnx    ", run.config.evaluate.episodes, "episode")
    episodes = fly(
        run, OnnxActor(load(stage / str(checked["file"])), student.policy.head.weight.device), bar
    )
    bar.close()
    result = {
        "seconds": time.monotonic() - begun,
        **checked,
        "onnx": summarise_for(spec, episodes),
    }
    write_json(folder.stage("eval") / "onnx.json", result["onnx"])
    folder.finish("export", result)
    return result


def export_and_check(
    bundle: PolicyBundle,
    folder: Path,
    make: Callable[[int, int], TaskEnv],
    config: ExportConfig,
    seed: int,
) -> dict[str, Any]:
    """Write the ONNX file with contract and golden trace, replay the trace, fly file and torch
    together; write the C header too, for policies that fit, and time a step of each.

    Raises:
        RoboTSError: when file and torch differ by more than the tolerance.
    """
    exported = export_bundle(bundle, folder)
    env = make(4, seed)
    record_golden(bundle, env, folder=folder, seed=seed)
    env.close()
    golden = replay_golden(folder)
    if golden > config.tolerance:
        raise RoboTSError(
            f"a golden trace replayed within {config.tolerance:g}",
            f"a difference of {golden:.1e}",
            "update onnxruntime or raise export.tolerance",
        )
    env = make(config.num_envs, seed)
    speed: dict[str, float] = {}
    if not len(bundle.policy.images):
        if fits_c(bundle.policy):
            write_c_header(bundle, folder)
        speed = microseconds_per_step(folder)
    flown = compare_closed_loop(
        bundle, exported.onnx_path, env, config.steps, seed, config.tolerance
    )
    env.close()
    return {
        "file": exported.onnx_path.name,
        "bytes": exported.size_bytes,
        "golden_max_abs_diff": golden,
        "max_abs_diff_vs_torch": flown.max_abs_diff,
        "steps_compared": flown.steps_compared,
        "microseconds_per_step": speed,
    }


def fly(
    run: Run,
    actor: Actor,
    bar: Progress | None = None,
    pooled: bool = False,
    engine: EngineConfig | None = None,
) -> Episodes:
    """The run's evaluation episodes: the same worlds for every actor; ``pooled``, those of the
    robots that are trained on; ``engine``, stepped by another than the run's."""
    config = run.config.evaluate
    return run_episodes(
        actor,
        env_maker(run, training=False, pooled=pooled, engine=engine),
        config.episodes,
        config.num_envs,
        _evaluation_seed(run),
        bar.update if bar else None,
    )


def _evaluation_seed(run: Run) -> int:
    """Worlds that neither training nor the gate saw."""
    return derive(run.config.seed, "evaluate")


def _load(run: Run, folder: RunDir, stage: str) -> PolicyBundle:
    """A finished training stage's bundle."""
    folder.result(stage)
    return load_fitting(run, bundle_path(folder, stage))
