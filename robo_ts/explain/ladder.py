"""The ladder: from the teacher to the exported file, one difficulty more on every rung."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from robo_ts.errors import RoboTSError
from robo_ts.evaluate import PolicyActor
from robo_ts.evaluate.actors import OnnxActor
from robo_ts.explain import errors
from robo_ts.explain.config import ExplainConfig
from robo_ts.explain.experiments import Laboratory
from robo_ts.explain.settings import Worlds, known_to_work, own, same_rollin, worlds_of
from robo_ts.explain.student import find_student, find_teacher
from robo_ts.explain.verdict import judge
from robo_ts.export import load
from robo_ts.files import write_json
from robo_ts.lineage import command, commit, hardware
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.saved import load_run
from robo_ts.policies import Policy
from robo_ts.progress import set_threads
from robo_ts.seeds import derive

FILE = "explain/ladder.json"
# Worlds in which student and teacher are watched side by side.
_WATCHED = 256
TITLES = {
    "teacher": "the teacher",
    "capacity": "the student's network, fed the teacher's observations",
    "information": "the student's sensors, noise off, a roll-in that is known to work",
    "distribution shift": "the run's own roll-in and data, noise off",
    "training": "the run's student, noise off",
    "noise": "the run's student, sensor noise and latency on",
    "export": "the ONNX file",
}


def explain(path: str | Path, budget: ExplainConfig | None = None) -> dict[str, Any]:
    """Climb down the ladder of a finished or running distillation.

    Returns:
        ``rungs``, ``verdict``, ``errors`` and ``budget`` as plain data, which also lies in the
        run's folder as ``explain/ladder.json``.

    Raises:
        RoboTSError: for a run without a teacher, or without anything learnt by its student.
    """
    begun, budget = time.monotonic(), budget or ExplainConfig()
    run = load_run(path)
    set_threads(run.config.torch_threads)
    folder = RunDir(Path(path))
    teacher = find_teacher(run, folder)
    student, state = find_student(run, folder, teacher)
    lab, worlds = Laboratory(run, teacher, budget), worlds_of(run)
    short = own(run, budget)
    rungs, students = _distilled(lab, worlds, short)
    rungs += _own_student(lab, worlds, student)
    rungs.append(_export(lab, worlds, folder))
    verdict = judge(rungs)
    found = {
        "run": str(path),
        "task": run.task,
        "student": state,
        "budget": _budget(budget, short),
        "rungs": rungs,
        "verdict": asdict(verdict),
        "errors": _errors(lab, worlds, student, students),
        "command": command(),
        "commit": commit(),
        "hardware": hardware(),
        "seconds": time.monotonic() - begun,
    }
    write_json(folder.path / FILE, found)
    return found


def _budget(budget: ExplainConfig, short: Any) -> dict[str, int]:
    return {
        "rounds": short.iterations,
        "num_envs": short.num_envs,
        "steps_per_round": short.steps_per_iteration,
        "episodes": budget.episodes,
        "seed": budget.seed,
    }


def _rung(name: str, **found: Any) -> dict[str, Any]:
    return {"name": name, "title": TITLES[name], **found}


def _distilled(
    lab: Laboratory, worlds: Worlds, short: Any
) -> tuple[list[dict[str, Any]], dict[str, Policy]]:
    """The teacher, and the rungs that need a student of their own."""
    groups, network = lab.run.obs_groups, lab.run.config.student
    sees = groups["student"]
    sound = known_to_work(short)
    rungs = [_rung("teacher", **lab.measure(PolicyActor(lab.teacher), worlds.quiet))]
    students: dict[str, Policy] = {}

    def add(name: str, groups: list[str], config: Any) -> None:
        begun = time.monotonic()
        made = students[name] = lab.distil(f"{name:18s}", groups, config, worlds.training)
        rungs.append(_rung(name, **lab.measure(PolicyActor(made), worlds.quiet)))
        rungs[-1]["seconds"] = time.monotonic() - begun

    if network.kind == "plain":
        add("capacity", groups["teacher"], sound)
    else:
        why = f"a student of kind {network.kind!r} acts through the teacher's own layers"
        rungs.append(_rung("capacity", skipped=why))
    add("information", sees, sound)
    if lab.run.config.distiller != "rounds":
        windows = lab.run.config.distiller == "windows"
        why = "window by window the student always acts" if windows else "the run distils nothing"
        rungs.append(_rung("distribution shift", skipped=why))
    elif same_rollin(short, sound) and short.dataset.window >= sound.dataset.window:
        why = "the run's roll-in is the one of the rung above"
        rungs.append(_rung("distribution shift", skipped=why))
    else:
        add("distribution shift", sees, short)
    return rungs, students


def _own_student(lab: Laboratory, worlds: Worlds, student: Policy) -> list[dict[str, Any]]:
    """The run's own student, without and with what its sensors do wrong."""
    rungs = [_rung("training", **lab.measure(PolicyActor(student), worlds.quiet))]
    if not worlds.sensors_err:
        why = "the run is measured with perfect sensors"
        return [*rungs, _rung("noise", skipped=why)]
    found = lab.measure(PolicyActor(student), worlds.real)
    found["teacher"] = lab.measure(PolicyActor(lab.teacher), worlds.real)["success"]
    return [*rungs, _rung("noise", **found)]


def _export(lab: Laboratory, worlds: Worlds, folder: RunDir) -> dict[str, Any]:
    file = folder.stage("export") / "policy.onnx"
    if not file.is_file():
        return _rung("export", skipped="the run has no ONNX file yet")
    try:
        runtime = load(file)
    except (RoboTSError, OSError, ValueError) as error:
        return _rung("export", skipped=f"it cannot be read: {str(error).partition(chr(10))[0]}")
    device = lab.teacher.head.weight.device
    return _rung("export", **lab.measure(OnnxActor(runtime, device), worlds.real))


def _errors(
    lab: Laboratory, worlds: Worlds, student: Policy, students: dict[str, Policy]
) -> dict[str, Any]:
    """Beside the ladder: errors by action and by who acts, the imitation gap, the worst terms."""
    num = min(_WATCHED, lab.budget.episodes)
    seed = derive(lab.budget.seed, "explain watch")

    def watch(policy: Policy, task: Any, teacher_acts: bool) -> errors.Seen:
        env = lab.worlds(task, num, seed)
        steps = min(env.max_episode_steps, 200)
        try:
            return errors.watch(policy, lab.teacher, env, steps, teacher_acts, seed)
        finally:
            env.close()

    driving = watch(student, worlds.real, teacher_acts=False)
    guided = watch(student, worlds.real, teacher_acts=True)
    env = lab.worlds(worlds.real, 1, seed)
    names = list(env.action_contract()["names"])
    env.close()
    gap = {
        name: errors.unexplained(watch(made, worlds.quiet, teacher_acts=True))
        for name, made in students.items()
    }
    found: dict[str, Any] = {
        "student_acts": errors.per_action(driving, names),
        "teacher_acts": errors.per_action(guided, names),
        "unexplained_while": {
            "student acts": errors.unexplained(driving),
            "teacher acts": errors.unexplained(guided),
        },
        "worst_terms": errors.worst_terms(driving),
        "unexplained_by": gap,
    }
    if "capacity" in gap:
        # What the sensors leave open beyond what the network itself cannot learn in this budget.
        found["imitation_gap"] = max(0.0, gap["information"] - gap["capacity"])
    return found
