"""What each part of the quadrotor's recipe is worth: the recipe without it, or with more of it.

Every arm is the recipe ``fast`` with one change, trained by the pipeline's own stages with as many
control steps, and measured in the same worlds of drones nobody has seen: RAPTOR's protocol (trial
``hold``), and the same with a latency of 0 to 20 ms. Arms whose teachers have the same settings
share one per seed. Every result is written as soon as it is there; one that is there already, of
the same settings and commit, is not made again, and a run that was stopped goes on where it stood.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from robo_ts.bench.budget import (
    for_a_new_student,
    from_nothing,
    steps_of,
    steps_per_round,
)
from robo_ts.bench.hold import WEAK, hold_figures, number, over_seeds
from robo_ts.bench.report import print_lines
from robo_ts.env import get_task
from robo_ts.env.trials import Trial
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.evaluate import PolicyActor
from robo_ts.evaluate.trials import choose_trials, run_trials
from robo_ts.files import read_json, write_json
from robo_ts.lineage import commit, hardware, versions
from robo_ts.pipeline.config import PipelineConfig, Run, compose_run
from robo_ts.pipeline.pipeline import run_stage
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.stages import bundle_path
from robo_ts.policies import PolicyBundle

RECIPE = "recipe=fast"
PLACE = Path("runs/ablations")
# Where students are measured: the trial of each condition.
CONDITIONS = {"hold": "hold", "latency": "latency_0_20ms"}
_LATENCY = ("training.sensors.latency={low: 0.0, high: 0.02}",)
_LARGER = ("student.encoder=[64]", "student.memory_size=48")


@dataclass(frozen=True)
class Arm:
    """The recipe with one change.

    Attributes:
        text: what is changed, in a few words.
        student: changes to the settings the student is made with.
        teacher: changes to the settings its teacher is trained with; None for no teacher.
    """

    text: str
    student: tuple[str, ...] = ()
    teacher: tuple[str, ...] | None = ()


def arms(recipe: PipelineConfig) -> dict[str, Arm]:
    """All of them, by name, as changes to ``recipe``."""
    even = ("training.drones.weak_share=0", "tuning.drones.weak_share=0")
    return {
        "recipe": Arm("the recipe as it is"),
        "no-teacher": Arm("gradients from a random student on", _alone(recipe), None),
        "cloning": Arm(
            "no DAgger: the teacher flies, the student watches",
            (f"windows.warmup_iterations={recipe.windows.iterations}",),
        ),
        "no-fine-tune": Arm("distilled only", ("finetune=none",)),
        "no-oversampling": Arm("no more weak drones than there are", even, even[:1]),
        "half-window": Arm("half as long windows, twice as many", _windows(recipe, 0.5)),
        "double-window": Arm("twice as long windows, half as many", _windows(recipe, 2.0)),
        "learnt-start": Arm("the memory's initial state is learnt", (_LEARNT,)),
        "larger": Arm("18,084 parameters", _LARGER),
        "latency": Arm("trained with latency", _LATENCY, _LATENCY),
        "larger-latency": Arm(
            "18,084 parameters, trained with latency", (*_LARGER, *_LATENCY), _LATENCY
        ),
    }


_LEARNT = "student.learn_initial_state=true"


def _alone(recipe: PipelineConfig) -> tuple[str, ...]:
    """The control steps of all three stages, all by analytic gradients."""
    budget = sum(steps_of(stage) for stage in (recipe.apg, recipe.windows, recipe.tune))
    rounds = max(1, round(budget / steps_per_round(for_a_new_student(recipe.tune))))
    return ("distiller=none", f"tune.iterations={rounds}", *from_nothing(recipe.tune))


def _windows(recipe: PipelineConfig, factor: float) -> tuple[str, ...]:
    """Windows of another length, with as many control steps in all."""
    words = []
    for name, stage in (("windows", recipe.windows), ("tune", recipe.tune)):
        window = max(1, round(stage.window * factor))
        words += [f"{name}.window={window}", f"{name}.first_window={window}"]
        rounds = max(1, round(stage.iterations * stage.window / window))
        words.append(f"{name}.iterations={rounds}")
    warmup = round(recipe.windows.warmup_iterations * recipe.windows.window / window_of(words))
    return (*words, f"windows.warmup_iterations={warmup}")


def window_of(words: Sequence[str]) -> int:
    """The length of a distiller's windows that ``words`` set."""
    return next(int(w.partition("=")[2]) for w in words if w.startswith("windows.window="))


def run(
    seeds: Sequence[int] | None = None,
    threads: int = 0,
    percent: int = 0,
    episodes: int = 0,
    arms: str = "",
    json: Path | None = None,
) -> dict[str, Any]:
    """The ablations at full size.

    Args:
        seeds: of everything that is trained; three when left out.
        threads: of torch in each process; 0 for as many as there are cores for.
        percent: of the recipe's iterations that every stage takes; 100 for 0.
        episodes: that a student is measured in per condition; 0 for what the trials say.
        arms: names with commas; all of them when empty.
        json: file that results are kept in.
    """
    names = [word for word in arms.split(",") if word]
    words = (f"torch_threads={threads}",) if threads else ()
    chosen = range(3) if seeds is None else seeds
    return compare(chosen, PLACE, json, names, words, percent or 100, episodes)


def compare(
    seeds: Sequence[int],
    place: Path,
    kept: Path | None = None,
    names: Sequence[str] = (),
    words: Sequence[str] = (),
    percent: int = 100,
    episodes: int = 0,
) -> dict[str, Any]:
    """Every arm with every seed.

    Args:
        seeds: of everything that is trained.
        place: where the runs are kept, apart for every commit.
        kept: file that results are kept in; what it holds of other arms stays, and of these arms
            the seeds with the same settings and commit.
        names: of the arms; all of them when empty.
        words: further settings of every run.
        percent: of the recipe's iterations.
        episodes: that a student is measured in per condition, once; 0 for what the trials say.

    Returns:
        Plain data: per arm and condition the seeds' figures, their mean, interquartile mean and its
        95% bootstrap interval; seconds; hardware, versions and commit.

    Raises:
        RoboTSError: for an unknown arm, and for a file with something else in it.
    """
    if percent < 1:
        raise RoboTSError("at least one percent", str(percent), "raise percent")
    words = (*words, *_sized(words, percent))
    sizes = {"percent": percent, "episodes": episodes}
    known = arms(compose_run([RECIPE, *words]).config)
    for name in names:
        if name not in known:
            raise RoboTSError("the name of an ablation", repr(name), did_you_mean(name, known))
    found, now = _earlier(kept), commit() or "none"

    def planned(name: str, seed: int) -> _Plan:
        return _Plan(known[name], seed, place / now, words, episodes)

    for seed in seeds:
        for name in names or known:
            rows = found.get(name, {}).get("seeds", [])
            # Rows of other settings or of another commit are not averaged with these.
            rows = [r for r in rows if _holds(r, planned(name, r["seed"]).settings, now)]
            if not any(row["seed"] == seed for row in rows):
                plan = planned(name, seed)
                made = plan.carry_out()
                rows.append({"seed": seed, "settings": plan.settings, "commit": now, **made})
            found[name] = _summed(known[name], sorted(rows, key=lambda r: r["seed"]))
            if kept:
                write_json(kept, _figures(found, sizes, known))
    return read_json(kept) if kept else _figures(found, sizes, known)


def _figures(
    found: Mapping[str, Any], sizes: Mapping[str, int], known: Mapping[str, Arm]
) -> dict[str, Any]:
    return {
        "measurement": "ablations",
        "recipe": RECIPE,
        **sizes,
        "conditions": CONDITIONS,
        "seeds": sorted({row["seed"] for arm in found.values() for row in arm["seeds"]}),
        "arms": {name: found[name] for name in known if name in found},
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }


def _earlier(kept: Path | None) -> dict[str, Any]:
    if kept is None or not kept.is_file():
        return {}
    figures = read_json(kept)
    if not isinstance(figures, dict) or figures.get("measurement") != "ablations":
        raise RoboTSError(
            f"results of ablations in {kept}", "something else", "give another file to --json"
        )
    return figures["arms"]


def _holds(row: Mapping[str, Any], settings: str, now: str) -> bool:
    return (row["settings"], row["commit"]) == (settings, now)


def _summed(arm: Arm, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "text": arm.text,
        "changes": list(arm.student),
        "seeds": rows,
        "figures": {name: over_seeds([row[name] for row in rows]) for name in CONDITIONS},
        "seconds": over_seeds([row["seconds"] for row in rows]),
    }


@dataclass(frozen=True)
class _Plan:
    """One arm with one seed.

    Attributes:
        arm: what is changed.
        seed: of everything.
        place: where runs are kept.
        words: further settings.
        episodes: per condition; 0 for what the trials say.
    """

    arm: Arm
    seed: int
    place: Path
    words: tuple[str, ...]
    episodes: int

    def _run(self, changes: Sequence[str], folder: str, *more: str) -> Run:
        fixed = (RECIPE, *self.words, f"seed={self.seed}", "gate.success=0")
        return compose_run([*fixed, *changes, *more, f"run_dir={self.place / folder}"])

    @cached_property
    def taught(self) -> Run | None:
        """The run that trains the teacher; its folder is named by its settings."""
        if self.arm.teacher is None:
            return None
        run = self._run(self.arm.teacher, "teacher")
        run.config.run_dir = str(self.place / f"teacher-{run.digest()}")
        return run

    @cached_property
    def settings(self) -> str:
        """Hash of all that decides the result."""
        student, taught = self._run(self.arm.student, "student"), self.taught
        parts = [student.digest(), taught and taught.digest(), self.episodes, CONDITIONS]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def carry_out(self) -> dict[str, Any]:
        """Train and measure."""
        torch.compiler.reset()  # what was compiled for other arms only fills its memory
        taught, given, lesson = self.taught, [], None
        if taught is not None:
            lesson = run_stage(taught, "teach")
            given = [f"teacher_bundle={bundle_path(RunDir(taught.run_dir), 'teacher')}"]
        run = self._run(self.arm.student, f"student-{self.settings}", *given)
        made = run_stage(run, "distill")
        policy = PolicyBundle.load(bundle_path(RunDir(run.run_dir), "student")).policy
        teacher = lesson["seconds"] if lesson else 0.0
        seconds = {"teacher": teacher, "student": made["seconds"]}
        return {
            "parameters": made["parameters"],
            "samples": made["samples"] + (lesson["samples"] if lesson else 0),
            "teacher_success": lesson["gate"]["mean"] if lesson else None,
            "seconds": {**seconds, "total": sum(seconds.values())},
            **self._measured(run, PolicyActor(policy)),
        }

    def _measured(self, run: Run, actor: PolicyActor) -> dict[str, Any]:
        spec = get_task(run.task)
        found = {}
        for name, trial in CONDITIONS.items():
            chosen = choose_trials(spec, [trial])
            if name != "hold":  # the same bins, and as many flights
                chosen[trial] = _as_hold(chosen[trial], choose_trials(spec, ["hold"])["hold"])
            if self.episodes:
                chosen[trial] = replace(chosen[trial], episodes=self.episodes, repeats=1)
            flown = run_trials(spec, spec.config(), {"it": actor}, chosen, run.config.engine)
            found[name] = hold_figures(flown[trial]["policies"]["it"])
        return found


def _as_hold(trial: Trial, hold: Trial) -> Trial:
    return replace(trial, episodes=hold.episodes, repeats=hold.repeats, bins=hold.bins)


def _sized(words: Sequence[str], percent: int) -> list[str]:
    """Words that give the recipe's stages ``percent`` of their iterations."""
    config = compose_run([RECIPE, *words]).config
    counts = {
        "apg.iterations": config.apg.iterations,
        "windows.iterations": config.windows.iterations,
        "windows.warmup_iterations": config.windows.warmup_iterations,
        "tune.iterations": config.tune.iterations,
    }
    return [f"{name}={max(1, round(count * percent / 100))}" for name, count in counts.items()]


def show(figures: dict[str, Any]) -> None:
    """Print what :func:`run` returned: one line per arm."""
    share = "" if figures["percent"] == 100 else f", {figures['percent']}% of its iterations"
    title = f"recipe fast with one change, {len(figures['seeds'])} seeds{share}"
    caption = "mean over the seeds; 95% bootstrap interval of the middle"
    print_lines(HEADS, lines(figures), title, caption)


HEADS = (
    "arm",
    "parameters",
    "never terminated",
    "survived",
    "return",
    "error median / mean, cm",
    f"terminated below {WEAK:.0f} rad/s2",
    "latency: never terminated",
    "latency: error median, cm",
    "s",
)


def lines(figures: Mapping[str, Any]) -> list[list[str]]:
    """The table's cells, one list per arm, in the order of :data:`HEADS`."""
    return [_line(name, arm) for name, arm in figures["arms"].items()]


def _line(name: str, arm: Mapping[str, Any]) -> list[str]:
    hold, late = arm["figures"]["hold"], arm["figures"]["latency"]

    def mean(figure: Mapping[str, Any]) -> float:
        return 100.0 * number(figure["mean"])

    def spread(figure: Mapping[str, Any], unit: str = "") -> str:
        low, high = (100.0 * number(end) for end in figure["ci95"])
        return f"{mean(figure):.2f}{unit} ({low:.2f} to {high:.2f})"

    return [
        f"{name}: {arm['text']}",
        f"{arm['seeds'][0]['parameters']:,}",
        spread(hold["within_limits"], "%"),
        f"{mean(hold['survived']):.2f}%",
        f"{number(hold['return']['mean']):.1f}",
        f"{spread(hold['error_median_m'])} / {mean(hold['error_mean_m']):.2f}",
        f"{mean(hold['weak_terminated']):.1f}%",
        spread(late["within_limits"], "%"),
        f"{mean(late['error_median_m']):.2f}",
        f"{number(arm['seconds']['total']['mean']):.0f}",
    ]
