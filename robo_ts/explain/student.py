"""The teacher and the student that a run has so far."""

from __future__ import annotations

from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import Run
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.stages import bundle_path, env_maker, load_fitting
from robo_ts.policies import Policy


def find_teacher(run: Run, folder: RunDir) -> Policy:
    """The run's teacher, on the engine's device.

    Raises:
        RoboTSError: when the run has none yet, or a damaged one.
    """
    if not bundle_path(folder, "teacher").exists():
        raise RoboTSError(
            f"a run whose teacher is done, in {folder.path}",
            "one without teacher/bundle",
            "finish that stage with 'robo-ts teach', or the whole run with 'robo-ts pipeline'",
        )
    return load_fitting(run, bundle_path(folder, "teacher")).policy


def find_student(run: Run, folder: RunDir, teacher: Policy) -> tuple[Policy, str]:
    """The run's student: finished, or as its newest checkpoint has it; and which of these.

    Raises:
        RoboTSError: when nothing was learnt yet.
    """
    if bundle_path(folder, "student").exists():
        return load_fitting(run, bundle_path(folder, "student")).policy, "finished"
    for stage in ("finetune", "student"):
        saved = folder.load_checkpoint(stage)
        if saved is not None:
            return _from_checkpoint(run, folder, teacher, stage, saved["learner"])
    raise RoboTSError(
        f"a run whose student has begun to learn, in {folder.path}",
        "neither student/bundle nor student/checkpoint.pt",
        f"run 'robo-ts distill' with this run's settings; a checkpoint comes every "
        f"{run.config.checkpoint_seconds:g} s",
    )


def _from_checkpoint(
    run: Run, folder: RunDir, teacher: Policy, stage: str, learner: dict
) -> tuple[Policy, str]:
    env = env_maker(run, training=False)(1, 0)
    try:
        sees = env.spec.select(run.obs_groups["student"])
        student = run.config.student.build(sees, teacher, env.num_actions).to(env.device)
        weights = next(
            (learner[k] for k in ("averaged", "student", "policy") if learner.get(k)), None
        )
        if weights is None:
            raise KeyError("the student's weights")
        student.load_state_dict(weights)
    except (AttributeError, KeyError, RuntimeError, TypeError) as error:
        said = str(error).partition("\n")[0]
        raise folder.bad_checkpoint(stage, f"{type(error).__name__}: {said}") from error
    finally:
        env.close()
    round_ = learner.get("iteration", 0)
    return student.eval().requires_grad_(False), f"{stage} checkpoint, round {int(round_)}"
