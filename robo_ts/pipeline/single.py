"""Evaluate or export one bundle, without a run."""

from __future__ import annotations

import copy
from pathlib import Path

from robo_ts.env import get_task
from robo_ts.evaluate import PolicyActor, summarise_for
from robo_ts.files import write_json
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.measure import export_and_check, fly
from robo_ts.pipeline.show import print_result
from robo_ts.pipeline.stages import load_fitting
from robo_ts.pipeline.worlds import env_maker, is_population
from robo_ts.policies.player import mute_constant_inputs
from robo_ts.progress import Progress, set_threads


def evaluate_bundle(run: Run, path: Path, out: str) -> int:
    """Measure one bundle in the worlds of ``run``; writes JSON when ``out`` names a file."""
    set_threads(run.config.torch_threads)
    bundle = load_fitting(run, path)
    spec = get_task(run.task)
    mujoco = run.config.engine.mujoco_beside()
    bar = Progress("evaluate", run.config.evaluate.episodes * (2 if mujoco else 1), "episode")
    actor = PolicyActor(mute_constant_inputs(copy.deepcopy(bundle.policy)))
    pooled, kind = is_population(bundle.policy), bundle.lineage.get("kind", "policy")
    report = summarise_for(spec, fly(run, actor, bar, pooled))
    shown = {kind: report}
    if mujoco:
        report["in_mujoco"] = summarise_for(spec, fly(run, actor, bar, pooled, mujoco))
        shown[f"{kind} in MuJoCo"] = report["in_mujoco"]
    bar.close()
    print_result(str(path), shown)
    if out:
        write_json(out, {"bundle": bundle.digest(), "seed": run.config.seed, **report})
        print(f"written to {out}")
    return 0


def export_one(run: Run, path: Path, out: str) -> int:
    """Export one bundle to the folder ``out`` (``export`` inside the bundle when left out)."""
    set_threads(run.config.torch_threads)
    bundle = load_fitting(run, path)
    folder = Path(out or path / "export")
    make = env_maker(run, training=False)
    checked = export_and_check(bundle, folder, make, run.config.export, run.config.seed)
    print(
        f"{folder / checked['file']}: differs from torch by at most "
        f"{checked['max_abs_diff_vs_torch']:.1e} over {checked['steps_compared']} steps"
    )
    return 0
