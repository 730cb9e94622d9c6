"""Which teacher gives the better student: one for all drones, one per drone, PPO's, or none.

Every teacher is trained for the same number of control steps, every student is distilled for as
many and then fine-tuned for as many; the one without a teacher is trained by analytic policy
gradient alone for all three. Every stage runs on one core, so that seconds can be compared too. A
student is measured in trial ``hold`` (RAPTOR's protocol, drones nobody has seen) before and after
fine-tuning. Everything is kept in ``runs/teachers``, apart for every commit; started again, it goes
on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robo_ts.bench.budget import from_nothing, steps_per_round
from robo_ts.bench.hold import hold_figures, over_seeds
from robo_ts.bench.report import print_lines
from robo_ts.env import get_task
from robo_ts.errors import RoboTSError
from robo_ts.evaluate import PolicyActor
from robo_ts.evaluate.trials import choose_trials, run_trials
from robo_ts.files import read_json, write_json
from robo_ts.lineage import commit, hardware, versions
from robo_ts.pipeline.config import Run, compose_run
from robo_ts.pipeline.learning import learn
from robo_ts.pipeline.pipeline import begin, run_stage
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.stages import bundle_path, untrained
from robo_ts.pipeline.worlds import differentiable
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.teach.apg import AnalyticPolicyGradient

STEPS, POOL = 60_000_000, 64


@dataclass(frozen=True)
class Arm:
    """One way to a student.

    Attributes:
        text: what the teacher is, in a few words.
        teacher: settings it is trained with; none for no teacher.
        student: settings the student is made with.
    """

    text: str
    teacher: tuple[str, ...]
    student: tuple[str, ...] = ("recipe=raptor",)


def arms(pool: int = POOL) -> dict[str, Arm]:
    """All ways, by name; ``pool`` drones where there is a pool."""
    pooled = ("recipe=raptor", f"training.drones.pool={pool}", "tuning.drones.pool=0")
    members = ("recipe=population", f"population={pool}")
    held = ("recipe=default", "task.references.langevin=0")
    return {
        "generalist": Arm("one for all drones, analytic gradients", ("recipe=raptor",)),
        "generalist of the pool": Arm(f"one for {pool} drones", pooled, pooled),
        "population": Arm(f"{pool}, one per drone, analytic gradients", members, members),
        "ppo": Arm("one for all drones, PPO in MuJoCo", held),
        "none": Arm("no teacher", ()),
    }


def run(
    seeds: Sequence[int] | None = None, threads: int = 0, steps: int = 0, episodes: int = 0
) -> dict[str, Any]:
    """The comparison at full size.

    Args:
        seeds: of everything that is trained; three when left out.
        threads: of torch, 1 for 0.
        steps: control steps of every stage; 60 million for 0.
        episodes: that a student is measured in; 0 for what the trial says.
    """
    words = (f"torch_threads={threads or 1}",)
    chosen = range(3) if seeds is None else seeds
    return compare(chosen, steps or STEPS, POOL, Path("runs/teachers"), words, episodes)


def compare(
    seeds: Sequence[int],
    steps: int,
    pool: int,
    place: Path,
    words: Sequence[str] = (),
    episodes: int = 0,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """Every arm with every seed.

    Args:
        seeds: of everything that is trained.
        steps: control steps of every stage.
        pool: drones of the pool, and members of the population.
        place: where the runs are kept.
        words: further settings of every run.
        episodes: that a student is measured in, once; 0 for what the trial says.
        names: of the arms; all of them when left out.

    Returns:
        Plain data: per arm and figure the seeds' values, their interquartile mean and its 95%
        bootstrap interval; the budget; hardware, versions and commit.
    """
    if steps < 1:
        raise RoboTSError("at least one control step", str(steps), "raise steps")
    found: dict[str, Any] = {}
    known = arms(pool)
    for name in names or known:
        arm, rows = known[name], []
        for seed in seeds:
            # What another commit made is not averaged with this one's.
            folder = place / (commit() or "none") / f"pool{pool}-{steps}"
            folder = folder / f"{name.replace(' ', '-')}-seed{seed}"
            fixed = (*words, f"seed={seed}", "processes=1", "gate.success=0", "finetune=none")
            rows.append(_one(arm, steps, folder, fixed, episodes))
        found[name] = {"text": arm.text, "seeds": rows, "figures": _summed(rows)}
    return {
        "measurement": "teachers",
        "budget": {"teacher": steps, "distillation": steps, "fine-tuning": steps, "unit": _UNIT},
        "pool": pool,
        "seeds": list(seeds),
        "arms": found,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }


_UNIT = "control steps of one drone, as near as whole windows come"


def _one(arm: Arm, steps: int, folder: Path, words: Sequence[str], episodes: int) -> dict[str, Any]:
    """One arm with one seed: what the teacher and the student reach, what each stage took."""
    if not arm.teacher:
        words = (*words, *arm.student)
        begun = from_nothing(compose_run(list(words)).config.tune)
        run = _composed((*words, *begun), folder / "student", steps, 3 * steps)
        return {"tuned": _tuned(run, begin(run), untrained(run), episodes)}
    taught = _composed((*words, *arm.teacher), folder / "teacher", steps, steps)
    teacher = run_stage(taught, "teach")
    given = f"teacher_bundle={bundle_path(RunDir(taught.run_dir), 'teacher')}"
    run = _composed((*words, *arm.student, given), folder / "student", steps, steps)
    distilled = run_stage(run, "distill")
    student = PolicyBundle.load(bundle_path(RunDir(run.run_dir), "student")).policy
    return {
        "teacher": {
            "success": teacher["gate"]["mean"],
            "seconds": teacher["seconds"],
            "samples": teacher["samples"],
        },
        "distilled": {
            **_measured(run, student, "distilled", episodes),
            "seconds": distilled["seconds"],
            "samples": distilled["samples"],
        },
        "tuned": _tuned(run, RunDir(run.run_dir), student, episodes),
    }


def _composed(words: Sequence[str], folder: Path, steps: int, tuning: int) -> Run:
    """A run whose stages take so many control steps."""
    config = compose_run([*words, f"run_dir={folder}"]).config
    ppo = config.teacher
    rounds = {
        "teacher.iterations": steps / (ppo.num_envs * ppo.steps_per_iteration),
        "apg.iterations": steps / steps_per_round(config.apg),
        "windows.iterations": steps / steps_per_round(config.windows),
        "tune.iterations": tuning / steps_per_round(config.tune),
    }
    sized = [f"{name}={max(1, round(count))}" for name, count in rounds.items()]
    return compose_run([*words, f"run_dir={folder}", *sized])


def _tuned(run: Run, folder: RunDir, policy: Policy, episodes: int) -> dict[str, Any]:
    """A student after fine-tuning by analytic policy gradient."""
    config = run.config.tune
    worlds = differentiable(run, run.tuning_task, config.num_envs, "tune")
    policy = policy.to(worlds.device).requires_grad_(True)
    learner = AnalyticPolicyGradient(worlds, policy, config)
    spent = learn(run, folder, "finetune", learner, config.iterations, ("cost", "grad_norm"))
    found = _measured(run, learner.policy(), "tuned", episodes)
    return {**found, "seconds": spent.seconds, "samples": learner.samples}


def _measured(run: Run, policy: Policy, name: str, episodes: int) -> dict[str, float | None]:
    """A student in trial ``hold``, the same worlds for every arm and seed; None for what is
    undefined where no drone survived."""
    kept = run.run_dir / f"{name}-{episodes or 'all'}.json"
    if kept.is_file():
        return read_json(kept)
    spec = get_task(run.task)
    trial = choose_trials(spec, ["hold"])["hold"]
    if episodes:
        trial = replace(trial, episodes=episodes, repeats=1)
    actors = {"student": PolicyActor(policy)}
    trials = run_trials(spec, spec.config(), actors, {"hold": trial}, run.config.engine)
    write_json(kept, hold_figures(trials["hold"]["policies"]["student"]))
    return read_json(kept)  # a resumed comparison says the same as the first


def _summed(rows: Sequence[Mapping[str, Mapping[str, float | None]]]) -> dict[str, dict[str, Any]]:
    """Per stage and figure: what the seeds say together."""
    return {stage: over_seeds([row[stage] for row in rows]) for stage in rows[0]}


_STAGES = ("distilled", "tuned")
_MEASURED = ("never terminated", "error median / mean", "return")
HEADS = (
    "teacher",
    "its success",
    *(f"{stage}: {head}" for stage in _STAGES for head in _MEASURED),
    "seconds",
)


def show(figures: dict[str, Any]) -> None:
    """Print what :func:`run` returned: one line per arm."""
    budget = figures["budget"]["teacher"]
    title = f"students of different teachers, {len(figures['seeds'])} seeds, {budget:,} steps each"
    print_lines(HEADS, lines(figures), title)


def lines(figures: Mapping[str, Any]) -> list[list[str]]:
    """The table's cells, one list per arm, in the order of :data:`HEADS`."""
    return [_line(name, arm["figures"]) for name, arm in figures["arms"].items()]


def _line(name: str, found: Mapping[str, Any]) -> list[str]:
    own = f"{found['teacher']['success']['iqm']:.1%}" if "teacher" in found else ""
    cells = [cell for stage in _STAGES for cell in _cells(found.get(stage))]
    return [name, own, *cells, f"{sum(stage['seconds']['iqm'] for stage in found.values()):.0f}"]


def _cells(stage: Mapping[str, Mapping[str, Any]] | None) -> list[str]:
    if stage is None:
        return ["", "", ""]
    value = {name: stage[name]["iqm"] for name in stage}
    low, high = stage["within_limits"]["ci95"]
    return [
        f"{value['within_limits']:.1%} ({100 * low:.1f} to {100 * high:.1f})",
        f"{100 * value['error_median_m']:.2f} / {100 * value['error_mean_m']:.2f} cm",
        f"{value['return']:.1f}",
    ]
