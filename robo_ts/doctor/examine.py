"""One examination per kind of patient: environment, policy, pair, export, run, machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from robo_ts.doctor import behaviour, launch, logs, machine, observations, pair, policy
from robo_ts.doctor.finding import Examination, Finding
from robo_ts.doctor.sample import Sample, take
from robo_ts.env import TaskEnv, TaskSpec, get_task
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.trials import with_changes
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.saved import load_run
from robo_ts.pipeline.stages import bundle_path
from robo_ts.policies import PolicyBundle
from robo_ts.progress import read_metrics
from robo_ts.sim import EngineConfig

# Worlds and steps a patient is watched in.
NUM_ENVS, STEPS = 64, 200
_CRASHES = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def environment(
    spec: TaskSpec, config: Any = None, seed: int = 0, subject: str = ""
) -> Examination:
    """A task, by what it does when chance acts in it.

    Args:
        spec: the task.
        config: its settings; the defaults when left out.
        seed: of worlds and chance.
        subject: what to call it; the task's name when left out.
    """
    checks = {**observations.CHECKS, **behaviour.CHECKS}
    engine = EngineConfig(threads=1)
    env = spec.build(config or spec.config(), NUM_ENVS, engine, seed)
    found: list[Finding] = []
    try:
        sample = take(env, spec, None, _steps(env), seed)
        for check in checks.values():
            found += check(sample)
    except _CRASHES as error:
        found.append(_crash(spec.name, error))
    finally:
        env.close()
    return Examination(subject or f"task {spec.name}", tuple(checks), tuple(found))


def task(spec: TaskSpec, seed: int = 0) -> list[Examination]:
    """A task as it is by default, and with its cameras where these have to be switched on."""
    made = [environment(spec, seed=seed)]
    if spec.cameras:
        config = with_changes(spec.config(), spec.cameras)
        made.append(environment(spec, config, seed, f"task {spec.name} with its cameras"))
    return made


def _steps(env: TaskEnv) -> int:
    """Long enough for whole episodes where they are short."""
    return min(STEPS, 2 * env.max_episode_steps)


def _crash(name: str, error: Exception) -> Finding:
    said = str(error).partition("\n")[0]
    return Finding(
        "runs",
        name,
        "an environment that resets and steps with actions in [-1, 1]",
        f"{type(error).__name__}: {said}",
        "mend it first; the other checks need a running environment",
    )


def bundle(path: str | Path, seed: int = 0) -> Examination:
    """A policy, by what it does in the worlds of its own settings."""
    patient = PolicyBundle.load(path)
    found, sample = _watched(patient, seed)
    if sample is not None:
        found += policy.examine(patient, sample)
        sample.env.close()
    kind = patient.lineage.get("kind", "policy")
    return Examination(f"{kind} {path}", policy.CHECKS, tuple(found))


def _watched(patient: PolicyBundle, seed: int) -> tuple[list[Finding], Sample | None]:
    """Findings about the fit, and a sample where the policy fits at all."""
    spec = get_task(patient.task)
    config, found = settings(spec, patient.task_config)
    env = spec.build(config, NUM_ENVS, EngineConfig(threads=1), seed)
    found += policy.contract(patient, env) + policy.numbers(patient)
    if any(f.check in ("observation order", "action", "finite") for f in found):
        env.close()
        return found, None
    # Whole episodes, where a recorded success is to be compared.
    steps = env.max_episode_steps + 1 if "gate" in patient.lineage else _steps(env)
    return found, take(env, spec, patient.policy, steps, seed)


def settings(spec: TaskSpec, kept: dict[str, Any]) -> tuple[Any, list[Finding]]:
    """A bundle's settings of its task, or the task's defaults and a finding."""
    try:
        node = OmegaConf.merge(OmegaConf.structured(spec.config()), kept)
        return OmegaConf.to_object(node), []
    except (OmegaConfBaseException, RoboTSError, ValueError) as error:
        said = str(error).partition("\n")[0]
        finding = Finding(
            "task",
            "task_config",
            f"settings that the task {spec.name} knows",
            said,
            "use the version of the task the bundle was made with; its defaults were used here",
            "warning",
        )
        return spec.config(), [finding]


def couple(one: str | Path, other: str | Path, seed: int = 0) -> Examination:
    """A teacher and a student: each by itself, then both together."""
    teacher, student = PolicyBundle.load(one), PolicyBundle.load(other)
    if teacher.lineage.get("kind") == "student" and student.lineage.get("kind") == "teacher":
        teacher, student = student, teacher
    found: list[Finding] = []
    together = pair.tasks(teacher, student) + pair.lineage(teacher, student)
    for who, patient in (("teacher", teacher), ("student", student)):
        about, sample = _watched(patient, seed)
        if sample is not None:
            about += policy.examine(patient, sample)
            if who == "teacher":
                together += pair.examine(teacher, student, sample)
            sample.env.close()
        found += policy.named(about, who)
    found += together
    return Examination(f"{one} and {other}", (*policy.CHECKS, *pair.CHECKS), tuple(found))


def export(folder: str | Path, student: PolicyBundle | None = None) -> Examination:
    """An exported policy: does it do what its golden trace says, and whose is it?

    Args:
        folder: with ``policy.onnx``, ``policy.json`` and ``golden.npz``.
        student: the policy it should be, where that is known.
    """
    from robo_ts.export import load, replay_golden

    folder = Path(folder)
    found: list[Finding] = []
    try:
        greatest = replay_golden(folder)
        if greatest > 1e-4:
            found.append(
                Finding(
                    "golden trace",
                    str(folder),
                    "a trace repeated within 1e-4",
                    f"a difference of {greatest:.2g}",
                    "update onnxruntime, or export anew",
                )
            )
        digest = load(folder / "policy.onnx").contract.get("policy_digest")
    except RoboTSError as error:
        found.append(Finding("golden trace", str(folder), error.expected, error.got, error.fix))
        digest = None
    if student is not None and digest is not None and digest != student.digest():
        found.append(
            Finding(
                "export is of the student",
                str(folder),
                f"the student {student.digest()[:12]}",
                f"the export of another policy, {digest[:12]}",
                "delete export/done.json and run 'robo-ts export' again",
            )
        )
    checks = ("golden trace", "export is of the student")
    return Examination(f"export {folder}", checks, tuple(found))


def before_launch(run: Run, seen: machine.Machine | None = None) -> Examination:
    """A run that has not begun: what it needs."""
    found = launch.examine(run, seen or machine.look())
    return Examination(f"launch of {run.run_dir}", launch.CHECKS, tuple(found))


def kept(folder: Path, seed: int = 0) -> list[Examination]:
    """Policies taken out of a run: ``teacher``, ``student`` and ``export`` in a folder."""
    there = [folder / n for n in ("teacher", "student") if (folder / n / "policy.json").is_file()]
    made = _policies(there, seed)
    if (folder / "export" / "policy.onnx").is_file():
        students = [path for path in there if path.name == "student"]
        student = PolicyBundle.load(students[0]) if students else None
        made.append(export(folder / "export", student))
    return made


def _policies(there: list[Path], seed: int) -> list[Examination]:
    """A teacher and its student, or the only one there is."""
    if len(there) == 2:
        return [couple(*there, seed=seed)]
    return [bundle(path, seed) for path in there]


def run_folder(path: str | Path, seed: int = 0) -> list[Examination]:
    """Everything that a run's folder holds so far."""
    run, folder = load_run(path), RunDir(Path(path))
    there = [n for n in ("teacher", "student") if bundle_path(folder, n).exists()]
    made = _policies([bundle_path(folder, name) for name in there], seed)
    rows = read_metrics(folder.stage("student") / "metrics.jsonl")
    if rows and run.config.distiller == "rounds":
        found = logs.examine(rows, run.config.distill.max_grad_norm)
        made.append(Examination(f"log {folder.stage('student')}", logs.CHECKS, tuple(found)))
    if (folder.stage("export") / "policy.onnx").exists():
        student = None
        if "student" in there:
            student = PolicyBundle.load(bundle_path(folder, "student"))
        made.append(export(folder.stage("export"), student))
    if not folder.is_done("student"):
        made.append(before_launch(run))
    return made


def this_machine(seen: machine.Machine | None = None) -> Examination:
    """The machine the doctor runs on."""
    seen, found = seen or machine.look(), []
    for check in machine.CHECKS.values():
        found += check(seen)
    return Examination("machine", tuple(machine.CHECKS), tuple(found))
